import assert from "node:assert/strict";
import { test } from "node:test";
import { BATCH, SLOT_CAPACITY } from "../../../src/ports/devices.ts";
import { below, hex, randomBytes, seeded } from "../../made/seeded.ts";
import * as fix from "../../made/plane.ts";
import {
  bytesOf,
  destinationOf,
  DF,
  ipv4,
  ipv6,
  MF,
  naiveSum,
  putWord,
  sourceOf,
  tcp,
  udp,
  word,
} from "../../made/packets.ts";

const random = seeded(2025);
const HERE = "10.42.1.5";
const TO_DATA: [string, string] = [HERE, "10.42.2.9"];
const TO_VXLAN: [string, string] = [HERE, "10.42.3.9"];
const TO_FLANNEL: [string, string] = [HERE, "10.42.4.9"];
const TO_SMALL: [string, string] = [HERE, "10.42.5.9"];
const DATA_LEN = 16;

test("outbound() puts the documented 16 bytes in front of a packet for a peer of ours", () => {
  const f = fix.fixture();
  const packet = udp(TO_DATA, randomBytes(random, 100));
  assert.deepEqual(fix.sendOut(f, packet), { sent: 1 });
  fix.sendOut(f, packet);
  const [first, second] = f.sockets.own.sent;
  assert.equal(first!.to, fix.ENDPOINTS[0]);
  assert.deepEqual(first!.bytes, bytesOf(hex("11 000000 89abcd00 0000000000000000"), packet));
  assert.deepEqual(second!.bytes, bytesOf(hex("11 000000 89abcd00 0000000000000001"), packet));
  assert.deepEqual(f.counters.peer(fix.DATA_SLOT), {
    txPackets: 2,
    txBytes: 2 * packet.length,
    rxPackets: 0,
    rxBytes: 0,
  });
});

test("outbound() wraps a packet for a VTEP into VXLAN and Ethernet (RFC 7348)", () => {
  const f = fix.fixture();
  const packet = tcp(TO_VXLAN, randomBytes(random, 33));
  assert.deepEqual(fix.sendOut(f, packet), { sent: 1 });
  const frame = hex("0800000000000100 02000a2a0300 02000a2a0100 0800");
  assert.deepEqual(f.sockets.vxlan.sent, [
    { to: fix.ENDPOINTS[1], slot: fix.VXLAN_SLOT, bytes: bytesOf(frame, packet) },
  ]);
  const six = udp(["fd42:1::5", "fd42:3::9"], randomBytes(random, 7));
  assert.deepEqual(fix.sendOut(f, six), { sent: 1 });
  putWord(frame, 20, 0x86dd);
  assert.deepEqual(f.sockets.vxlan.sent[1]!.bytes, bytesOf(frame, six));
});

test("outbound() sends a flannel peer the bare packet", () => {
  const f = fix.fixture();
  const packet = udp(TO_FLANNEL, randomBytes(random, 10));
  assert.deepEqual(fix.sendOut(f, packet), { sent: 1 });
  assert.deepEqual(f.sockets.flannel.sent, [
    { to: fix.ENDPOINTS[2], slot: fix.FLANNEL_SLOT, bytes: packet },
  ]);
});

test("outbound() leaves out the bytes behind the packet", () => {
  const f = fix.fixture();
  const packet = udp(TO_SMALL, randomBytes(random, 500));
  assert.deepEqual(fix.sendOut(f, bytesOf(packet, new Uint8Array(200))), { sent: 1 });
  assert.deepEqual(f.sockets.own.sent[0]!.bytes.slice(DATA_LEN), packet);
});

