import assert from "node:assert/strict";
import process from "node:process";
import { Backlog, GOSSIP_WAITS_MAX } from "../../src/dataplane/tables/backlog.ts";
import { test } from "node:test";
import fc from "fast-check";
import { laneKey } from "../../src/crypto/lane.ts";
import type { CipherSuite } from "../../src/ports/aead.ts";
import { SessionTable } from "../../src/dataplane/tables/session_table.ts";
import { FakeAead } from "../fakes/fake_aead.ts";
import { referenceSeal } from "../made/reference_aead.ts";
import { encodeProbe, PROBE_LEN } from "../../src/wire/datagram.ts";
import { below, hex, randomBytes, seeded } from "../made/seeded.ts";
import { bytesOf, DF, ipv4, TCP, tcp, udp } from "../made/packets.ts";
import * as pair from "../made/sealed_pair.ts";
import { cut, PLAIN, shapes, single, superframe } from "../made/superframes.ts";
import { cases } from "../made/seeds.ts";

const random = seeded(99);
const BACK: [string, string] = [pair.ENDS.v4[1], pair.ENDS.v4[0]];
const PACKET = tcp(pair.ENDS.v4, randomBytes(random, 60));

/** A data datagram by the reference, not by the code under test: what a peer may send on session 1. */
function seal(
  to: "a" | "b",
  payload: Uint8Array,
  counter: number,
  { n = 1, lane = 0, flags = 0, root = null as Uint8Array | null, suite = "aes-256-gcm" as CipherSuite } = {},
): Uint8Array {
  const header = new Uint8Array(16);
  const view = new DataView(header.buffer);
  header[0] = 0x10 | flags;
  view.setUint32(4, pair.indexOf(to, n) | lane);
  view.setBigUint64(8, BigInt(counter));
  const key = laneKey(root ?? pair.rootOf(to === "a" ? "b" : "a", n), lane);
  return bytesOf(header, referenceSeal(suite, key, header, payload));
}

function received(end: pair.End): Uint8Array[] {
  return end.tun.written.splice(0).flatMap(cut);
}

for (const suite of pair.SUITES) {
  test(`superframes arrive as they left, TCP and UDP, IPv4 and IPv6: ${suite}`, () => {
    const { a, b } = pair.sealedPair(suite);
    fc.assert(
      fc.property(shapes(pair.ENDS, { mtu: pair.MTU, plain: false }), (shape) => {
        const frame = superframe(shape);
        a.tun.waiting.push(frame);
        const datagrams = pair.leave(a).map(({ bytes }) => bytes);
        pair.arrive(b, datagrams);
        assert.deepEqual(received(b), cut(frame));
      }),
      cases(suite === "xsalsa20-poly1305" ? 15 : 60, 11),
    );
    assert.deepEqual(Object.keys(a.counts()), ["sent"]);
    assert.deepEqual(Object.keys(b.counts()), ["delivered"]);
  });

  test(`a datagram is what the documentation says: ${suite}`, () => {
    const { a } = pair.sealedPair(suite);
    // The first counter went into the keepalive that told of the session.
    for (const counter of [1, 2]) {
      a.tun.waiting.push(PACKET);
      const [sent] = pair.leave(a);
      assert.deepEqual(sent!.bytes, seal("b", PACKET, counter, { suite }));
      assert.equal(sent!.to, pair.HOME.b);
    }
  });
}

test("a superframe leaves as datagrams of one size, one behind the other, and arrives as one superframe", () => {
  const { a, b } = pair.sealedPair();
  const frame = superframe({ ...PLAIN, ends: pair.ENDS.v4 });
  a.tun.waiting.push(frame);
  const datagrams = pair.leave(a).map(({ bytes }) => bytes);
  const sizes = datagrams.map(({ length }) => length);
  assert.equal(sizes.length, Math.ceil(PLAIN.payload / PLAIN.size));
  assert.ok(sizes.slice(0, -1).every((size) => size === PLAIN.size + 52 + 32));
  assert.ok(datagrams.every((datagram) => datagram[0] === 0x14), "sealed and partial");
  pair.arrive(b, datagrams);
  assert.equal(b.tun.written.length, 1);
  assert.deepEqual(received(b), cut(frame));
  assert.equal(b.counters.peer(pair.SLOT.b).rxPackets, sizes.length);
});

test("more superframes than the arena or the queue holds leave whole and in order", () => {
  for (const capacity of [4096, 50]) {
    const { a, b } = pair.sealedPair();
    a.socket.capacity = capacity;
    const frames = Array.from(
      { length: 12 },
      (_, i) => superframe({ ...PLAIN, ends: pair.ENDS.v4, size: 700, payload: 44_000, seed: i, id: 64 * i }),
    );
    a.tun.waiting.push(...frames);
    pair.arrive(b, pair.leave(a).map(({ bytes }) => bytes));
    assert.deepEqual(received(b), frames.flatMap(cut));
    assert.deepEqual(a.counts(), { sent: 13 - 1 });
  }
});

