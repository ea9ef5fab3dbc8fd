import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import * as data from "../../src/wire/data_header.ts";
import { below, dirty, hex, randomBytes, seeded, untouchedOutside } from "../made/seeded.ts";

test("encodeData() writes the documented 16 bytes over a dirty buffer", () => {
  const b = dirty(20);
  data.encodeData(b, 2, data.DATA_PLAIN | data.DATA_PARTIAL, 0x010203, 0x89abcdef, 0x1fffffffffffff);
  assert.deepEqual(b.slice(2, 18), hex("15 010203 89abcdef 001fffffffffffff"));
  assert.ok(untouchedOutside(b, 2, 18));
});

test("encodeData() and the accessors round-trip", () => {
  fc.assert(fc.property(
    fc.nat(15),
    fc.nat(0xffffff),
    fc.nat(0xffffffff),
    fc.maxSafeNat(),
    (flags, vni, index, counter) => {
      const b = dirty(data.DATA_LEN);
      data.encodeData(b, 0, flags, vni, index, counter);
      assert.ok(data.isData(b[0]!));
      assert.equal(data.decodeData(b, 0, b.length), flags);
      assert.equal(data.dataFlags(b, 0), flags);
      assert.equal(data.dataVni(b, 0), vni);
      assert.equal(data.dataIndex(b, 0), index);
      assert.equal(data.dataCounter(b, 0), counter);
    },
  ));
});

test("decodeData() returns -1 when shorter than 16 bytes or of another type", () => {
  const b = hex("10 000000 00000001 0000000000000000");
  for (let end = 0; end < data.DATA_LEN; end++) assert.equal(data.decodeData(b, 0, end), -1);
  for (let first = 0; first < 256; first++) {
    b[0] = first;
    const expected = first >= 0x10 && first <= 0x1f;
    assert.equal(data.isData(first), expected);
    assert.equal(data.decodeData(b, 0, 16), expected ? first & 15 : -1);
  }
});

test("dataCounter() returns -1 from 2^53 on", () => {
  assert.equal(data.dataCounter(hex("10000000 00000000 0020000000000000"), 0), -1);
  assert.equal(data.dataCounter(hex("10000000 00000000 ffffffffffffffff"), 0), -1);
  assert.equal(data.dataCounter(hex("10000000 00000000 001fffffffffffff"), 0), Number.MAX_SAFE_INTEGER);
});

test("a header of random bytes, decoded and encoded, is the same", () => {
  const random = seeded(71);
  for (let i = 0; i < 5000; i++) {
    const b = randomBytes(random, 16);
    b[0] = 0x10 | below(random, 16);
    if (i % 2 === 0) b.set([0, b[9]! & 0x1f], 8);
    const counter = data.dataCounter(b, 0);
    if (counter < 0) continue;
    const again = dirty(16);
    data.encodeData(again, 0, data.dataFlags(b, 0), data.dataVni(b, 0), data.dataIndex(b, 0), counter);
    assert.deepEqual(again, b);
  }
});
