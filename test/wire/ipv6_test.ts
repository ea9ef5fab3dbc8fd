import { test } from "node:test";
import assert from "node:assert/strict";
import * as ipv6 from "../../src/wire/ipv6.ts";
import { below, dirty, hex, randomBytes, seeded, untouchedOutside } from "../made/seeded.ts";

// TCP [fd00::2]:443 → [fd00:1::9]:50000 with three bytes of payload, built by Python's struct and ipaddress.
const PACKET = hex(
  "6000000000170640fd000000000000000000000000000002fd000001000000000000000000000009" +
    "01bbc350fffffff080000001501801f57c4f000078797a",
);
const HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, AH = 51, OPTIONS = 60, TCP = 6;

// A packet whose payload is the given extension headers and then eight bytes of "transport".
function chain(first: number, ...headers: string[]): Uint8Array {
  const body = hex(headers.join("") + "1111111111111111");
  const b = new Uint8Array(40 + body.length);
  b[0] = 0x60;
  b[5] = body.length;
  b[6] = first;
  b.set(body, 40);
  return b;
}

test("decodeIpv6() and the accessors read a known packet", () => {
  const b = new Uint8Array(80);
  b.set(PACKET, 7);
  assert.equal(ipv6.decodeIpv6(b, 7, 70), ipv6.IPV6_LEN);
  assert.equal(ipv6.decodeIpv6(b, 7, 80), ipv6.IPV6_LEN);
  assert.equal(ipv6.ipv6PayloadLength(b, 7), 23);
  assert.equal(ipv6.ipv6TotalLength(b, 7), 63);
  assert.equal(ipv6.ipv6NextHeader(b, 7), TCP);
  assert.equal(ipv6.ipv6HopLimit(b, 7), 64);
  assert.equal(ipv6.ipv6Transport(b, 7, 70), 47);
  assert.equal(ipv6.ipv6TransportProtocol(b, 7, 47), TCP);
  assert.equal(ipv6.ipv6FragmentAt(b, 7, 70), -1);
  assert.ok(!ipv6.ipv6IsFragment(b, 7, 70));
});

test("the traffic class and the flow label lie across bytes", () => {
  const b = hex("6ab12345");
  assert.equal(ipv6.ipv6TrafficClass(b, 0), 0xab);
  assert.equal(ipv6.ipv6FlowLabel(b, 0), 0x12345);
});

test("encodeIpv6() writes the known header over a dirty buffer and nothing else", () => {
  const b = dirty(50);
  const source = PACKET.slice(8, 24), destination = PACKET.slice(24, 40);
  ipv6.encodeIpv6(b, 3, { payloadLength: 23, nextHeader: TCP, hopLimit: 64, source, destination });
  assert.deepEqual(b.slice(3, 43), PACKET.slice(0, 40));
  assert.ok(untouchedOutside(b, 3, 43));
});

test("decodeIpv6() returns -1 at every truncation and for another version", () => {
  for (let end = 0; end < PACKET.length; end++) assert.equal(ipv6.decodeIpv6(PACKET, 0, end), -1);
  const b = PACKET.slice();
  b[0] = 0x45;
  assert.equal(ipv6.decodeIpv6(b, 0, b.length), -1);
});

test("ipv6Transport() walks every kind of extension header", () => {
  const cases: [Uint8Array, number][] = [
    [chain(HOP_BY_HOP, "0600000000000000"), 48],
    [chain(HOP_BY_HOP, "3c01" + "00".repeat(14), "0600000000000000"), 64],
    [chain(ROUTING, "0600000000000000"), 48],
    [chain(AH, "0604" + "00".repeat(22)), 64],
    [chain(FRAGMENT, "0600000000000000"), 48],
    [chain(FRAGMENT, "3cff000100000000", "0600000000000000"), 56], // the byte after next header is reserved
    [chain(OPTIONS, "2b00000000000000", "0600000000000000"), 56],
  ];
  for (const [b, expected] of cases) {
    assert.equal(ipv6.decodeIpv6(b, 0, b.length), 40);
    assert.equal(ipv6.ipv6Transport(b, 0, b.length), expected);
    assert.equal(ipv6.ipv6TransportProtocol(b, 0, expected), TCP);
    for (let end = 40; end < expected; end++) assert.equal(ipv6.ipv6Transport(b, 0, end), -1, `${end}`);
  }
});

test("ipv6Transport() returns -1 for later fragments, header counts above eight and lengths too great", () => {
  const cases = [
    chain(FRAGMENT, "0600000800000000"),
    chain(FRAGMENT, "0600fff900000000"),
    chain(OPTIONS, "06ff000000000000"),
    chain(AH, "06ff000000000000"),
    chain(OPTIONS, ...Array<string>(8).fill("3c00000000000000"), "0600000000000000"),
  ];
  for (const b of cases) assert.equal(ipv6.ipv6Transport(b, 0, b.length), -1);
  const eight = chain(OPTIONS, ...Array<string>(7).fill("3c00000000000000"), "0600000000000000");
  assert.equal(ipv6.ipv6Transport(eight, 0, eight.length), 40 + 64);
});

test("ipv6Transport() does not look beyond the payload length", () => {
  const b = chain(OPTIONS, "0600000000000000");
  b[5] = 7;
  assert.equal(ipv6.ipv6Transport(b, 0, b.length), -1);
});

test("ipv6IsFragment() tells first, later and atomic fragments apart", () => {
  const cases: [string, boolean][] = [
    ["0600000100000000", true],
    ["0600000800000000", true],
    ["0600000900000000", true],
    ["0600000000000000", false],
    ["0600000600000000", false], // reserved bits
  ];
  for (const [header, expected] of cases) {
    const b = chain(OPTIONS, "2c00000000000000", header);
    assert.equal(ipv6.ipv6FragmentAt(b, 0, b.length), 48);
    assert.equal(ipv6.ipv6IsFragment(b, 0, b.length), expected, header);
  }
});

test("the walks end within the packet, whatever the bytes", () => {
  const random = seeded(31);
  const kinds = [HOP_BY_HOP, ROUTING, FRAGMENT, AH, OPTIONS, TCP];
  for (let i = 0; i < 20000; i++) {
    const b = randomBytes(random, below(random, 160));
    for (let at = 40; at < b.length; at += 8) {
      if (random() < 0.8) b.set([kinds[below(random, 6)]!, 0, 0, 0].slice(0, b.length - at), at);
    }
    if (b.length >= 40) b.set([0x60, 0, 0, 0, 0, b.length - 40, kinds[below(random, 6)]!]);
    if (ipv6.decodeIpv6(b, 0, b.length) < 0) continue;
    const transportAt = ipv6.ipv6Transport(b, 0, b.length);
    const fragmentAt = ipv6.ipv6FragmentAt(b, 0, b.length);
    assert.ok(fragmentAt === -1 || fragmentAt + 8 <= b.length);
    if (transportAt < 0) continue;
    assert.ok(transportAt >= 40 && transportAt <= b.length);
    assert.ok(
      ![HOP_BY_HOP, ROUTING, FRAGMENT, AH, OPTIONS].includes(ipv6.ipv6TransportProtocol(b, 0, transportAt)),
    );
  }
});
