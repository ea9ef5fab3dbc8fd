import { test } from "node:test";
import assert from "node:assert/strict";
import * as icmp from "../../src/wire/icmp.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { checksum, fold, pseudoHeaderSum6, sum } from "../../src/wire/checksum.ts";
import { decodeIpv4, fixIpv4Checksum, ipv4HeaderOk, ipv4TotalLength } from "../../src/wire/ipv4.ts";
import { decodeIpv6 } from "../../src/wire/ipv6.ts";
import { below, dirty, hex, randomBytes, seeded, untouchedOutside } from "../made/seeded.ts";

// Packets and answers built by Python's struct and ipaddress.
const PACKET4 = hex("45000020123440004011043b0a2a07020a2a09090fa00035000c06dc61626364");
const PACKET6 = hex(
  "6000000000170640fd000000000000000000000000000002fd000001000000000000000000000009" +
    "01bbc350fffffff080000001501801f57c4f000078797a",
);
const US4 = 0x0a2a0701;
const US6 = parseAddress("fd00::1")!;
const NEEDED = { type: icmp.ICMP_UNREACHABLE, code: icmp.ICMP_FRAGMENTATION_NEEDED, mtu: 1400, source: US4 };
const TOO_BIG = { type: icmp.ICMPV6_PACKET_TOO_BIG, code: 0, mtu: 1280, source: US6 };
const UNREACHABLE6 = { type: icmp.ICMPV6_UNREACHABLE, code: icmp.ICMPV6_NO_ROUTE, mtu: 1280, source: US6 };

const answer4 = (packet: Uint8Array) => icmp.encodeIcmpError4(dirty(icmp.ICMP_ERROR4_MAX), 0, NEEDED, packet);
const answer6 = (packet: Uint8Array, error = UNREACHABLE6) =>
  icmp.encodeIcmpError6(dirty(icmp.ICMP_ERROR6_MAX), 0, error, packet);
const changed = (packet: Uint8Array, at: number, text: string) => {
  const b = packet.slice();
  b.set(hex(text), at);
  return b;
};

test("encodeIcmpError4() writes the known Fragmentation Needed over a dirty buffer", () => {
  const out = dirty(100);
  const framed = new Uint8Array(50);
  framed.set(PACKET4, 9);
  const length = icmp.encodeIcmpError4(out, 7, NEEDED, framed.subarray(9, 50));
  assert.equal(length, 60);
  assert.equal(
    toHex(out.slice(7, 67)),
    "45c0003c00004000400117ab0a2a07010a2a070203041c0000000578" + toHex(PACKET4),
  );
  assert.ok(untouchedOutside(out, 7, 67));
});

test("encodeIcmpError6() writes the known Packet Too Big over a dirty buffer", () => {
  const out = dirty(200);
  const framed = new Uint8Array(80);
  framed.set(PACKET6, 5);
  const length = icmp.encodeIcmpError6(out, 11, TOO_BIG, framed.subarray(5, 80));
  assert.equal(length, 111);
  assert.equal(
    toHex(out.slice(11, 122)),
    "6000000000473a40fd000000000000000000000000000001fd0000000000000000000000000000020200983f00000500" +
      toHex(PACKET6),
  );
  assert.ok(untouchedOutside(out, 11, 122));
});

test("encodeIcmpError4() stays within 576 bytes, encodeIcmpError6() within 1280", () => {
  for (const size of [547, 548, 549, 1400, 60001]) {
    const packet = new Uint8Array(size);
    packet.set(PACKET4);
    packet[2] = size >> 8;
    packet[3] = size;
    const out = dirty(600);
    const length = icmp.encodeIcmpError4(out, 0, NEEDED, packet);
    assert.equal(length, Math.min(576, size + 28));
    assert.ok(ipv4HeaderOk(out, 0) && ipv4TotalLength(out, 0) === length);
    assert.equal(checksum(out, 20, length - 20), 0);
    assert.ok(untouchedOutside(out, 0, length));
  }
  for (const size of [1231, 1232, 1233, 60001]) {
    const packet = new Uint8Array(size);
    packet.set(PACKET6);
    packet[4] = (size - 40) >> 8;
    packet[5] = size - 40;
    const out = dirty(1300);
    const length = icmp.encodeIcmpError6(out, 0, TOO_BIG, packet);
    assert.equal(length, Math.min(1280, size + 48));
    assert.equal(fold(sum(out, 40, length - 40, pseudoHeaderSum6(out, 0, 58, length - 40))), 0xffff);
    assert.ok(untouchedOutside(out, 0, length));
  }
});

test("the MTU goes on the wire only with the errors that have one", () => {
  const out = dirty(600);
  const unreachable = { ...NEEDED, code: icmp.ICMP_ADMIN_PROHIBITED };
  icmp.encodeIcmpError4(out, 0, unreachable, PACKET4);
  assert.deepEqual(out.slice(24, 28), hex("00000000"));
  icmp.encodeIcmpError4(out, 0, { ...NEEDED, mtu: 70000 }, PACKET4);
  assert.deepEqual(out.slice(24, 28), hex("0000ffff"));
  icmp.encodeIcmpError6(out, 0, UNREACHABLE6, PACKET6);
  assert.deepEqual(out.slice(44, 48), hex("00000000"));
});

