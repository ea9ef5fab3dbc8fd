import assert from "node:assert/strict";
import { test } from "node:test";
import { warmUp } from "../../src/control/warm_up.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";

test("warmUp() shakes hands by both patterns, and takes nothing but randomness", () => {
  warmUp(new SeededRandom(1));
});

test("warmUp() throws when no session comes of it", () => {
  // Both ends have one identity then, and take each other for themselves.
  const zeroes = { bytes: (length: number) => new Uint8Array(length), below: () => 0, next: () => 0 };
  assert.throws(() => warmUp(zeroes), /A handshake in memory failed: 0 of 4/);
});
