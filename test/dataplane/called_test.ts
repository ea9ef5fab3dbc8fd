/**
 * Which of our addresses things leave from: the one that the peer calls. Told by the control plane, followed by what is
 * authenticated, answered by the Worker itself; and what happens when that address is gone.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { nodeHmac, stampHandshake } from "../../src/crypto/handshake_mac.ts";
import { Counters } from "../../src/dataplane/tables/counters.ts";
import { DataPlane } from "../../src/dataplane/dataplane.ts";
import { GATE_LIMITS } from "../../src/dataplane/tables/handshake_gate.ts";
import { socketSlots } from "../../src/dataplane/packet/packet_memory.ts";
import type { LocalEnd } from "../../src/ports/devices.ts";
import type { DataplaneEvent } from "../../src/ports/planes.ts";
import { encodeProbe, PROBE_LEN } from "../../src/wire/datagram.ts";
import { encodeHandshake, XX1 } from "../../src/wire/handshake.ts";
import { MemorySocket } from "../fakes/memory_socket.ts";
import { MemoryTun } from "../fakes/memory_tun.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import * as fix from "../made/plane.ts";
import { udp } from "../made/packets.ts";
import * as pair from "../made/sealed_pair.ts";

const X = "192.168.1.50";
const Y = "2001:db8::7";
const random = new SeededRandom(5);
const OUT = udp(["10.42.1.5", "10.42.2.9"], new Uint8Array(20));

/** Datagrams that `from` sends on its session, each with a greater counter than all before. */
function sealedBy(from: pair.End, count: number): Uint8Array[] {
  from.socket.sent.length = 0;
  for (let i = 0; i < count; i++) {
    from.tun.waiting.push(OUT);
    from.dataPlane.pump("tun", 1000);
  }
  return from.socket.sent.map(({ bytes }) => bytes);
}

/** What b's next datagram leaves from. */
function leavesFrom(b: pair.End): string | undefined {
  b.socket.sent.length = 0;
  b.tun.waiting.push(udp(["10.42.2.9", "10.42.1.5"], new Uint8Array(20)));
  b.dataPlane.pump("tun", 1000);
  return b.socket.sent[0]!.local;
}

test("what is authenticated and newer moves our own end of the path, once a second, and tells of it", () => {
  const { a, b } = pair.sealedPair();
  const datagrams = sealedBy(a, 5);
  const takeIn = (n: number, to: string, now: number, change = 0) => {
    const bytes = datagrams[n]!.slice();
    bytes[30]! ^= change;
    b.socket.arrive(bytes, pair.HOME.a, bytes.length, to);
    b.dataPlane.pump("own", now);
  };
  takeIn(0, X, 1000, 1);
  assert.equal(leavesFrom(b), undefined, "not for a forged one");
  takeIn(0, X, 1000);
  assert.equal(leavesFrom(b), X);
  takeIn(2, Y, 1500);
  assert.equal(leavesFrom(b), X, "two ends that follow each other must not chase each other");
  takeIn(1, Y, 2500);
  assert.equal(leavesFrom(b), X, "not for an older one");
  takeIn(3, Y, 2500);
  assert.equal(leavesFrom(b), Y);
  const endpoint = pair.HOME.a;
  assert.deepEqual(b.events, [
    { kind: "roamed", slot: pair.SLOT.b, endpoint, to: X },
    { kind: "roamed", slot: pair.SLOT.b, endpoint, to: Y },
  ]);
});

test("setPeer says what packets leave from: pinned, or what the kernel chooses; the same address is then no news", () => {
  const { a, b } = pair.sealedPair();
  const tunnel = {
    encapsulation: "sealed",
    endpoint: pair.HOME.a,
    ownPort: pair.HOME.a,
    mtu: 1400,
    sendIndex: 0,
    receiveIndex: 0,
    vni: 0,
    mac: "",
  } as const;
  const set = (local: LocalEnd) =>
    b.dataPlane.apply({ kind: "setPeer", slot: pair.SLOT.b, tunnel: { ...tunnel, local } });
  set({ address: X, pinned: true });
  assert.equal(leavesFrom(b), X);
  set({ address: X, pinned: false });
  assert.equal(leavesFrom(b), undefined);
  const [bytes] = sealedBy(a, 1);
  b.socket.arrive(bytes!, pair.HOME.a, bytes!.length, X);
  b.dataPlane.pump("own", 9000);
  assert.deepEqual(b.events, []);
  assert.equal(leavesFrom(b), undefined);
});