test("no plaintext leaves", () => {
  const { a } = pair.sealedPair();
  const pattern = new TextEncoder().encode("THE PATTERN THAT NOBODY MAY SEE");
  const payload = Uint8Array.from({ length: 9000 }, (_, i) => pattern[i % pattern.length]!);
  const packet = udp(pair.ENDS.v4, payload.slice(0, 1000));
  const frame = superframe({ ...PLAIN, ends: pair.ENDS.v4, payload: 9000 });
  frame.packet.set(payload, frame.packet.length - 9000);
  a.tun.waiting.push(packet, frame, ipv4(pair.ENDS.v4, 17, payload.slice(0, 4000)));
  const wire = new TextDecoder("latin1").decode(bytesOf(...pair.leave(a).map(({ bytes }) => bytes)));
  assert.ok(wire.length > 14_000);
  for (let at = 0; at < pattern.length - 4; at++) {
    assert.ok(!wire.includes(new TextDecoder("latin1").decode(pattern.subarray(at, at + 5))));
  }
  assert.ok(!wire.includes(String.fromCharCode(10, 42, 1, 5)), "not the inner addresses either");
});

test("a packet too big without DF leaves in sealed fragments; with DF its sender hears the MTU", () => {
  const { a, b } = pair.sealedPair();
  a.tun.waiting.push(ipv4(pair.ENDS.v4, 17, randomBytes(random, 5000)));
  pair.arrive(b, pair.leave(a).map(({ bytes }) => bytes));
  assert.equal(received(b).reduce((sum, packet) => sum + packet.length - 20, 0), 5000);
  a.tun.waiting.push(ipv4(pair.ENDS.v4, 17, randomBytes(random, 5000), { fragment: DF }));
  assert.deepEqual(pair.leave(a), []);
  assert.equal(a.counts()["too-big"], 1);
  assert.equal(a.tun.written.length, 1);
});

test("a packet with its checksum complete is sealed without the partial bit, and delivered as it was", () => {
  const { a, b } = pair.sealedPair();
  const packet = single({ ...PLAIN, ends: pair.ENDS.v4, payload: 500 });
  a.tun.waiting.push(packet);
  const [datagram] = pair.leave(a);
  assert.equal(datagram!.bytes[0], 0x10);
  pair.arrive(b, [datagram!.bytes]);
  assert.deepEqual(b.tun.written[0]!.packet, packet);
});

// ----------------------------------------------------------------------------------- what must not get through

test("the same datagram twice is delivered once", () => {
  const { a, b } = pair.sealedPair();
  a.tun.waiting.push(superframe({ ...PLAIN, ends: pair.ENDS.v4 }));
  const datagrams = pair.leave(a).map(({ bytes }) => bytes);
  pair.arrive(b, datagrams);
  b.tun.written.length = 0;
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, datagrams)), { replay: datagrams.length });
  assert.deepEqual(b.tun.written, []);
});

test("datagrams in any order are all delivered, once", () => {
  const { a, b } = pair.sealedPair();
  const packets = Array.from({ length: 300 }, (_, i) => udp(pair.ENDS.v4, Uint8Array.of(i >> 8, i, 1, 2)));
  a.tun.waiting.push(...packets);
  const datagrams = pair.leave(a).map(({ bytes }) => bytes);
  const mixed = [...datagrams, ...datagrams].map((bytes) => ({ bytes, key: random() }));
  mixed.sort((x, y) => x.key - y.key);
  pair.arrive(b, mixed.map(({ bytes }) => bytes));
  const bodies = (all: Uint8Array[]) => all.map((packet) => packet.slice(28).join("."));
  assert.deepEqual(bodies(received(b)).sort(), bodies(packets).sort());
  assert.equal(b.counts()["replay"], 300);
});

test("a datagram older than the window is a replay, whether it came or not", () => {
  const { b } = pair.sealedPair();
  const at = (counter: number) => pair.counted(b, () => pair.arrive(b, [seal("b", PACKET, counter)]));
  assert.deepEqual(at(20_000), { delivered: 1 });
  assert.deepEqual(at(20_000 - 8159), { delivered: 1 });
  assert.deepEqual(at(20_000 - 8160), { replay: 1 });
  assert.deepEqual(at(2 ** 52), { delivered: 1 });
  assert.deepEqual(at(20_001), { replay: 1 });
});

for (const suite of pair.SUITES) {
  test(`every bit of a datagram changed: it is dropped and counted, and changes nothing: ${suite}`, () => {
    const { b } = pair.sealedPair(suite);
    const datagram = seal("b", PACKET, 5, { suite });
    const before = b.events.length;
    for (let bit = 0; bit < datagram.length * 8; bit++) {
      const forged = datagram.slice();
      forged[bit >> 3]! ^= 1 << (bit & 7);
      const count = pair.counted(
        b,
        () => pair.arrive(b, [forged], { from: "192.168.9.9:9", now: 5000 + 100 * bit }),
      );
      assert.equal(Object.values(count).reduce((sum, n) => sum + n, 0), 1, `bit ${bit}`);
      assert.equal(count["delivered"], undefined, `bit ${bit}`);
    }
    assert.deepEqual(b.tun.written, []);
    assert.deepEqual(
      b.events.slice(before).filter(({ kind }) => !["unknownIndex", "datagram"].includes(kind)),
      [],
    );
    assert.deepEqual(pair.counted(b, () => pair.arrive(b, [datagram])), { delivered: 1 });
  });
}

