import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { laneAead, laneKey } from "../../src/crypto/lane_keys.ts";

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
