import { test } from "node:test";
import assert from "node:assert/strict";
import * as ipv4 from "../../src/wire/ipv4.ts";
import { below, dirty, hex, randomBytes, seeded, untouchedOutside } from "../made/seeded.ts";

// A UDP packet 10.42.7.2:4000 → 10.42.9.9:53, built by Python's struct and ipaddress.
const PACKET = hex("45000020123440004011043b0a2a07020a2a09090fa00035000c06dc61626364");

test("decodeIpv4() and the accessors read a known packet", () => {
  const b = new Uint8Array(40);
  b.set(PACKET, 3);
  assert.equal(ipv4.decodeIpv4(b, 3, 35), 20);
  assert.equal(ipv4.decodeIpv4(b, 3, 40), 20); // padding after the total length
  assert.equal(ipv4.ipv4HeaderLength(b, 3), 20);
  assert.equal(ipv4.ipv4TotalLength(b, 3), 32);
  assert.equal(ipv4.ipv4Protocol(b, 3), ipv4.PROTOCOL_UDP);
  assert.equal(ipv4.ipv4Ttl(b, 3), 64);
  assert.equal(ipv4.ipv4Tos(b, 3), 0);
  assert.equal(ipv4.ipv4Id(b, 3), 0x1234);
  assert.equal(ipv4.ipv4Source(b, 3), 0x0a2a0702);
  assert.equal(ipv4.ipv4Destination(b, 3), 0x0a2a0909);
  assert.ok(ipv4.ipv4DontFragment(b, 3));
  assert.ok(!ipv4.ipv4MoreFragments(b, 3));
  assert.ok(!ipv4.ipv4IsFragment(b, 3));
  assert.equal(ipv4.ipv4FragmentOffset(b, 3), 0);
  assert.ok(ipv4.ipv4HeaderOk(b, 3));
});

test("encodeIpv4() writes the known header over a dirty buffer and nothing else", () => {
  const b = dirty(40);
  const length = ipv4.encodeIpv4(b, 5, {
    totalLength: 32,
    id: 0x1234,
    dontFragment: true,
    ttl: 64,
    protocol: 17,
    source: 0x0a2a0702,
    destination: 0x0a2a0909,
  });
  assert.equal(length, ipv4.IPV4_MIN_LEN);
  assert.deepEqual(b.slice(5, 25), PACKET.slice(0, 20));
  assert.ok(untouchedOutside(b, 5, 25));
});

test("encodeIpv4() round-trips its fields", () => {
  const random = seeded(21);
  for (let i = 0; i < 500; i++) {
    const b = dirty(20);
    const f = {
      totalLength: 20 + below(random, 65516),
      id: below(random, 65536),
      dontFragment: random() < 0.5,
      ttl: below(random, 256),
      protocol: below(random, 256),
      source: below(random, 2 ** 32),
      destination: below(random, 2 ** 32),
      tos: below(random, 256),
    };
    ipv4.encodeIpv4(b, 0, f);
    assert.equal(ipv4.decodeIpv4(b, 0, f.totalLength), 20);
    assert.ok(ipv4.ipv4HeaderOk(b, 0));
    assert.deepEqual({
      totalLength: ipv4.ipv4TotalLength(b, 0),
      id: ipv4.ipv4Id(b, 0),
      dontFragment: ipv4.ipv4DontFragment(b, 0),
      ttl: ipv4.ipv4Ttl(b, 0),
      protocol: ipv4.ipv4Protocol(b, 0),
      source: ipv4.ipv4Source(b, 0),
      destination: ipv4.ipv4Destination(b, 0),
      tos: ipv4.ipv4Tos(b, 0),
    }, f);
  }
});

test("decodeIpv4() returns -1 at every truncation", () => {
  for (let end = 0; end < PACKET.length; end++) assert.equal(ipv4.decodeIpv4(PACKET, 0, end), -1);
});

test("decodeIpv4() returns -1 for a wrong version, header length or total length", () => {
  const cases: [number, number][] = [[0, 0x65], [0, 0x44], [0, 0x40], [0, 0x4f], [2, 0xff], [3, 19], [3, 33]];
  for (const [at, value] of cases) {
    const b = PACKET.slice();
    b[at] = value;
    assert.equal(ipv4.decodeIpv4(b, 0, b.length), -1, `${at} ${value}`);
  }
});

test("decodeIpv4() accepts options", () => {
  const b = new Uint8Array(60);
  b[0] = 0x4f;
  b[3] = 60;
  assert.equal(ipv4.decodeIpv4(b, 0, 60), 60);
  ipv4.fixIpv4Checksum(b, 0);
  assert.ok(ipv4.ipv4HeaderOk(b, 0));
  b[59] = 1;
  assert.ok(!ipv4.ipv4HeaderOk(b, 0));
});

test("the fragment accessors read flags and offset apart", () => {
  const b = PACKET.slice();
  b[6] = 0x20;
  b[7] = 0;
  assert.ok(ipv4.ipv4MoreFragments(b, 0) && ipv4.ipv4IsFragment(b, 0) && !ipv4.ipv4DontFragment(b, 0));
  b[6] = 0x1f;
  b[7] = 0xff;
  assert.equal(ipv4.ipv4FragmentOffset(b, 0), 65528);
  assert.ok(ipv4.ipv4IsFragment(b, 0) && !ipv4.ipv4MoreFragments(b, 0));
});

test("ipv4HeaderOk() sees every flipped bit", () => {
  for (let bit = 8; bit < 160; bit++) {
    const b = PACKET.slice();
    b[bit >> 3] = b[bit >> 3]! ^ (1 << (bit & 7));
    assert.ok(!ipv4.ipv4HeaderOk(b, 0), `${bit}`);
  }
});

test("decodeIpv4() never accepts more than there is, whatever the bytes", () => {
  const random = seeded(22);
  for (let i = 0; i < 20000; i++) {
    const b = randomBytes(random, below(random, 80));
    if (b.length > 3 && i % 2 === 0) b.set([0x40 | below(random, 16), 0, 0, below(random, 80)]);
    const at = below(random, 3);
    const headerLen = ipv4.decodeIpv4(b, at, b.length);
    if (headerLen < 0) continue;
    assert.ok(headerLen >= 20 && headerLen <= 60 && at + ipv4.ipv4TotalLength(b, at) <= b.length);
    assert.ok(ipv4.ipv4TotalLength(b, at) >= headerLen);
  }
});