/** Checks an ICMPv4 error about `packet` and returns its MTU field. */
function icmpError4(f: fix.Fixture, packet: Uint8Array, code: number): number {
  assert.equal(f.tun.written.length, 1);
  const { vnet, packet: error } = f.tun.written.pop()!;
  assert.deepEqual(vnet, new Uint8Array(10));
  assert.equal(destinationOf(error), sourceOf(packet));
  // Not from an address of this host: the kernel would drop it.
  assert.equal(sourceOf(error), destinationOf(packet));
  assert.equal(error[9], 1);
  assert.equal(word(error, 2), error.length);
  assert.ok(error.length <= 576);
  assert.equal(naiveSum(error.subarray(0, 20)), 0xffff);
  assert.equal(naiveSum(error.subarray(20)), 0xffff);
  assert.deepEqual([...error.subarray(20, 22)], [3, code]);
  assert.deepEqual(error.subarray(28), packet.subarray(0, Math.min(packet.length, 548)));
  assert.equal(word(error, 24), 0);
  return word(error, 26);
}

test("outbound() answers a packet nobody holds with ICMP net unreachable", () => {
  const f = fix.fixture();
  const packet = udp([HERE, "10.42.99.1"], randomBytes(random, 700));
  assert.deepEqual(fix.sendOut(f, packet), { "no-route": 1, "icmp-sent": 1 });
  assert.equal(icmpError4(f, packet, 0), 0);
  // To ourselves is no way out either: it would go round in a circle.
  const own = udp([HERE, "10.42.1.99"], new Uint8Array(1));
  assert.deepEqual(fix.sendOut(f, own), { "no-route": 1, "icmp-sent": 1 });
  icmpError4(f, own, 0);
});

test("outbound() answers an IPv6 packet nobody holds with ICMPv6 no route", () => {
  const f = fix.fixture();
  const packet = udp(["fd42:1::5", "fd42:99::1"], randomBytes(random, 1300));
  assert.deepEqual(fix.sendOut(f, packet), { "no-route": 1, "icmp-sent": 1 });
  const error = f.tun.written[0]!.packet;
  assert.equal(destinationOf(error), "fd42:1::5");
  assert.equal(error.length, 1280);
  assert.deepEqual([...error.subarray(40, 42)], [1, 0]);
  const pseudo = bytesOf(error.subarray(8, 40), [0, 0, error[4]!, error[5]!, 0, 0, 0, 58]);
  assert.equal(naiveSum(pseudo, error.subarray(40)), 0xffff);
});

test("outbound() refuses a source that is not ours: ICMP admin prohibited", () => {
  const f = fix.fixture();
  const packet = udp(["192.168.1.77", "10.42.2.9"], randomBytes(random, 20));
  assert.deepEqual(fix.sendOut(f, packet), { "not-ours": 1, "icmp-sent": 1 });
  icmpError4(f, packet, 13);
  const ofPeer = udp(["10.42.3.1", "10.42.2.9"], randomBytes(random, 20));
  assert.deepEqual(fix.sendOut(f, ofPeer), { "not-ours": 1, "icmp-sent": 1 });
  assert.equal(f.sockets.own.sent.length, 0);
});

test("outbound() drops multicast and broadcast without a word", () => {
  const f = fix.fixture();
  for (const group of ["224.0.0.251", "239.1.2.3", "255.255.255.255"]) {
    assert.deepEqual(fix.sendOut(f, udp([HERE, group], new Uint8Array(4))), { multicast: 1 });
  }
  assert.deepEqual(fix.sendOut(f, udp(["fe80::1", "ff02::2"], new Uint8Array(4))), { multicast: 1 });
  assert.equal(f.tun.written.length, 0);
});

test("outbound() says no path when the slot has no tunnel or its socket is missing", () => {
  const f = fix.fixture();
  f.dataPlane.apply({ kind: "addRoute", prefix: "10.42.50.0/24", slot: 50 });
  assert.deepEqual(fix.sendOut(f, udp([HERE, "10.42.50.1"], new Uint8Array(4))), { "no-path": 1 });
  f.dataPlane.apply({ kind: "dropPeer", slot: fix.SMALL_SLOT });
  assert.deepEqual(fix.sendOut(f, udp(TO_SMALL, new Uint8Array(1200))), { "no-path": 1 });
  f.dataPlane.plane.sockets.vxlan = null;
  assert.deepEqual(fix.sendOut(f, udp(TO_VXLAN, new Uint8Array(4))), { "no-path": 1 });
  assert.equal(f.tun.written.length, 0);
});

