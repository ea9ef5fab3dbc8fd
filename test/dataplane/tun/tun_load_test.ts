import assert from "node:assert/strict";
import { test } from "node:test";
import { TunLoad } from "../../../src/dataplane/tun/tun_load.ts";

const SUPERFRAME = 62_000;

/** A stream of writes, looked at. */
class Stream {
  readonly #load = new TunLoad();
  writes = 0;
  bytes = 0;

  write(all: readonly number[]): void {
    for (const bytes of all) {
      this.writes++;
      this.bytes += bytes;
    }
  }

  bulk(now: number): boolean {
    return this.#load.bulk(this, now);
  }

  /** A hundred milliseconds of writes from `since` on; the answer at their end. */
  window(since: number, all: readonly number[]): boolean {
    this.bulk(since);
    this.write(all);
    return this.bulk(since + 100);
  }
}

/** `n` writes of `bytes` each. */
const writes = (n: number, bytes: number) => new Array<number>(n).fill(bytes);

test("Superframes at a high rate are bulk, and the answer lasts for a window", () => {
  const load = new Stream();
  assert.equal(load.bulk(1000), false);
  assert.equal(load.window(1100, writes(200, SUPERFRAME)), true);
  assert.equal(load.bulk(1299), true);
  assert.equal(load.bulk(1301), false, "nothing came in the window after it");
});

test("A slow stream is none, nor is one that comes in small pieces", () => {
  assert.equal(new Stream().window(1000, writes(100, SUPERFRAME)), false); // 496 Mbit/s
  assert.equal(new Stream().window(1000, writes(2000, 8000)), false);
});

test("A flood of other packets beside a stream is none", () => {
  assert.equal(new Stream().window(1000, [...writes(200, SUPERFRAME), ...writes(500, 0)]), true);
  assert.equal(new Stream().window(1000, [...writes(200, SUPERFRAME), ...writes(1000, 0)]), false);
});

test("After a pause what came before it does not count", () => {
  const load = new Stream();
  load.bulk(1000);
  load.write(writes(2000, SUPERFRAME));
  assert.equal(load.bulk(9000), false);
});