test("a datagram cut at any length is dropped and counted", () => {
  const { b } = pair.sealedPair();
  const datagram = seal("b", PACKET, 5);
  for (let length = 0; length < datagram.length; length++) {
    const count = pair.counted(b, () => pair.arrive(b, [datagram.slice(0, length)]));
    assert.deepEqual(count, length < 32 ? { malformed: 1 } : { "bad-seal": 1 }, `${length}`);
  }
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, [bytesOf(datagram, [0])])), { "bad-seal": 1 });
});

test("a datagram reflected to its sender does not open", () => {
  const { a } = pair.sealedPair();
  a.tun.waiting.push(PACKET);
  const [sent] = pair.leave(a);
  assert.deepEqual(pair.counted(a, () => pair.arrive(a, [sent!.bytes])), { "no-session": 1 });
  // Even with the index that a gave out: the keys of the two directions differ.
  const turned = sent!.bytes.slice();
  turned.set(hex("aa000100"), 4);
  assert.deepEqual(pair.counted(a, () => pair.arrive(a, [turned])), { "bad-seal": 1 });
});

test("a forged datagram that rides in a train behind genuine ones is opened like any other", () => {
  // GRO joins by addresses and ports, which anybody can forge: what a train begins with says nothing of the rest.
  const { a } = pair.sealedPair();
  const frame = superframe({ ...PLAIN, ends: pair.ENDS.v4, payload: 4 * PLAIN.size });
  a.tun.waiting.push(frame);
  const genuine = pair.leave(a).map(({ bytes }) => bytes);
  const segments = cut(frame);
  for (let from = 1; from < 4; from++) {
    for (const tag of [0, 16]) {
      const { b } = pair.sealedPair();
      // The header of the next datagram and the very segment that would go on, in the clear.
      const forged = bytesOf(genuine[from]!.slice(0, 16), segments[from]!, new Uint8Array(tag));
      const count = pair.counted(b, () => pair.arrive(b, [...genuine.slice(0, from), forged]));
      assert.deepEqual(count, { delivered: from, "bad-seal": 1 });
      assert.deepEqual(received(b), segments.slice(0, from));
    }
  }
});

test("a plain datagram does not join a train of sealed ones, nor a sealed one a train of plain", () => {
  const { a, b } = pair.sealedPair();
  const frame = superframe({ ...PLAIN, ends: pair.ENDS.v4, payload: 3 * PLAIN.size });
  a.tun.waiting.push(frame);
  const sealed = pair.leave(a).map(({ bytes }) => bytes);
  const plain = cut(frame).map((packet, i) => {
    const header = sealed[i]!.slice(0, 16);
    header[0]! |= 1;
    return bytesOf(header, packet, new Uint8Array(16));
  });
  const count = pair.counted(b, () => pair.arrive(b, [sealed[0]!, plain[1]!, plain[2]!, sealed[1]!]));
  assert.deepEqual(count, { delivered: 2, "no-session": 2 });
});

test("a peer cannot speak for another: the inner source must be its own", () => {
  const { b } = pair.sealedPair();
  const forged = udp(["10.42.7.7", pair.ENDS.v4[1]], randomBytes(random, 20));
  const ours = udp(["10.42.2.8", pair.ENDS.v4[1]], randomBytes(random, 20));
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, [seal("b", forged, 1)])), { spoofed: 1 });
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, [seal("b", ours, 2)])), { spoofed: 1 });
  const beyond = udp([pair.ENDS.v4[0], "10.42.3.3"], randomBytes(random, 20));
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, [seal("b", beyond, 3)])), { "not-for-us": 1 });
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, [seal("b", Uint8Array.of(1, 2, 3), 4)])), {
    malformed: 1,
  });
});

test("plain data for a sealed peer is refused, and sealed data for a plain one", () => {
  const { b } = pair.sealedPair();
  const plain = bytesOf(hex("11 000000 bb000100 0000000000000005"), PACKET);
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, [plain])), { "no-session": 1 });
  const tunnel = {
    endpoint: pair.HOME.a,
    ownPort: pair.HOME.a,
    mtu: pair.MTU,
    sendIndex: 0x100,
    receiveIndex: 0x200,
    vni: 0,
    mac: "",
  };
  b.dataPlane.apply({ kind: "setPeer", slot: pair.SLOT.b, tunnel: { ...tunnel, encapsulation: "data" } });
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, [seal("b", PACKET, 6)])), { "no-session": 1 });
  assert.deepEqual(b.tun.written, []);
});

