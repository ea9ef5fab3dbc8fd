import { test } from "node:test";
import assert from "node:assert/strict";
import { type HeldSecret, KeyRing, placeOfGiven } from "../../../src/control/secrets/key_ring.ts";
import { KEEP_MS, SETTLE_MS } from "../../../src/control/secrets/rotation.ts";
import { type NetworkKeys, NetworkSecret } from "../../../src/crypto/network_secret.ts";

const NAME = "ovltun";
const ZERO = new Uint8Array(32);
const secretOf = (fill: number) => NetworkSecret.of(new Uint8Array(32).fill(fill));
const buffersOf = ({ psk, macKey, gossipKey }: NetworkKeys) => [psk, macKey, gossipKey];

/** A ring that holds one secret, and what of it must be zero one day. */
function ringOf(fill: number) {
  const secret = secretOf(fill);
  const held: HeldSecret = { secret, generation: placeOfGiven(secret), used: true };
  const ring = new KeyRing(secret.keys(NAME), [held], NAME, 0);
  return { ring, secret, buffers: buffersOf(ring.keys[0]!) };
}

for (const dropOld of [false, true]) {
  test(`KeyRing zeroes an old secret and its keys when they count no more${dropOld ? ", --now" : ""}`, () => {
    const { ring, secret, buffers } = ringOf(1);
    ring.learn(secretOf(2), { seq: 1, issuer: "aa".repeat(8), dropOld }, [], 1000);
    ring.tick(true, false, 2000);
    const until = 2000 + (dropOld ? SETTLE_MS : KEEP_MS);
    ring.tick(true, false, until - 1);
    assert.equal(ring.keys.length, 2);
    assert.ok(buffers.every((key) => key.some((byte) => byte !== 0)), "still accepted");
    assert.ok(!secret.equals(NetworkSecret.of(ZERO)));
    assert.ok(ring.tick(true, false, until));
    assert.equal(ring.keys.length, 1);
    assert.deepEqual(buffers, [ZERO, ZERO, ZERO]);
    assert.ok(secret.equals(NetworkSecret.of(ZERO)));
    assert.ok(buffersOf(ring.keys[0]!).every((key) => key.some((byte) => byte !== 0)), "the new one counts");
    assert.deepEqual(ring.held().map((held) => held.secret.bytes()[0]), [2]);
  });
}

test("KeyRing wipes a secret that it is given again, and keeps the one it has", () => {
  const { ring, buffers } = ringOf(1);
  const again = secretOf(1);
  ring.learn(again, { seq: 0, issuer: "", dropOld: false }, [], 1000);
  assert.ok(again.equals(NetworkSecret.of(ZERO)));
  assert.ok(buffers.every((key) => key.some((byte) => byte !== 0)));
  const newer = secretOf(2);
  ring.learn(newer, { seq: 1, issuer: "aa".repeat(8), dropOld: true }, [], 1000);
  ring.tick(true, true, 2000);
  const older = secretOf(3);
  assert.ok(!ring.learn(older, { seq: 0, issuer: "", dropOld: false }, [], 3000));
  assert.ok(older.equals(NetworkSecret.of(ZERO)));
});
