import { test } from "node:test";
import assert from "node:assert/strict";
import * as arp from "../../src/wire/arp.ts";
import * as ethernet from "../../src/wire/ethernet.ts";
import * as vxlan from "../../src/wire/vxlan.ts";
import { below, dirty, hex, randomBytes, seeded, untouchedOutside } from "../made/seeded.ts";

const MAC_A = hex("0242ac110002"), MAC_B = hex("5e0000000001");
const REQUEST = hex("0001 0800 06 04 0001 0242ac110002 0a2a0700 000000000000 0a2a0900");
const REPLY = hex("0001 0800 06 04 0002 5e0000000001 0a2a0900 0242ac110002 0a2a0700");

test("encodeEthernet() writes 14 bytes over a dirty buffer and the accessors read them", () => {
  const b = dirty(20);
  ethernet.encodeEthernet(b, 3, MAC_A, MAC_B, ethernet.ETHERTYPE_IPV6);
  assert.deepEqual(b.slice(3, 17), hex("0242ac110002 5e0000000001 86dd"));
  assert.ok(untouchedOutside(b, 3, 17));
  assert.equal(ethernet.etherType(b, 3), ethernet.ETHERTYPE_IPV6);
  assert.ok(ethernet.macEquals(b, 3 + ethernet.ETHERNET_DESTINATION_AT, MAC_A));
  assert.ok(ethernet.macEquals(b, 3 + ethernet.ETHERNET_SOURCE_AT, MAC_B));
  assert.ok(!ethernet.macEquals(b, 3, MAC_B));
});

test("decodeEthernet() returns -1 when shorter than 14 bytes", () => {
  const b = hex("0242ac110002 5e0000000001 0800");
  for (let end = 0; end < 14; end++) assert.equal(ethernet.decodeEthernet(b, 0, end), -1);
  assert.equal(ethernet.decodeEthernet(b, 0, 14), ethernet.ETHERTYPE_IPV4);
});

test("macEquals(), isBroadcastMac() and isMulticastMac() look at all six bytes or at the group bit", () => {
  for (let i = 0; i < 6; i++) {
    const b = new Uint8Array(6).fill(0xff);
    assert.ok(ethernet.isBroadcastMac(b, 0) && ethernet.isMulticastMac(b, 0));
    b[i] = 0xfe;
    assert.ok(!ethernet.isBroadcastMac(b, 0));
    assert.ok(!ethernet.macEquals(b, 0, new Uint8Array(6).fill(0xff)));
    assert.equal(ethernet.isMulticastMac(b, 0), i !== 0);
  }
});

test("decodeArpRequest() and the accessors read a known request", () => {
  const b = new Uint8Array(60);
  b.set(REQUEST, 14);
  assert.equal(arp.decodeArpRequest(b, 14, 60), arp.ARP_LEN);
  assert.equal(arp.arpSenderIp(b, 14), 0x0a2a0700);
  assert.equal(arp.arpTargetIp(b, 14), 0x0a2a0900);
  assert.ok(ethernet.macEquals(b, 14 + arp.ARP_SENDER_MAC_AT, MAC_A));
});

test("decodeArpRequest() returns -1 when truncated or anything but a request", () => {
  for (let end = 0; end < arp.ARP_LEN; end++) assert.equal(arp.decodeArpRequest(REQUEST, 0, end), -1);
  for (
    const [at, value] of [[0, 1], [1, 6], [2, 0x86], [3, 6], [4, 8], [5, 16], [6, 1], [7, 2], [8, 3]] as const
  ) {
    const b = REQUEST.slice();
    b[at] = value;
    assert.equal(arp.decodeArpRequest(b, 0, b.length), -1, `${at}`);
  }
});

test("encodeArpReply() answers the known request, apart and in place", () => {
  const out = dirty(40);
  assert.equal(arp.encodeArpReply(out, 6, REQUEST, 0, MAC_B), arp.ARP_LEN);
  assert.deepEqual(out.slice(6, 34), REPLY);
  assert.ok(untouchedOutside(out, 6, 34));
  const b = REQUEST.slice();
  arp.encodeArpReply(b, 0, b, 0, MAC_B);
  assert.deepEqual(b, REPLY);
  assert.equal(arp.decodeArpRequest(b, 0, b.length), -1, "a reply is no request");
});

test("encodeVxlan() writes RFC 7348's header over a dirty buffer and decodeVxlan() reads it", () => {
  const b = dirty(12);
  vxlan.encodeVxlan(b, 2, 0xabcdef);
  assert.deepEqual(b.slice(2, 10), hex("08000000 abcdef00"));
  assert.ok(untouchedOutside(b, 2, 10));
  assert.equal(vxlan.decodeVxlan(b, 2, 12), 0xabcdef);
  for (const vni of [0, 1, vxlan.MAX_VNI]) {
    vxlan.encodeVxlan(b, 0, vni);
    assert.equal(vxlan.decodeVxlan(b, 0, 8), vni);
  }
});

test("decodeVxlan() returns -1 when shorter than 8 bytes or without the I flag", () => {
  const b = hex("0800000000000100");
  for (let end = 0; end < 8; end++) assert.equal(vxlan.decodeVxlan(b, 0, end), -1);
  b[0] = 0xf7;
  assert.equal(vxlan.decodeVxlan(b, 0, 8), -1);
});

test("decodeVxlan() ignores reserved bits", () => {
  assert.equal(vxlan.decodeVxlan(hex("ffffffff000001ff"), 0, 8), 1);
});

test("the decoders never throw, whatever the bytes", () => {
  const random = seeded(61);
  for (let i = 0; i < 5000; i++) {
    const b = randomBytes(random, below(random, 40));
    const vni = vxlan.decodeVxlan(b, below(random, 4), b.length);
    assert.ok(vni >= -1 && vni <= vxlan.MAX_VNI);
    arp.decodeArpRequest(b, below(random, 4), b.length);
    ethernet.decodeEthernet(b, below(random, 4), b.length);
  }
});