test("Ethernet payloads, other networks and lanes that nobody has are refused", () => {
  const { b } = pair.sealedPair();
  const count = (datagram: Uint8Array) => pair.counted(b, () => pair.arrive(b, [datagram]));
  assert.deepEqual(count(seal("b", PACKET, 1, { flags: 8 })), { "wrong-vni": 1 });
  const other = seal("b", PACKET, 2);
  other[3] = 7;
  assert.deepEqual(count(other), { "wrong-vni": 1 });
  assert.deepEqual(count(seal("b", PACKET, 3, { lane: 16 })), { "no-session": 1 });
  assert.deepEqual(count(seal("b", PACKET, 3, { lane: 254 })), { "no-session": 1 });
  assert.deepEqual(count(seal("b", PACKET, 2 ** 53)), { replay: 1 });
});

test("each lane has keys, counters and a window of its own", () => {
  const { b } = pair.sealedPair();
  const count = (datagram: Uint8Array) => pair.counted(b, () => pair.arrive(b, [datagram]));
  for (const lane of [0, 1, 15]) {
    assert.deepEqual(count(seal("b", PACKET, 9, { lane })), { delivered: 1 });
    assert.deepEqual(count(seal("b", PACKET, 9, { lane })), { replay: 1 });
    const crossed = seal("b", PACKET, 10, { lane });
    crossed[7]! ^= 2;
    assert.deepEqual(count(crossed), { "bad-seal": 1 });
  }
});

test("forged datagrams make at most one key each, and none is kept before something authenticated came", () => {
  const aead = new FakeAead();
  const { b } = pair.unsealedPair(0, aead);
  pair.install(b, 1);
  const forged = (lane: number, counter: number) => {
    const datagram = seal("b", PACKET, counter, { lane });
    datagram[40]! ^= 1;
    return datagram;
  };
  const count = (datagram: Uint8Array) => pair.counted(b, () => pair.arrive(b, [datagram]));
  const sealing = aead.alive;
  // Every lane there is, over and over: one key for each.
  const before = aead.made;
  for (let i = 0; i < 170; i++) {
    const lane = i % 17 === 16 ? 255 : i % 17;
    assert.deepEqual(count(forged(lane, i)), { "bad-seal": 1 });
    assert.equal(aead.made - before, Math.min(i + 1, 17), `datagram ${i}`);
  }
  const made = aead.made;
  // What is genuine is kept, whatever is forged between; its counters go on as they must.
  for (const lane of [4, 7]) assert.deepEqual(count(seal("b", PACKET, 5, { lane })), { delivered: 1 });
  for (let lane = 0; lane < 16; lane++) count(forged(lane, 100));
  for (const lane of [4, 7]) {
    assert.deepEqual(count(seal("b", PACKET, 6, { lane })), { delivered: 1 });
    assert.deepEqual(count(seal("b", PACKET, 5, { lane })), { replay: 1 });
  }
  assert.deepEqual([aead.made, aead.alive], [made, sealing + 17], "two lanes, and those on trial");
  b.dataPlane.apply({ kind: "dropSession", receiveIndex: pair.indexOf("b", 1) });
  assert.equal(aead.alive, 0);
});

test("lanes on trial are few, whatever sessions they are of, and the oldest keys are wiped", () => {
  const aead = new FakeAead();
  const table = new SessionTable();
  const memory = new Uint8Array(new ArrayBuffer(64));
  for (let slot = 0; slot < 8; slot++) {
    const keys = { sendKey: new Uint8Array(32), receiveKey: new Uint8Array(32) };
    const indices = { receiveIndex: (slot + 1) << 8, sendIndex: 1 };
    const suite = "aes-256-gcm";
    const message = { kind: "installSession", slot, ...indices, suite, ...keys, confirmed: true } as const;
    const session = table.install(message, { aead, lane: 0, memory });
    for (let lane = 0; lane < 16; lane++) assert.notEqual(table.lane(session, lane), null);
  }
  assert.deepEqual([aead.made, aead.alive], [8 + 128, 8 + 64]);
  for (let slot = 0; slot < 8; slot++) table.drop((slot + 1) << 8);
  assert.equal(aead.alive, 0);
});

test("a Worker of another lane seals with that lane's key and names it in the index", () => {
  const { a } = pair.sealedPair("aes-256-gcm", 3);
  a.tun.waiting.push(PACKET);
  assert.deepEqual(pair.leave(a)[0]!.bytes, seal("b", PACKET, 1, { lane: 3 }));
});

/** Datagrams of the fuzz test, in hundreds. */
const ROUNDS = process.env.OVLTUN_LONG === "1" ? 50_000 : 600;