test("outbound() answers too big with DF by the MTU of that path", () => {
  const f = fix.fixture();
  const packet = tcp(TO_SMALL, randomBytes(random, 900));
  assert.deepEqual(fix.sendOut(f, packet), { "too-big": 1, "icmp-sent": 1 });
  assert.equal(icmpError4(f, packet, 4), fix.SMALL_MTU);
  assert.deepEqual(fix.sendOut(f, tcp(TO_SMALL, new Uint8Array(fix.SMALL_MTU - 52))), { sent: 1 });
});

test("outbound() answers a too big IPv6 packet with Packet Too Big", () => {
  const f = fix.fixture();
  const packet = udp(["fd42:1::5", "fd42:5::9"], randomBytes(random, 900));
  assert.deepEqual(fix.sendOut(f, packet), { "too-big": 1, "icmp-sent": 1 });
  const error = f.tun.written[0]!.packet;
  assert.deepEqual([...error.subarray(40, 42)], [2, 0]);
  assert.equal(word(error, 46), fix.SMALL_MTU);
});

/** Checks every fragment and puts their payload together; `sent` may hold them in any order. */
function reassemble(f: fix.Fixture, original: Uint8Array): Uint8Array {
  const header = (original[0]! & 15) * 4;
  const base = (word(original, 6) & 0x1fff) * 8;
  const payload = new Uint8Array(original.length - header).fill(0xee);
  const pieces = f.sockets.own.sent.splice(0).map(({ bytes }) => bytes.subarray(DATA_LEN));
  pieces.forEach((piece, i) => {
    const field = word(piece, 6);
    const last = i === pieces.length - 1;
    assert.ok(piece.length <= fix.SMALL_MTU);
    assert.equal(word(piece, 2), piece.length);
    assert.equal(naiveSum(piece.subarray(0, header)), 0xffff);
    assert.equal(field & MF, last ? word(original, 6) & MF : MF);
    assert.equal(field & 0xc000, 0);
    if (!last) assert.equal((piece.length - header) % 8, 0);
    const same = [0, 1, 4, 5, 8, 9];
    assert.deepEqual(same.map((at) => piece[at]), same.map((at) => original[at]));
    assert.deepEqual(piece.subarray(12, header), original.subarray(12, header));
    payload.set(piece.subarray(header), (field & 0x1fff) * 8 - base);
  });
  return payload;
}

test("outbound() cuts a packet without DF into fragments that make up the original", () => {
  const f = fix.fixture();
  for (const length of [581, 582, 600, 1152, 1153, 1380, 9000, 65_515]) {
    const packet = ipv4(TO_SMALL, 17, randomBytes(random, length));
    const count = Math.ceil(length / 576);
    assert.deepEqual(fix.sendOut(f, packet), { sent: 1, fragmented: count });
    assert.deepEqual(reassemble(f, packet), packet.slice(20), `${length} bytes`);
  }
  assert.equal(f.tun.written.length, 0);
});

test("outbound() cuts fragments again, first, middle and last, and keeps options", () => {
  const f = fix.fixture();
  const options = hex("94040000 01010100");
  for (const fragment of [MF, MF | 100, 8080]) {
    const length = fragment === 8080 ? 715 : 1360;
    const packet = ipv4(TO_SMALL, 17, randomBytes(random, length), { fragment, options, id: 0xffff });
    const { sent, fragmented } = fix.sendOut(f, packet);
    assert.deepEqual([sent, fragmented], [1, Math.ceil(length / 568)]);
    assert.deepEqual(reassemble(f, packet), packet.slice(28));
  }
});

test("outbound() refuses a fragment that would end behind 65,535 bytes", () => {
  const f = fix.fixture();
  const packet = ipv4(TO_SMALL, 17, randomBytes(random, 1000), { fragment: 0x1fff });
  assert.deepEqual(fix.sendOut(f, packet), { malformed: 1 });
});

