import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import * as datagram from "../../src/wire/datagram.ts";
import { isData } from "../../src/wire/data_header.ts";
import { below, dirty, hex, randomBytes, seeded, untouchedOutside } from "../made/seeded.ts";

const PROBE = hex("30 01 00 00 89abcdef 0102030405060708 001fffffffffffff 0000000000000000");
const ANSWER = hex("30 01 01 00 00000102 0102030405060708 001fffffffffffff 0000000000000000");

test("the first bytes are those of the wire format, each its own", () => {
  const types = [
    datagram.TYPE_HANDSHAKE,
    datagram.TYPE_COOKIE,
    datagram.TYPE_HELLO,
    datagram.TYPE_DATA,
    datagram.TYPE_GOSSIP_SEALED,
    datagram.TYPE_GOSSIP_PLAIN,
    datagram.TYPE_PROBE,
  ];
  assert.deepEqual(types, [1, 2, 3, 0x10, 0x20, 0x21, 0x30]);
  assert.deepEqual(types.filter(isData), [datagram.TYPE_DATA]);
});

test("encodeProbe() writes the documented 32 bytes over a dirty buffer", () => {
  const b = dirty(40);
  const length = datagram.encodeProbe(b, 4, 0x89abcdef, 0x01020304, 0x05060708, Number.MAX_SAFE_INTEGER);
  assert.equal(length, datagram.PROBE_LEN);
  assert.deepEqual(b.slice(4, 36), PROBE);
  assert.ok(untouchedOutside(b, 4, 36));
});

test("answerProbe() turns a probe in place into its answer", () => {
  const b = PROBE.slice();
  b[3] = 0xff;
  b.fill(0xff, 24);
  assert.equal(datagram.answerProbe(b, 0, 0x102), datagram.PROBE_LEN);
  assert.deepEqual(b, ANSWER);
  assert.equal(datagram.decodeProbe(b, 0, b.length), datagram.PROBE_ANSWER);
});

test("encodeProbe(), answerProbe() and the accessors round-trip", () => {
  const word = fc.nat(0xffffffff);
  fc.assert(fc.property(word, word, word, fc.maxSafeNat(), word, (index, high, low, time, back) => {
    const b = dirty(32);
    datagram.encodeProbe(b, 0, index, high, low, time);
    assert.equal(datagram.decodeProbe(b, 0, 32), datagram.PROBE_ASK);
    assert.equal(datagram.probeIndex(b, 0), index);
    datagram.answerProbe(b, 0, back);
    assert.equal(datagram.decodeProbe(b, 0, 32), datagram.PROBE_ANSWER);
    assert.equal(datagram.probeIndex(b, 0), back);
    assert.equal(datagram.probeNonceHigh(b, 0), high);
    assert.equal(datagram.probeNonceLow(b, 0), low);
    assert.equal(datagram.probeTime(b, 0), time);
  }));
});

test("decodeProbe() returns -1 when truncated or of another type, version or kind", () => {
  for (let end = 0; end < 32; end++) assert.equal(datagram.decodeProbe(PROBE, 0, end), -1);
  for (const [at, value] of [[0, 0x31], [1, 0], [1, 2], [2, 4]] as const) {
    const b = PROBE.slice();
    b[at] = value;
    assert.equal(datagram.decodeProbe(b, 0, 32), -1, `${at} ${value}`);
  }
  const random = seeded(81);
  for (let i = 0; i < 5000; i++) {
    const b = randomBytes(random, below(random, 40));
    assert.ok([-1, 0, 1, 2, 3].includes(datagram.decodeProbe(b, 0, b.length)));
  }
});

test("decodeProbe() accepts a probe padded to a path MTU", () => {
  const b = new Uint8Array(1400);
  b.set(PROBE);
  assert.equal(datagram.decodeProbe(b, 0, b.length), datagram.PROBE_ASK);
});
