import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import * as bytes from "../../src/wire/bytes.ts";
import { dirty, hex, untouchedOutside } from "../made/seeded.ts";

test("u16(), u24(), u32(), i32(), u48() read network order", () => {
  const b = hex("00 f1f2f3f4f5f6");
  assert.equal(bytes.u16(b, 1), 0xf1f2);
  assert.equal(bytes.u24(b, 1), 0xf1f2f3);
  assert.equal(bytes.u32(b, 1), 0xf1f2f3f4);
  assert.equal(bytes.i32(b, 1), 0xf1f2f3f4 | 0);
  assert.equal(bytes.u48(b, 1), 0xf1f2f3f4f5f6);
  assert.equal(bytes.u16le(b, 1), 0xf2f1);
  assert.equal(bytes.u32le(b, 1), 0xf4f3f2f1);
});

test("the put functions and their readers round-trip and touch nothing else", () => {
  const pairs = [
    [2, bytes.putU16, bytes.u16],
    [3, bytes.putU24, bytes.u24],
    [4, bytes.putU32, bytes.u32],
    [6, bytes.putU48, bytes.u48],
    [2, bytes.putU16le, bytes.u16le],
    [4, bytes.putU32le, bytes.u32le],
  ] as const;
  for (const [size, put, get] of pairs) {
    fc.assert(fc.property(fc.nat({ max: 5 }), fc.maxSafeNat(), (at, any) => {
      const v = any % 2 ** (8 * size);
      const b = dirty(16);
      put(b, at, v);
      assert.equal(get(b, at), v);
      assert.ok(untouchedOutside(b, at, at + size));
    }));
  }
});

test("putU32() accepts a signed value", () => {
  const b = dirty(4);
  bytes.putU32(b, 0, -2);
  assert.equal(bytes.u32(b, 0), 0xfffffffe);
  assert.equal(bytes.i32(b, 0), -2);
});

test("putU64le() equals DataView for every exact integer", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (v) => {
    const b = dirty(8);
    bytes.putU64le(b, 0, v);
    assert.equal(new DataView(b.buffer).getBigUint64(0, true), BigInt(v));
  }));
});

test("toHex() and fromHex() round-trip", () => {
  assert.equal(bytes.toHex(hex("00 0f f0 a5")), "000ff0a5");
  assert.deepEqual(bytes.fromHex("00AbcDeF"), hex("00abcdef"));
  fc.assert(fc.property(fc.uint8Array(), (b) => {
    assert.deepEqual(bytes.fromHex(bytes.toHex(b)), Uint8Array.from(b));
  }));
});

test("fromHex() returns null for odd lengths and for what is no digit", () => {
  for (const text of ["0", "0g", "0x", "à0", "@0", "`0", "0:", "/0", " 0", "０0"]) {
    assert.equal(bytes.fromHex(text), null, text);
  }
  fc.assert(fc.property(fc.string(), (text) => {
    assert.equal(bytes.fromHex(text) !== null, text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text));
  }));
});

test("equalBytes() compares length and content", () => {
  assert.ok(bytes.equalBytes(hex("0102"), hex("0102")));
  assert.ok(!bytes.equalBytes(hex("0102"), hex("0103")));
  assert.ok(!bytes.equalBytes(hex("0102"), hex("010200")));
});
