import assert from "node:assert/strict";
import { test } from "node:test";
import { TunLoad } from "../../../src/dataplane/tun/tun_load.ts";

const SUPERFRAME = 62_000;

/** A hundred milliseconds of writes from `since` on; the answer at their end. */
function window(load: TunLoad, since: number, writes: readonly number[]): boolean {
  load.bulk(since);
  for (const bytes of writes) load.add(bytes);
  return load.bulk(since + 100);
}

/** `n` writes of `bytes` each. */
const writes = (n: number, bytes: number) => new Array<number>(n).fill(bytes);

test("Superframes at a high rate are bulk, and the answer lasts for a window", () => {
  const load = new TunLoad();
  assert.equal(load.bulk(1000), false);
  assert.equal(window(load, 1100, writes(200, SUPERFRAME)), true);
  assert.equal(load.bulk(1299), true);
  assert.equal(load.bulk(1301), false, "nothing came in the window after it");
});

test("A slow stream is none, nor is one that comes in small pieces", () => {
  assert.equal(window(new TunLoad(), 1000, writes(100, SUPERFRAME)), false); // 496 Mbit/s
  assert.equal(window(new TunLoad(), 1000, writes(2000, 8000)), false);
});

test("A flood of other packets beside a stream is none", () => {
  assert.equal(window(new TunLoad(), 1000, [...writes(200, SUPERFRAME), ...writes(500, 0)]), true);
  assert.equal(window(new TunLoad(), 1000, [...writes(200, SUPERFRAME), ...writes(1000, 0)]), false);
});

test("After a pause what came before it does not count", () => {
  const load = new TunLoad();
  load.bulk(1000);
  for (const bytes of writes(2000, SUPERFRAME)) load.add(bytes);
  assert.equal(load.bulk(9000), false);
});