test("random and mutated sealed datagrams throw nothing, deliver nothing forged, and are counted once", () => {
  const { b } = pair.sealedPair();
  const genuine = Array.from({ length: 20 }, (_, i) => seal("b", randomBytes(random, below(random, 90)), i));
  let total = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < 100; i++) {
      const datagram = random() < 0.3
        ? bytesOf([0x10 | below(random, 16)], randomBytes(random, below(random, 100)))
        : genuine[below(random, 20)]!.slice(0, 1 + below(random, 140));
      if (random() < 0.3 && datagram.length > 8) datagram.set(hex("bb0001"), 4);
      const changes = 1 + below(random, 3);
      const old = datagram.slice();
      for (let k = 0; k < changes; k++) datagram[below(random, datagram.length)] = below(random, 256);
      if (datagram.every((byte, k) => byte === old[k])) datagram[0]! ^= 0x40;
      b.socket.arrive(datagram, "192.168.9.9:9", random() < 0.1 ? 1 + below(random, 60) : datagram.length);
    }
    while (b.dataPlane.pump("own", 1000 + round) > 0);
    total += 100;
  }
  const { delivered = 0, keepalive = 0, ...dropped } = b.counts();
  assert.deepEqual([delivered, keepalive, b.tun.written.length], [0, 0, 0]);
  assert.ok(Object.values(dropped).reduce((sum, count) => sum + count, 0) >= total);
  for (const name of ["bad-seal", "malformed", "no-session", "replay", "wrong-vni"]) {
    if (name !== "replay") assert.ok((dropped[name] ?? 0) > 0, name);
  }
  assert.deepEqual(b.events.filter(({ kind }) => kind === "roamed"), []);
});

// ---------------------------------------------------------------------------------- sessions and their lives

test("packets wait for a session, which is asked for, and leave in order when it comes", () => {
  const { a, b } = pair.unsealedPair();
  const frame = superframe({ ...PLAIN, ends: pair.ENDS.v4 });
  a.tun.waiting.push(PACKET, frame);
  assert.deepEqual(pair.leave(a), []);
  assert.deepEqual(a.counts(), {});
  assert.deepEqual(a.events[0], { kind: "sessionWanted", slot: pair.SLOT.a });
  pair.install(a, 1);
  pair.install(b, 1, { confirmed: false });
  pair.arrive(b, a.socket.sent.splice(0).map(({ bytes }) => bytes));
  assert.deepEqual(received(b), [PACKET, ...cut(frame)]);
  assert.deepEqual(a.counts(), { sent: 2 });
});

test("what overtakes the last message of a handshake is taken in when its session is installed", () => {
  const { a, b } = pair.unsealedPair();
  a.tun.waiting.push(PACKET);
  pair.leave(a);
  pair.install(a, 1);
  const sent = a.socket.sent.splice(0).map(({ bytes }) => bytes);
  const probe = new Uint8Array(PROBE_LEN);
  encodeProbe(probe, 0, 0, 1, 2, 3);
  // No gate here: what the Worker's does when the last message passes.
  b.dataPlane.plane.early.expect(pair.indexOf("b", 1), 1000);
  pair.arrive(b, [...sent, seal("b", probe, 1)], { from: "192.168.1.77:1234" });
  assert.deepEqual([b.counts(), b.events], [{}, []]);
  pair.install(b, 1, { confirmed: false });
  assert.deepEqual(received(b), [PACKET]);
  assert.deepEqual(b.counts(), { delivered: 1, "probe-answered": 1 });
  assert.deepEqual(b.events.map(({ kind }) => kind), ["roamed", "sessionConfirmed"]);
  assert.equal(b.socket.sent.length, 1);
  pair.arrive(b, sent);
  assert.deepEqual(b.counts(), { delivered: 1, "probe-answered": 1, replay: 1 });
});

test("a session with one peer is asked for every half second, with all of them 20 times a second", () => {
  const { a } = pair.unsealedPair();
  const tunnel = {
    encapsulation: "sealed" as const,
    endpoint: pair.HOME.b,
    ownPort: pair.HOME.b,
    mtu: pair.MTU,
  };
  const none = { sendIndex: 0, receiveIndex: 0, vni: 0, mac: "" };
  for (let slot = 100; slot < 200; slot++) {
    a.dataPlane.apply({ kind: "setPeer", slot, tunnel: { ...tunnel, ...none } });
    a.dataPlane.apply({ kind: "addRoute", prefix: `10.42.${slot}.0/24`, slot });
  }
  const wanted = () => a.events.splice(0).map((event) => "slot" in event ? event.slot : -1);
  for (let now = 1000; now < 3000; now += 2) {
    a.tun.waiting.push(PACKET);
    pair.leave(a, now);
  }
  assert.deepEqual(wanted(), [pair.SLOT.a, pair.SLOT.a, pair.SLOT.a, pair.SLOT.a]);
  for (let slot = 100; slot < 200; slot++) {
    a.tun.waiting.push(udp([pair.ENDS.v4[0], `10.42.${slot}.1`], PACKET));
  }
  pair.leave(a, 3000);
  assert.deepEqual(wanted(), Array.from({ length: 20 }, (_, i) => 100 + i));
});

test("at most 100 packets of a peer wait, the oldest go, counted", () => {
  const { a, b } = pair.unsealedPair();
  const packets = Array.from({ length: 130 }, (_, i) => udp(pair.ENDS.v4, Uint8Array.of(i, 1)));
  a.tun.waiting.push(...packets);
  pair.leave(a);
  assert.deepEqual(a.counts(), { "queue-full": 30 });
  pair.install(a, 1);
  pair.install(b, 1);
  pair.arrive(b, a.socket.sent.splice(0).map(({ bytes }) => bytes));
  // Joined to a superframe on the way: the kernel numbers them anew.
  assert.deepEqual(received(b).map((packet) => packet[28]), packets.slice(30).map((packet) => packet[28]));
});