test("a source that is gone costs no packet: it is dropped, counted and told", () => {
  const { a, b } = pair.sealedPair();
  const [bytes] = sealedBy(a, 1);
  b.socket.arrive(bytes!, pair.HOME.a, bytes!.length, X);
  b.dataPlane.pump("own", 1000);
  b.events.length = 0;
  b.socket.gone.add(X);
  assert.equal(leavesFrom(b), undefined);
  assert.deepEqual(b.events, [{ kind: "sourceGone", slot: pair.SLOT.b }]);
  assert.equal(b.counts()["source-gone"], 1);
  assert.equal(b.counts()["send-failed"], undefined);
});

test("a source that was gone counts again once the peer calls us by it", () => {
  const { a, b } = pair.sealedPair();
  const call = (now: number) => {
    const [bytes] = sealedBy(a, 1);
    b.socket.arrive(bytes!, pair.HOME.a, bytes!.length, X);
    b.dataPlane.pump("own", now);
  };
  call(1000);
  b.socket.gone.add(X);
  assert.equal(leavesFrom(b), undefined);
  b.socket.gone.clear();
  assert.equal(leavesFrom(b), undefined, "nobody has called");
  call(3000);
  assert.equal(leavesFrom(b), X);
});

test("a plain probe and a VXLAN frame are answered from the address that was called", () => {
  const f = fix.fixture();
  const probe = new Uint8Array(PROBE_LEN);
  encodeProbe(probe, 0, fix.RECEIVE_INDEX, 1, 2, 3);
  f.sockets.own.arrive(probe, fix.ENDPOINTS[0], probe.length, X);
  f.dataPlane.pump("own", 1000);
  assert.deepEqual(f.sockets.own.sent.map(({ to, local }) => [to, local]), [[fix.ENDPOINTS[0], X]]);
});

test("what is handed up says which address it was sent to, and a cookie leaves from there", () => {
  const events: DataplaneEvent[] = [];
  let socket: MemorySocket | undefined;
  const dataPlane = new DataPlane(
    {
      tun: (_fd, pool) => new MemoryTun(pool),
      socket: (_opened, role, pool) => socket = new MemorySocket(pool, socketSlots(role)),
      watch: () => {},
      unwatch: () => {},
      gate: { hmac: nodeHmac, random },
    },
    { counters: new Counters(), handUp: (event) => events.push(event) },
  );
  dataPlane.apply({ kind: "attachSocket", role: "own", family: 6, sockets: [{ fd: 1, sendFd: 1 }] });
  const key = new Uint8Array(32).fill(1);
  dataPlane.apply({ kind: "setGate", macKeys: [key.slice()] });
  const ask = (sender: number, good = key) => {
    const fields = { message: XX1, sender: sender * 256, receiver: 0, keyId: 1, noise: random.bytes(48) };
    const bytes = encodeHandshake(fields);
    stampHandshake(nodeHmac, good, bytes, null);
    socket!.arrive(bytes, "10.99.0.1:4000", bytes.length, X);
    dataPlane.pump("own", 1000);
  };
  ask(1, new Uint8Array(32));
  for (let i = 2; i <= GATE_LIMITS.calm + 4; i++) ask(i);
  assert.ok(events.length > 2 && events.every((event) => "to" in event && event.to === X));
  assert.deepEqual([...new Set(events.map(({ kind }) => kind))], ["badMac", "datagram"]);
  assert.ok(socket!.sent.length > 0, "cookies are demanded by now");
  assert.ok(socket!.sent.every(({ to, local }) => to === "10.99.0.1:4000" && local === X));
});

test("a refusal of the kernel is told with whom it was for and the errno", () => {
  const { a } = pair.sealedPair();
  a.socket.refuseNext = 1;
  a.socket.refuseErrno = 1;
  a.tun.waiting.push(OUT);
  a.dataPlane.pump("tun", 1000);
  assert.deepEqual(a.events, [{ kind: "sendRefused", slot: pair.SLOT.a, errno: 1 }]);
});