test("encodeIcmpError4() returns 0 where RFC 1122 forbids an error", () => {
  assert.ok(answer4(PACKET4) > 0);
  assert.equal(answer4(changed(PACKET4, 6, "0001")), 0, "a later fragment");
  assert.ok(answer4(changed(PACKET4, 6, "2000")) > 0, "the first fragment");
  for (const address of ["00000000", "7f000001", "e0000001", "efffffff", "ffffffff", "f0000001"]) {
    assert.equal(answer4(changed(PACKET4, 12, address)), 0, `from ${address}`);
    assert.equal(answer4(changed(PACKET4, 16, address)), 0, `to ${address}`);
  }
  const ping = changed(changed(PACKET4, 9, "01"), 20, "08");
  assert.ok(answer4(ping) > 0, "an echo request");
  for (const type of ["03", "04", "05", "0b", "0c"]) assert.equal(answer4(changed(ping, 20, type)), 0, type);
  assert.equal(answer4(changed(ping, 2, "0014")), 0, "ICMP without a type");
  assert.equal(answer4(PACKET4.slice(0, 31)), 0, "truncated");
});

test("encodeIcmpError6() returns 0 where RFC 4443 forbids an error", () => {
  assert.ok(answer6(PACKET6) > 0);
  for (const address of ["::", "::1", "ff02::1"]) {
    const bytes = toHex(parseAddress(address)!);
    assert.equal(answer6(changed(PACKET6, 8, bytes)), 0, `from ${address}`);
    assert.equal(answer6(changed(PACKET6, 24, bytes)), 0, `to ${address}`);
  }
  const toGroup = changed(PACKET6, 24, toHex(parseAddress("ff02::1")!));
  assert.ok(answer6(toGroup, TOO_BIG) > 0, "Packet Too Big may answer multicast");
  const ping = changed(changed(PACKET6, 6, "3a"), 40, "80");
  assert.ok(answer6(ping) > 0, "an echo request");
  for (const type of ["00", "01", "02", "7f", "89"]) assert.equal(answer6(changed(ping, 40, type)), 0, type);
  assert.equal(answer6(changed(changed(PACKET6, 6, "2c"), 40, "0600000800000000")), 0, "a later fragment");
  const hidden = changed(changed(PACKET6, 6, "3c"), 40, "3a0000000000000001");
  assert.equal(answer6(hidden), 0, "an error behind an extension header");
  assert.equal(answer6(changed(changed(PACKET6, 6, "3a"), 4, "0000")), 0, "ICMPv6 without a type");
});

test("errors about random bytes never throw, never answer an answer, and are well-formed", () => {
  const random = seeded(51);
  const out = new Uint8Array(1400), again = new Uint8Array(1400);
  let answered = 0;
  for (let i = 0; i < 10000; i++) {
    const b = randomBytes(random, below(random, 120));
    if (b.length >= 20) b.set([0x45, 0, 0, b.length]);
    const length = icmp.encodeIcmpError4(out, 0, NEEDED, b);
    if (length > 0) {
      answered++;
      assert.equal(decodeIpv4(out, 0, length), 20);
      assert.equal(icmp.encodeIcmpError4(again, 0, NEEDED, out.subarray(0, length)), 0);
    }
    if (b.length >= 40) b.set([0x60, 0, 0, 0, 0, b.length - 40]);
    const length6 = icmp.encodeIcmpError6(out, 0, TOO_BIG, b);
    if (length6 > 0) {
      answered++;
      assert.equal(decodeIpv6(out, 0, length6), 40);
      assert.equal(icmp.encodeIcmpError6(again, 0, TOO_BIG, out.subarray(0, length6)), 0);
    }
  }
  assert.ok(answered > 1000);
});

test("encodeIcmpError4() repairs nothing in the quoted packet", () => {
  const packet = changed(PACKET4, 10, "0000");
  const out = dirty(100);
  icmp.encodeIcmpError4(out, 0, NEEDED, packet);
  assert.deepEqual(out.slice(28, 60), packet);
  fixIpv4Checksum(packet, 0);
  assert.deepEqual(packet, PACKET4);
});

const PAYLOAD = new TextEncoder().encode("ovltun!");

test("encodeEcho() writes the known request, decodeEcho() reads it", () => {
  const b = dirty(32);
  const echo = { type: icmp.ICMP_ECHO_REQUEST, identifier: 0x1234, sequence: 7, payload: PAYLOAD };
  assert.equal(icmp.encodeEcho(b, 4, echo), 15);
  assert.equal(toHex(b.slice(4, 19)), "0800736b123400076f766c74756e21");
  assert.ok(untouchedOutside(b, 4, 19));
  const read = icmp.decodeEcho(b, 4, 19)!;
  assert.deepEqual({ ...read, payload: read.payload.slice() }, echo);
});

test("encodeEcho() leaves the ICMPv6 checksum to the kernel", () => {
  const b = dirty(15);
  for (const type of [icmp.ICMPV6_ECHO_REQUEST, icmp.ICMPV6_ECHO_REPLY]) {
    icmp.encodeEcho(b, 0, { type, identifier: 1, sequence: 2, payload: PAYLOAD });
    assert.deepEqual(b.slice(2, 4), hex("0000"));
    b.set([0xab, 0xcd], 2);
    assert.equal(icmp.decodeEcho(b, 0, 15)?.type, type);
  }
});

test("decodeEcho() returns null when truncated, altered, or no echo", () => {
  const b = hex("0800736b123400076f766c74756e21");
  for (let end = 0; end < b.length; end++) assert.equal(icmp.decodeEcho(b, 0, end), null, `${end}`);
  for (let at = 0; at < b.length; at++) {
    assert.equal(icmp.decodeEcho(changed(b, at, "55"), 0, b.length), null, `${at}`);
  }
  const random = seeded(52);
  for (let i = 0; i < 5000; i++) icmp.decodeEcho(randomBytes(random, 20), 0, below(random, 20));
});