test("what has waited for ten seconds does not leave any more, counted", () => {
  const { a } = pair.unsealedPair();
  a.tun.waiting.push(PACKET, PACKET);
  pair.leave(a, 1000);
  a.tun.waiting.push(udp(pair.ENDS.v4, Uint8Array.of(1)));
  pair.leave(a, 10_999);
  assert.deepEqual(a.counts(), {});
  a.dataPlane.plane.now = 12_000;
  pair.install(a, 1);
  assert.equal(a.socket.sent.length, 1);
  assert.deepEqual(a.counts(), { "no-session": 2, sent: 1 });
});

test("what waits goes with the peer, counted", () => {
  const { a } = pair.unsealedPair();
  a.tun.waiting.push(PACKET, PACKET);
  pair.leave(a);
  a.dataPlane.apply({ kind: "dropPeer", slot: pair.SLOT.a });
  assert.deepEqual(a.counts(), { "no-session": 2 });
});

test("whoever gets a session that may send says so with a keepalive, unless packets do", () => {
  const { a } = pair.unsealedPair();
  pair.install(a, 1);
  assert.deepEqual(a.socket.sent.map(({ bytes }) => bytes), [seal("b", new Uint8Array(0), 0)]);
  assert.deepEqual(a.counts(), {});
});

test("a responder is silent until the initiator has used the session; then what waited leaves", () => {
  const { a, b } = pair.unsealedPair();
  pair.install(b, 1, { confirmed: false });
  const answer = tcp(BACK, randomBytes(random, 30));
  b.tun.waiting.push(answer);
  assert.deepEqual(pair.leave(b), []);
  // Nothing forged confirms it.
  const forged = seal("b", PACKET, 3);
  forged[20]! ^= 1;
  pair.arrive(b, [forged]);
  assert.ok(!b.events.some(({ kind }) => kind === "sessionConfirmed"));
  assert.deepEqual(b.socket.sent, []);
  pair.install(a, 1);
  pair.arrive(b, a.socket.sent.splice(0).map(({ bytes }) => bytes));
  const confirmed = { kind: "sessionConfirmed", receiveIndex: pair.indexOf("b", 1) };
  assert.deepEqual(b.events.filter(({ kind }) => kind === "sessionConfirmed"), [confirmed]);
  assert.deepEqual(b.counts(), { keepalive: 1, sent: 1, "bad-seal": 1 });
  pair.arrive(a, b.socket.sent.splice(0).map(({ bytes }) => bytes));
  assert.deepEqual(received(a), [answer]);
});

test("a session that the peer used with another Worker may send here, too", () => {
  const { a, b } = pair.unsealedPair();
  pair.install(a, 1);
  pair.install(b, 1, { confirmed: false });
  const answer = tcp(BACK, randomBytes(random, 30));
  b.tun.waiting.push(answer);
  assert.deepEqual(pair.leave(b), []);
  const confirm = () => b.dataPlane.apply({ kind: "confirmSession", receiveIndex: pair.indexOf("b", 1) });
  confirm();
  assert.equal(b.socket.sent.length, 1);
  pair.arrive(a, b.socket.sent.splice(0).map(({ bytes }) => bytes));
  assert.deepEqual(received(a), [answer]);
  // A late one does not bring an older session back.
  pair.install(b, 2);
  confirm();
  b.tun.waiting.push(answer);
  assert.deepEqual(pair.leave(b).at(-1)!.bytes.slice(4, 8), hex("aa000200"));
  b.dataPlane.apply({ kind: "confirmSession", receiveIndex: pair.indexOf("b", 7) });
  assert.ok(!b.events.some(({ kind }) => kind === "sessionConfirmed"));
});

test("during a rekey both epochs are received, and packets leave on the newer", () => {
  const { a, b } = pair.sealedPair();
  a.tun.waiting.push(PACKET);
  const late = pair.leave(a).map(({ bytes }) => bytes);
  pair.install(b, 2, { confirmed: false });
  pair.install(a, 2);
  // b does not send on it before a did; a receives on both.
  b.tun.waiting.push(tcp(BACK, randomBytes(random, 40)));
  pair.arrive(a, pair.leave(b).map(({ bytes }) => bytes));
  assert.equal(received(a).length, 1);
  pair.arrive(b, a.socket.sent.splice(0).map(({ bytes }) => bytes));
  b.tun.waiting.push(tcp(BACK, randomBytes(random, 40)));
  const [newer] = pair.leave(b);
  assert.deepEqual(newer!.bytes.slice(4, 8), hex("aa000200"));
  pair.arrive(b, late);
  assert.equal(received(b).length, 1, "the epoch before is still received");
  b.dataPlane.apply({ kind: "dropSession", receiveIndex: pair.indexOf("b", 1) });
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, [seal("b", PACKET, 7)])), { "no-session": 1 });
});

