import { test } from "node:test";
import assert from "node:assert/strict";
import { sha256, sha256Hex } from "../../src/crypto/sha256.ts";

test("sha256() gives the hash of FIPS 180-4 for 'abc', in one part or in three", () => {
  const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(sha256Hex("abc"), abc);
  assert.equal(sha256Hex("a", new Uint8Array([0x62]), "c"), abc);
  assert.equal(sha256("abc").length, 32);
});
