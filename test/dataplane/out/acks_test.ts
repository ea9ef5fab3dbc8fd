import assert from "node:assert/strict";
import { test } from "node:test";
import { randomBytes, seeded } from "../../made/seeded.ts";
import * as fix from "../../made/plane.ts";
import { bytesOf, putWord, tcp, udp } from "../../made/packets.ts";

const random = seeded(7);
const ENDS: [string, string] = ["10.42.1.5", "10.42.2.9"];
const ENDS6: [string, string] = ["fd42:1::5", "fd42:2::9"];
const NOTHING = new Uint8Array(0);
const TCP_AT = 20;
const ACKNOWLEDGMENT_AT = 8;
const FLAGS_AT = 13;
const OPTIONS_AT = 20;

/** A bare acknowledgment of everything up to `acknowledged`. */
function ack(acknowledged: number, ends = ENDS): Uint8Array {
  return acknowledging(tcp(ends, NOTHING, "partial"), acknowledged);
}

function acknowledging(packet: Uint8Array, acknowledged: number): Uint8Array {
  const tcpAt = packet[0]! >> 4 === 6 ? 40 : TCP_AT;
  new DataView(packet.buffer, packet.byteOffset).setUint32(tcpAt + ACKNOWLEDGMENT_AT, acknowledged);
  return packet;
}

/** What leaves of these packets when they are one batch, without the data header. */
function leaving(...packets: Uint8Array[]): { left: Uint8Array[]; counts: Record<string, number> } {
  const f = fix.fixture();
  f.tun.waiting.push(...packets);
  f.dataPlane.pump("tun", 1000);
  return { left: f.sockets.own.sent.map(({ bytes }) => bytes.slice(16)), counts: f.counts() };
}

test("Of acknowledgments in one batch the last leaves, and the others are counted", () => {
  const { left, counts } = leaving(ack(100), ack(200), ack(300));
  assert.deepEqual(left, [ack(300)]);
  assert.deepEqual(counts, { "sent": 1, "ack-superseded": 2 });
});

test("Acknowledgment numbers wrap", () => {
  assert.deepEqual(leaving(ack(0xffffff00), ack(0x100)).left, [ack(0x100)]);
  assert.equal(leaving(ack(0x100), ack(0xffffff00)).left.length, 2);
});

test("IPv6 acknowledgments are superseded, too, and those without timestamps", () => {
  assert.deepEqual(leaving(ack(1, ENDS6), ack(2, ENDS6)).left, [ack(2, ENDS6)]);
  const short = (acknowledged: number) => {
    const packet = ack(acknowledged).slice(0, 40);
    putWord(packet, 2, 40);
    packet[TCP_AT + 12] = 0x50;
    return packet;
  };
  assert.deepEqual(leaving(short(1), short(2)).left, [short(2)]);
  assert.deepEqual(leaving(ack(1), short(2)).left, [ack(1), short(2)]);
});

test("Whatever else an acknowledgment says leaves, in its place", () => {
  const changed = (name: string, change: (packet: Uint8Array) => void): [string, Uint8Array] => {
    const packet = ack(200);
    change(packet);
    return [name, packet];
  };
  const others: [string, Uint8Array][] = [
    ["data", acknowledging(tcp(ENDS, randomBytes(random, 5)), 200)],
    ["another protocol", udp(ENDS, randomBytes(random, 24))],
    changed("another sender", (p) => putWord(p, 14, 0x0106)),
    changed("another receiver", (p) => putWord(p, 18, 0x020a)),
    changed("another port", (p) => putWord(p, TCP_AT, 1001)),
    changed("another sequence number", (p) => putWord(p, TCP_AT + 6, 3)),
    changed("a congestion mark", (p) => p[1] = 3),
    changed("another hop limit", (p) => p[8]!--),
    changed("a fragment", (p) => p[6] = 0x20),
    changed("other flags of IP", (p) => p[6]! ^= 0x40),
    changed("FIN", (p) => p[TCP_AT + FLAGS_AT]! |= 0x01),
    changed("PSH", (p) => p[TCP_AT + FLAGS_AT]! |= 0x08),
    changed("URG", (p) => p[TCP_AT + FLAGS_AT]! |= 0x20),
    changed("ECE", (p) => p[TCP_AT + FLAGS_AT]! |= 0x40),
    changed("CWR", (p) => p[TCP_AT + FLAGS_AT]! |= 0x80),
    changed("AE", (p) => p[TCP_AT + FLAGS_AT - 1]! |= 0x01),
    changed("SACK", (p) => p.set([1, 1, 5, 10], TCP_AT + OPTIONS_AT)),
    changed("bytes behind the packet", (p) => putWord(p, 2, p.length - 1)),
  ];
  for (const [name, packet] of others) {
    const { left, counts } = leaving(ack(100), packet, ack(300));
    assert.equal(counts["ack-superseded"] ?? 0, 0, name);
    assert.ok(
      left.length + (counts["malformed"] ?? 0) + (counts["no-route"] ?? 0) + (counts["not-ours"] ?? 0) >= 2,
      name,
    );
    assert.deepEqual(left[0], ack(100), name);
    assert.deepEqual(left.at(-1), ack(300), name);
  }
});

test("Duplicates and older ones supersede nothing", () => {
  const same = [ack(100), ack(100), ack(100)];
  assert.deepEqual(leaving(...same).left, same);
  assert.deepEqual(leaving(ack(100), ack(50)).left, [ack(100), ack(50)]);
});

test("Two flows that alternate keep every acknowledgment", () => {
  const other = (acknowledged: number) => {
    const packet = ack(acknowledged);
    putWord(packet, TCP_AT, 2000);
    return packet;
  };
  const packets = [ack(1), other(1), ack(2), other(2)];
  assert.deepEqual(leaving(...packets).left, packets);
});

test("An acknowledgment at the end of a batch does not wait for the next batch", () => {
  const f = fix.fixture();
  assert.deepEqual(fix.sendOut(f, ack(1)), { sent: 1 });
  assert.deepEqual(fix.sendOut(f, ack(2)), { sent: 1 });
  assert.deepEqual(fix.sendOut(f, bytesOf(ack(3))), { sent: 1 });
});
