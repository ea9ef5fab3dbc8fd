import { test } from "node:test";
import assert from "node:assert/strict";
import * as tcp from "../../src/wire/tcp.ts";
import * as udp from "../../src/wire/udp.ts";
import { below, dirty, hex, randomBytes, seeded, untouchedOutside } from "../made/seeded.ts";

const SEGMENT = hex("01bbc350fffffff080000001601801f57c4f0000 02040578 78797a");
const DATAGRAM = hex("0fa00035000c06dc61626364");

test("decodeTcp() and the accessors read a known segment", () => {
  const b = new Uint8Array(40);
  b.set(SEGMENT, 1);
  assert.equal(tcp.decodeTcp(b, 1, 28), 24);
  assert.equal(tcp.tcpHeaderLength(b, 1), 24);
  assert.equal(tcp.tcpSourcePort(b, 1), 443);
  assert.equal(tcp.tcpDestinationPort(b, 1), 50000);
  assert.equal(tcp.tcpSequence(b, 1), 0xfffffff0);
  assert.equal(tcp.tcpAcknowledgment(b, 1), 0x80000001);
  assert.equal(tcp.tcpFlags(b, 1), tcp.TCP_ACK | tcp.TCP_PSH);
  assert.equal(tcp.tcpWindow(b, 1), 501);
  assert.equal(tcp.tcpChecksum(b, 1), 0x7c4f);
});

test("decodeTcp() returns -1 at every truncation of the header and for a short data offset", () => {
  for (let end = 0; end < 24; end++) assert.equal(tcp.decodeTcp(SEGMENT, 0, end), -1);
  for (let end = 24; end <= SEGMENT.length; end++) assert.equal(tcp.decodeTcp(SEGMENT, 0, end), 24);
  const b = SEGMENT.slice();
  b[tcp.TCP_DATA_OFFSET_AT] = 0x40;
  assert.equal(tcp.decodeTcp(b, 0, b.length), -1);
});

test("putTcpSequence() and putTcpChecksum() write their field and nothing else", () => {
  const b = dirty(30);
  tcp.putTcpSequence(b, 2, 0xfffffff0 + 0x20);
  assert.equal(tcp.tcpSequence(b, 2), 0x10);
  assert.ok(untouchedOutside(b, 6, 10));
  const c = dirty(30);
  tcp.putTcpChecksum(c, 2, 0x1234);
  assert.equal(tcp.tcpChecksum(c, 2), 0x1234);
  assert.ok(untouchedOutside(c, 18, 20));
});

test("decodeUdp() and the accessors read a known datagram", () => {
  const b = new Uint8Array(20);
  b.set(DATAGRAM, 5);
  assert.equal(udp.decodeUdp(b, 5, 17), udp.UDP_LEN);
  assert.equal(udp.udpSourcePort(b, 5), 4000);
  assert.equal(udp.udpDestinationPort(b, 5), 53);
  assert.equal(udp.udpLength(b, 5), 12);
  assert.equal(udp.udpChecksum(b, 5), 0x06dc);
});

test("decodeUdp() returns -1 at every truncation and for a length below eight", () => {
  for (let end = 0; end < DATAGRAM.length; end++) assert.equal(udp.decodeUdp(DATAGRAM, 0, end), -1);
  const b = DATAGRAM.slice();
  b[5] = 7;
  assert.equal(udp.decodeUdp(b, 0, b.length), -1);
});

test("encodeUdp() writes eight bytes over a dirty buffer, with no checksum", () => {
  const b = dirty(16);
  assert.equal(udp.encodeUdp(b, 3, 4000, 53, 12), 8);
  assert.deepEqual(b.slice(3, 11), hex("0fa00035000c0000"));
  udp.putUdpChecksum(b, 3, 0x06dc);
  assert.deepEqual(b.slice(3, 11), DATAGRAM.slice(0, 8));
  assert.ok(untouchedOutside(b, 3, 11));
});

test("udpChecksumOnWire() replaces only 0", () => {
  assert.equal(udp.udpChecksumOnWire(0), 0xffff);
  assert.equal(udp.udpChecksumOnWire(1), 1);
  assert.equal(udp.udpChecksumOnWire(0xffff), 0xffff);
});

test("decodeTcp() and decodeUdp() never accept more than there is, whatever the bytes", () => {
  const random = seeded(41);
  for (let i = 0; i < 20000; i++) {
    const b = randomBytes(random, below(random, 70));
    if (b.length > 5) b[4] = 0;
    const at = below(random, 3);
    const tcpLen = tcp.decodeTcp(b, at, b.length);
    assert.ok(tcpLen === -1 || (tcpLen >= 20 && at + tcpLen <= b.length));
    if (udp.decodeUdp(b, at, b.length) === 8) assert.ok(at + udp.udpLength(b, at) <= b.length);
  }
});