test("dropping the session that sends falls back to the one before, then to none", () => {
  const { a } = pair.sealedPair();
  pair.install(a, 2);
  a.socket.sent.length = 0;
  const sendsTo = () => {
    a.tun.waiting.push(PACKET);
    return pair.leave(a).map(({ bytes }) => bytes.slice(4, 8).join("."));
  };
  assert.deepEqual(sendsTo(), ["187.0.2.0"]);
  a.dataPlane.apply({ kind: "dropSession", receiveIndex: pair.indexOf("a", 2) });
  assert.deepEqual(sendsTo(), ["187.0.1.0"]);
  a.dataPlane.apply({ kind: "dropSession", receiveIndex: pair.indexOf("a", 1) });
  a.dataPlane.apply({ kind: "dropSession", receiveIndex: pair.indexOf("a", 1) });
  assert.deepEqual(sendsTo(), []);
});

test("a peer has three sessions at most; unconfirmed ones do not push out the one that sends", () => {
  const { b } = pair.sealedPair();
  for (let n = 2; n < 9; n++) pair.install(b, n, { confirmed: false });
  const open = [1, 2, 3, 4, 5, 6, 7, 8].filter((n) => {
    const count = pair.counted(b, () => pair.arrive(b, [seal("b", new Uint8Array(0), 100, { n })]));
    return count["keepalive"] === 1;
  });
  assert.deepEqual(open, [1, 7, 8]);
});

test("dropPeer ends the peer's sessions: the next holder of the slot has none of them", () => {
  const { b } = pair.sealedPair();
  b.dataPlane.apply({ kind: "dropPeer", slot: pair.SLOT.b });
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, [seal("b", PACKET, 1)])), { "no-session": 1 });
  assert.deepEqual(b.events.at(-1), { kind: "unknownIndex", from: pair.HOME.a });
});

test("installSession wipes the keys of its message", () => {
  const { a } = pair.unsealedPair();
  const sendKey = pair.rootOf("a", 1), receiveKey = pair.rootOf("b", 1);
  a.dataPlane.apply({
    kind: "installSession",
    slot: pair.SLOT.a,
    receiveIndex: 0x100,
    sendIndex: 0x200,
    suite: "aes-256-gcm",
    sendKey,
    receiveKey,
    confirmed: true,
  });
  assert.deepEqual([...sendKey, ...receiveKey], new Array(64).fill(0));
});

test("counters past 2^48 ask for another session once, past 2^52 nothing is sent", () => {
  const { a } = pair.sealedPair();
  const session = a.dataPlane.plane.sessions.sending(pair.SLOT.a)!;
  session.counter = 2 ** 48;
  a.tun.waiting.push(PACKET, PACKET);
  assert.equal(pair.leave(a).length, 2);
  assert.deepEqual(a.events, [{ kind: "rekeyWanted", slot: pair.SLOT.a }]);
  session.counter = 2 ** 52 - 1;
  a.tun.waiting.push(PACKET, PACKET);
  assert.deepEqual(pair.leave(a).map(({ bytes }) => bytes), [seal("b", PACKET, 2 ** 52 - 1)]);
  assert.equal(a.counts()["no-session"], 1);
});

// ---------------------------------------------------------------------------------------------- endpoints

test("packets follow the peer to the endpoint of its newest authenticated packet, and to no other", () => {
  const { b } = pair.sealedPair();
  const ELSEWHERE = "203.0.113.9:4444";
  const goesTo = () => {
    b.tun.waiting.push(tcp(BACK, randomBytes(random, 10)));
    return pair.leave(b)[0]!.to;
  };
  pair.arrive(b, [seal("b", PACKET, 10)]);
  assert.equal(goesTo(), pair.HOME.a);
  const forged = seal("b", PACKET, 20);
  forged[40]! ^= 4;
  pair.arrive(b, [forged], { from: ELSEWHERE });
  assert.equal(goesTo(), pair.HOME.a, "not for a forged one");
  pair.arrive(b, [seal("b", PACKET, 10)], { from: ELSEWHERE });
  assert.equal(goesTo(), pair.HOME.a, "not for a replayed one");
  pair.arrive(b, [seal("b", PACKET, 9)], { from: ELSEWHERE });
  assert.equal(goesTo(), pair.HOME.a, "not for an older one, though it is delivered");
  pair.arrive(b, [seal("b", PACKET, 11, { lane: 1 })], { from: ELSEWHERE });
  assert.equal(goesTo(), pair.HOME.a, "not for a lane with a port of its own");
  assert.deepEqual(b.events, []);
  pair.arrive(b, [seal("b", PACKET, 11)], { from: ELSEWHERE });
  assert.equal(goesTo(), ELSEWHERE);
  assert.deepEqual(b.events, [{ kind: "roamed", slot: pair.SLOT.b, endpoint: ELSEWHERE }]);
  pair.arrive(b, [seal("b", new Uint8Array(0), 1, { lane: 255 })]);
  assert.equal(goesTo(), pair.HOME.a, "a keepalive of the control lane moves it, too");
});

// ------------------------------------------------------------------------------------- the control planes

const PROBE = bytesOf(hex("30 01 00 00 00000000 0102030405060708 1112131415161718"), new Uint8Array(8));

