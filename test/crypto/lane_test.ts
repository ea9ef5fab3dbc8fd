import assert from "node:assert/strict";
import fc from "fast-check";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { laneAead, laneKey, REPLAY_WINDOW, ReplayWindow } from "../../src/crypto/lane.ts";

/** RFC 5869 by hand: extract with a salt of zeros, expand to one block. */
function naiveKey(root: Uint8Array, lane: number): Uint8Array {
  const extracted = createHmac("sha256", new Uint8Array(32)).update(root).digest();
  const info = new TextEncoder().encode(`ovltun lane ${lane}`);
  return new Uint8Array(createHmac("sha256", extracted).update(info).update(Uint8Array.of(1)).digest());
}

test("laneKey() is HKDF-SHA256 of the root and the lane's name", () => {
  const root = Uint8Array.from({ length: 32 }, (_, i) => 7 * i);
  for (const lane of [0, 1, 15, 255]) assert.deepEqual(laneKey(root, lane), naiveKey(root, lane));
  assert.notDeepEqual(laneKey(root, 0), laneKey(root, 1));
});

test("laneKey() refuses a root of another length", () => {
  assert.throws(() => laneKey(new Uint8Array(31), 0), TypeError);
});

test("laneAead() leaves nothing of the lane's key behind, also where the host has no such suite", () => {
  const root = new Uint8Array(32).fill(1);
  const given: Uint8Array[] = [];
  const aead = {
    suites: () => [],
    key: (_suite: string, key: Uint8Array) => {
      given.push(key);
      assert.deepEqual(key, laneKey(root, 3));
      throw new TypeError("no such suite");
    },
  };
  const lane = { suite: "aes-256-gcm", root, lane: 3, memory: new Uint8Array(16) } as const;
  assert.throws(() => laneAead(aead, lane), TypeError);
  assert.deepEqual(given, [new Uint8Array(32)]);
});
/** The rule in one line each: every counter used, and how far back one may lie. */
class NaiveWindow {
  readonly #used = new Set<number>();
  #greatest = -1;
  isFresh(counter: number): boolean {
    return !this.#used.has(counter) && this.#greatest - counter < REPLAY_WINDOW;
  }
  commit(counter: number): boolean {
    const newest = counter > this.#greatest;
    this.#used.add(counter);
    if (newest) this.#greatest = counter;
    return newest;
  }
}

function agree(counters: readonly number[]): void {
  const window = new ReplayWindow(), naive = new NaiveWindow();
  for (const counter of counters) {
    const fresh = naive.isFresh(counter);
    assert.equal(window.isFresh(counter), fresh, `${counter}`);
    if (fresh) assert.equal(window.commit(counter), naive.commit(counter), `${counter}`);
  }
}

test("REPLAY_WINDOW is at least WireGuard's", () => assert.ok(REPLAY_WINDOW >= 8128));

test("ReplayWindow agrees with a set on reordered, repeated and jumping counters", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -40, max: 60 }) },
    { weight: 3, arbitrary: fc.integer({ min: -REPLAY_WINDOW - 40, max: REPLAY_WINDOW + 40 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 40 }) },
    { weight: 1, arbitrary: fc.constantFrom(31, 32, 33, 8160, 8159, 8161, 8192, 8191, 8193, -8160, -8159) },
  );
  const starts = fc.constantFrom(0, 1, 2 ** 31 - 50, 2 ** 32 - 50, 2 ** 48, 2 ** 52 - 2 ** 45);
  fc.assert(fc.property(starts, fc.array(step, { maxLength: 300 }), (start, steps) => {
    let at = start;
    agree(steps.map((by) => at = Math.min(2 ** 52, Math.max(0, at + by))));
  }));
});

test("ReplayWindow takes every counter of a long run once, whatever the wrap of its ring", () => {
  const window = new ReplayWindow();
  for (let counter = 0; counter < 5 * 8192; counter++) {
    assert.ok(window.isFresh(counter));
    assert.equal(window.commit(counter), true);
    assert.equal(window.isFresh(counter), false);
  }
  const last = 5 * 8192 - 1;
  for (let back = 0; back < REPLAY_WINDOW + 100; back++) assert.equal(window.isFresh(last - back), false);
});

test("ReplayWindow refuses what it cannot remember and takes the oldest it can", () => {
  const window = new ReplayWindow();
  window.commit(100_000);
  assert.equal(window.isFresh(100_000 - REPLAY_WINDOW), false);
  assert.equal(window.isFresh(100_000 - REPLAY_WINDOW + 1), true);
});

test("isFresh() changes nothing: a forged counter does not move the window", () => {
  const window = new ReplayWindow();
  window.commit(5);
  assert.equal(window.isFresh(2 ** 50), true);
  assert.equal(window.isFresh(4), true);
  assert.equal(window.isFresh(6), true);
});
