import { test } from "node:test";
import assert from "node:assert/strict";
import { checksum, fold } from "../../src/wire/checksum.ts";
import * as ip from "../../src/wire/ip.ts";
import { ipv4HeaderOk, PROTOCOL_TCP } from "../../src/wire/ipv4.ts";
import { ipv4, ipv6, MF, pseudoSum, TCP, tcp, UDP, udp, word } from "../made/packets.ts";
import { below, dirty, randomBytes, seeded, untouchedOutside } from "../made/seeded.ts";

const ENDS4: [string, string] = ["10.42.1.5", "10.42.2.9"];
const ENDS6: [string, string] = ["fd42:1::5", "fd42:2::9"];
const AT = 7;

/** The packet at AT of a dirty buffer, with some bytes behind it. */
function laid(packet: Uint8Array): Uint8Array {
  const b = dirty(AT + packet.length + 9);
  b.set(packet, AT);
  return b;
}

test("either version tells its lengths, its addresses and its protocol", () => {
  const cases = [
    { packet: tcp(ENDS4, new Uint8Array(33)), v4: true, header: 20, destination: 16, address: 4 },
    {
      packet: tcp(ENDS6, new Uint8Array(33)),
      v4: false,
      header: 40,
      source: 8,
      destination: 24,
      address: 16,
    },
  ];
  for (const { packet, v4, header, destination, address } of cases) {
    const b = laid(packet);
    assert.equal(ip.ipIsV4(b, AT), v4);
    assert.equal(ip.decodeIp(b, AT, b.length), header);
    assert.equal(ip.ipTotalLength(b, AT), packet.length);
    assert.equal(ip.ipDestinationAt(b, AT), AT + destination);
    assert.equal(ip.ipAddressLength(b, AT), address);
    assert.equal(ip.ipProtocol(b, AT), PROTOCOL_TCP);
    assert.equal(ip.ipTransport(b, AT, b.length), AT + header);
    assert.equal(ip.ipTransportProtocol(b, AT, AT + header), PROTOCOL_TCP);
    assert.equal(fold(ip.ipPseudoSum(b, AT, TCP, packet.length - header)), pseudoSum(packet, TCP));
    assert.equal(ip.ipMayFragment(b, AT), v4 && (packet[6]! & 0x40) === 0);
  }
});

test("decodeIp() returns −1 for every other version, and for whatever is cut short", () => {
  for (const packet of [udp(ENDS4, new Uint8Array(5)), udp(ENDS6, new Uint8Array(5))]) {
    for (let version = 0; version < 16; version++) {
      const other = packet.slice();
      other[0] = (version << 4) | (packet[0]! & 15);
      if (version !== packet[0]! >> 4) assert.equal(ip.decodeIp(laid(other), AT, AT + other.length), -1);
    }
    for (let length = 0; length < packet.length; length++) {
      assert.equal(ip.decodeIp(laid(packet), AT, AT + length), -1);
    }
  }
  assert.equal(ip.decodeIp(new Uint8Array(0), 0, 0), -1);
});

test("ipTransport() is behind options and extension headers, and nowhere in a fragment", () => {
  const optioned = ipv4(ENDS4, UDP, new Uint8Array(8), { options: new Uint8Array(8).fill(1) });
  assert.equal(ip.ipTransport(optioned, 0, optioned.length), 28);
  const hopByHop = ipv6(ENDS6, 0, Uint8Array.of(UDP, 0, 1, 4, 0, 0, 0, 0, ...new Uint8Array(8)));
  assert.equal(ip.ipProtocol(hopByHop, 0), 0);
  assert.equal(ip.ipTransport(hopByHop, 0, hopByHop.length), 48);
  assert.equal(ip.ipTransportProtocol(hopByHop, 0, 48), UDP);
  const first4 = ipv4(ENDS4, UDP, new Uint8Array(16), { fragment: MF });
  const first6 = ipv6(ENDS6, 44, Uint8Array.of(UDP, 0, 0, 1, 0, 0, 0, 9, ...new Uint8Array(16)));
  for (const fragment of [first4, first6]) assert.equal(ip.ipTransport(fragment, 0, fragment.length), -1);
});

test("ipIsToGroup() is true of multicast and broadcast only", () => {
  const groups = ["224.0.0.1", "239.1.2.3", "255.255.255.255", "ff02::1", "ff0e::9"];
  const hosts = ["10.0.0.1", "223.255.255.255", "192.168.1.255", "fe80::1", "fd00::1"];
  const to = (address: string) =>
    address.includes(":")
      ? ipv6(["fd00::2", address], UDP, new Uint8Array(8))
      : ipv4(["10.0.0.2", address], UDP, new Uint8Array(8));
  for (const address of groups) assert.ok(ip.ipIsToGroup(to(address), 0), address);
  for (const address of hosts) assert.ok(!ip.ipIsToGroup(to(address), 0), address);
});

test("putIpTotalLength() and addToIpId() keep the header right and touch nothing else", () => {
  const random = seeded(31);
  for (let i = 0; i < 300; i++) {
    const v4 = i % 2 === 0;
    const payload = randomBytes(random, 8 + below(random, 40));
    const packet = v4
      ? ipv4(ENDS4, UDP, payload, { id: i < 2 ? 0xffff : below(random, 0x10000) })
      : ipv6(ENDS6, UDP, payload);
    const b = laid(packet);
    const before = b.slice();
    const n = below(random, 100);
    ip.addToIpId(b, AT, n);
    if (v4) {
      assert.equal(word(b, AT + 4), (word(packet, 4) + n) & 0xffff);
      assert.ok(ipv4HeaderOk(b, AT));
    } else assert.deepEqual(b, before);
    const length = packet.length - below(random, 8);
    ip.putIpTotalLength(b, AT, length);
    assert.equal(ip.ipTotalLength(b, AT), length);
    if (v4) assert.equal(checksum(b, AT, 20), 0);
    assert.ok(untouchedOutside(b, AT, AT + packet.length));
    assert.deepEqual(b.subarray(AT + (v4 ? 12 : 8)), before.subarray(AT + (v4 ? 12 : 8)));
  }
});