test("a batch of fragments overwrites none that still waits", () => {
  const f = fix.fixture();
  // One packet in front shifts the queue against the fragment slots.
  f.tun.waiting.push(udp(TO_DATA, randomBytes(random, 8)));
  const packets = Array.from({ length: BATCH - 1 }, () => ipv4(TO_SMALL, 17, randomBytes(random, 1380)));
  f.tun.waiting.push(...packets);
  assert.equal(f.dataPlane.pump("tun", 1000), BATCH);
  assert.deepEqual(f.counts(), { sent: BATCH, fragmented: 3 * (BATCH - 1) });
  const sent = f.sockets.own.sent.splice(0);
  assert.equal(sent.shift()!.slot, fix.DATA_SLOT);
  packets.forEach((packet, i) => {
    f.sockets.own.sent.push(...sent.slice(3 * i, 3 * i + 3));
    assert.deepEqual(reassemble(f, packet), packet.slice(20), `packet ${i}`);
  });
});

test("a batch larger than the socket's queue leaves whole and in order", () => {
  const f = fix.fixture();
  f.sockets.own.capacity = 10;
  const packets = Array.from({ length: BATCH + 10 }, (_, i) => udp(TO_DATA, Uint8Array.of(i, i)));
  f.tun.waiting.push(...packets);
  assert.equal(f.dataPlane.pump("tun", 1000), BATCH);
  assert.equal(f.dataPlane.pump("tun", 1000), 10);
  assert.equal(f.dataPlane.pump("tun", 1000), 0);
  assert.deepEqual(f.sockets.own.sent.map(({ bytes }) => bytes.slice(DATA_LEN)), packets);
});

test("refused sends are counted", () => {
  const f = fix.fixture();
  f.sockets.own.refuseNext = 2;
  for (let i = 0; i < 5; i++) f.tun.waiting.push(udp(TO_DATA, Uint8Array.of(i)));
  f.dataPlane.pump("tun", 1000);
  assert.deepEqual(f.counts(), { sent: 5, "send-failed": 2 });
  assert.equal(f.sockets.own.sent.length, 3);
});

test("outbound() returns malformed for a packet cut at any length, and for no IP at all", () => {
  const f = fix.fixture();
  for (
    const packet of [
      udp(TO_DATA, randomBytes(random, 30)),
      tcp(["fd42:1::5", "fd42:2::9"], randomBytes(random, 30)),
    ]
  ) {
    for (let length = 1; length < packet.length; length++) {
      assert.deepEqual(fix.sendOut(f, packet.slice(0, length)), { malformed: 1 }, `${length} bytes`);
    }
    assert.deepEqual(fix.sendOut(f, packet), { sent: 1 });
  }
  assert.deepEqual(fix.sendOut(f, new Uint8Array(40)), { malformed: 1 });
  const short = udp(TO_DATA, new Uint8Array(8));
  short[0] = 0x44;
  assert.deepEqual(fix.sendOut(f, short), { malformed: 1 });
  assert.equal(f.tun.written.length, 0);
});

test("ICMP errors are limited to 200 a second, and never answer an ICMP error", () => {
  const f = fix.fixture();
  const packet = udp([HERE, "10.42.99.1"], new Uint8Array(4));
  const burst = (now: number) => {
    for (let i = 0; i < 500; i++) f.tun.waiting.push(packet);
    while (f.dataPlane.pump("tun", now) > 0);
    return f.tun.written.splice(0).length;
  };
  assert.equal(burst(10_000), 200);
  assert.equal(burst(10_100), 20);
  assert.deepEqual(f.counts(), { "no-route": 1000, "icmp-sent": 220 });
  const error = ipv4([HERE, "10.42.99.1"], 1, bytesOf([3, 1, 0, 0, 0, 0, 0, 0], packet.slice(0, 28)));
  assert.deepEqual(fix.sendOut(f, error, 20_000), { "no-route": 1 });
  const later = ipv4([HERE, "10.42.99.1"], 17, new Uint8Array(8), { fragment: 5 });
  assert.deepEqual(fix.sendOut(f, later, 20_000), { "no-route": 1 });
});