test("a sealed probe is answered on the session, sealed, with nothing longer than the question", () => {
  for (const lane of [0, 255]) {
    const { b } = pair.sealedPair();
    const question = seal("b", PROBE, 4, { lane });
    assert.deepEqual(pair.counted(b, () => pair.arrive(b, [question])), { "probe-answered": 1 });
    const answer = PROBE.slice();
    answer[2] = 1;
    answer.set(hex("aa000100"), 4);
    assert.deepEqual(b.socket.sent.map(({ bytes }) => bytes), [seal("a", answer, 1)]);
    assert.equal(question.length, b.socket.sent[0]!.bytes.length);
  }
});

test("the answer of a probe, and whatever comes on the control lane, is handed up", () => {
  const { b } = pair.sealedPair();
  const answer = PROBE.slice();
  answer[2] = 1;
  const gossip = hex("21 c0ffee");
  pair.arrive(b, [seal("b", answer, 1), seal("b", gossip, 1, { lane: 255 })], { now: 77 });
  const common = { kind: "sessionMessage", receiveIndex: pair.indexOf("b", 1) };
  const seen = { from: pair.HOME.a, at: 77 };
  assert.deepEqual(b.events, [{ ...common, bytes: answer, ...seen }, { ...common, bytes: gossip, ...seen }]);
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, [seal("b", gossip, 1, { lane: 255 })])), {
    replay: 1,
  });
  assert.deepEqual(pair.counted(b, () => pair.arrive(b, [seal("b", gossip, 5)])), { malformed: 1 });
});

test("messages of a peer that talks too much are dropped, counted", () => {
  const { b } = pair.sealedPair();
  for (let i = 0; i < 1100; i++) b.socket.arrive(seal("b", hex("21 00"), i, { lane: 255 }), pair.HOME.a);
  while (b.dataPlane.pump("own", 1000) > 0);
  assert.equal(b.counts()["handed-up"], 1000);
  assert.equal(b.counts()["control-overload"], 100);
});

test("while a thousand datagrams wait for the control thread gossip is dropped, counted, and handshakes are not", () => {
  const { b } = pair.sealedPair();
  const backlog = new Backlog();
  Object.assign(b.dataPlane.plane, { backlog });
  const tell = (first: number, count: number) => {
    for (let i = 0; i < count; i++) {
      b.socket.arrive(seal("b", hex("21 00"), first + i, { lane: 255 }), pair.HOME.a);
    }
    while (b.dataPlane.pump("own", 10_000 + first) > 0);
    return b.counts()["control-behind"] ?? 0;
  };
  for (let i = 0; i < GOSSIP_WAITS_MAX - 10; i++) backlog.posted();
  const stranger = () => {
    b.socket.arrive(hex("20 01"), "203.0.113.9:4000");
    while (b.dataPlane.pump("own", 10_000) > 0);
  };
  Object.assign(b.dataPlane.plane, { gate: { keyed: true } });
  stranger();
  Object.assign(b.dataPlane.plane, { gate: null });
  assert.equal(b.counts()["control-behind"], 1, "who is no member leaves room to those who are");
  assert.equal(tell(0, 15), 1 + 5);
  assert.equal(backlog.waits, GOSSIP_WAITS_MAX);
  b.socket.arrive(hex("01 01"), pair.HOME.a);
  while (b.dataPlane.pump("own", 10_000) > 0);
  assert.equal(backlog.waits, GOSSIP_WAITS_MAX + 1, "a handshake goes on");
  for (const _ of b.events) backlog.handled();
  assert.equal(tell(100, 15), 1 + 5 + 5, "there is room again for ten of them");
});

test("a flood of strangers' hellos and gossip takes nothing from what members say", () => {
  const { b } = pair.sealedPair();
  const stranger = "203.0.113.9:4000";
  for (let i = 0; i < 3000; i++) b.socket.arrive(hex(i % 2 === 0 ? "03 01" : "20 01"), stranger);
  while (b.dataPlane.pump("own", 1000) > 0);
  assert.equal(b.counts()["control-overload"], 2000);
  b.events.splice(0);
  for (let i = 0; i < 100; i++) b.socket.arrive(seal("b", hex("21 00"), i, { lane: 255 }), pair.HOME.a);
  while (b.dataPlane.pump("own", 1000) > 0);
  assert.equal(b.events.filter(({ kind }) => kind === "sessionMessage").length, 100);
});

test("an IP packet on the control lane is not delivered", () => {
  const { b } = pair.sealedPair();
  pair.arrive(b, [seal("b", ipv4(pair.ENDS.v4, TCP, PACKET), 1, { lane: 255 })]);
  assert.deepEqual(b.tun.written, []);
});

test("an authenticated packet that came through the tunnel itself moves no endpoint", () => {
  const { b } = pair.sealedPair();
  pair.arrive(b, [seal("b", PACKET, 11)], { from: "10.42.1.0:8473" });
  assert.deepEqual(b.events.filter(({ kind }) => kind === "roamed"), []);
  pair.arrive(b, [seal("b", PACKET, 12)], { from: "10.43.1.0:8473" });
  assert.deepEqual(b.events, [{ kind: "roamed", slot: pair.SLOT.b, endpoint: "10.43.1.0:8473" }]);
});