test("a TUN that refuses ICMP errors is counted", () => {
  const f = fix.fixture();
  f.tun.writeErrno = 5;
  assert.deepEqual(fix.sendOut(f, udp([HERE, "10.42.99.1"], new Uint8Array(4))), {
    "no-route": 1,
    "tun-write-failed": 1,
  });
});

test("outbound() of 20,000 random and mutated packets throws nothing and counts each once", () => {
  const f = fix.fixture();
  const seed = seeded(777);
  const ends = [TO_DATA, TO_VXLAN, TO_FLANNEL, TO_SMALL, ["fd42:1::5", "fd42:3::9"], [
    HERE,
    "10.42.99.1",
  ]] as const;
  const samples = ends.flatMap((pair) => {
    const payload = randomBytes(seed, 700);
    const whole = [
      udp(pair as [string, string], payload),
      tcp(pair as [string, string], payload.slice(0, 90)),
    ];
    return pair[0].includes(":")
      ? whole
      : [...whole, ipv4(pair as [string, string], 17, payload, { fragment: MF | 4 })];
  });
  let total = 0;
  for (let round = 0; round < 320; round++) {
    for (let i = 0; i < BATCH; i++, total++) {
      let packet: Uint8Array = samples[below(seed, samples.length)]!.slice();
      if (round % 4 === 0) packet = randomBytes(seed, 1 + below(seed, 80));
      else {for (let n = below(seed, 4); n > 0; n--) {
          packet[below(seed, Math.min(60, packet.length))] = below(seed, 256);
        }}
      if (round % 4 === 1) packet = packet.slice(0, 1 + below(seed, packet.length));
      f.tun.waiting.push(packet);
    }
    f.sockets.own.refuseNext = below(seed, 3);
    f.dataPlane.pump("tun", round * 10);
    assert.equal(f.counted(), total);
    for (const { packet } of f.tun.written.splice(0)) {
      assert.equal(naiveSum(packet.subarray(0, 20)) === 0xffff || packet[0]! >> 4 === 6, true);
    }
    for (const socket of Object.values(f.sockets)) {
      for (const { bytes, slot } of socket.sent.splice(0)) {
        const head = slot === fix.VXLAN_SLOT ? 22 : slot === fix.FLANNEL_SLOT ? 0 : DATA_LEN;
        const packet = bytes.subarray(head);
        assert.ok(packet.length <= (slot === fix.SMALL_SLOT ? fix.SMALL_MTU : fix.MTU));
        assert.match(sourceOf(packet), /^(10\.42\.1\.|fd42:1::)/);
        assert.match(destinationOf(packet), new RegExp(`^(10\\.42\\.${slot + 2}\\.|fd42:${slot + 2}::)`));
      }
    }
  }
  assert.ok(total >= 20_000);
  const counts = f.counts();
  for (const name of ["sent", "malformed", "no-route", "not-ours", "multicast", "too-big", "fragmented"]) {
    assert.ok(counts[name]! > 20, `${name}: ${counts[name]}`);
  }
});

test("the largest packet a slot takes goes out whole", () => {
  const f = fix.fixture();
  f.dataPlane.apply({
    kind: "setPeer",
    slot: fix.DATA_SLOT,
    tunnel: {
      encapsulation: "vxlan",
      endpoint: fix.ENDPOINTS[1],
      ownPort: fix.ENDPOINTS[1],
      mtu: SLOT_CAPACITY,
      sendIndex: 0,
      receiveIndex: 0,
      vni: 0xabcdef,
      mac: fix.VTEP_MAC,
    },
  });
  const packet = ipv4(TO_DATA, 6, randomBytes(random, 65_515), { fragment: DF });
  assert.deepEqual(fix.sendOut(f, packet), { sent: 1 });
  const bytes = f.sockets.vxlan.sent[0]!.bytes;
  assert.deepEqual(bytes.slice(0, 8), hex("08000000abcdef00"));
  assert.ok(bytes.slice(22).every((byte, i) => byte === packet[i]));
  const six = ipv6(["fd42:1::5", "fd42:2::9"], 59, new Uint8Array(0));
  assert.deepEqual(fix.sendOut(f, six), { sent: 1 });
});
