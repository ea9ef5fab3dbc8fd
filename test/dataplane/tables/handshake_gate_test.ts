import { test } from "node:test";
import assert from "node:assert/strict";
import { nodeHmac, openCookie, stampHandshake } from "../../../src/crypto/handshake_mac.ts";
import { Counters } from "../../../src/dataplane/tables/counters.ts";
import { DataPlane } from "../../../src/dataplane/dataplane.ts";
import {
  GATE_LIMITS,
  type GateVerdict,
  HandshakeGate,
} from "../../../src/dataplane/tables/handshake_gate.ts";
import { mailboxMemory, MailboxReader, MailboxWriter } from "../../../src/dataplane/mailbox.ts";
import { socketSlots } from "../../../src/dataplane/packet/packet_memory.ts";
import type { DataplaneEvent } from "../../../src/ports/planes.ts";
import { encodeHandshake, IK1, IK2, REPLY_LEN, XX1, XX2, XX3 } from "../../../src/wire/handshake.ts";
import { libcryptoHmac } from "../../../src/sys/libcrypto_hmac.ts";
import { MemorySocket } from "../../fakes/memory_socket.ts";
import { MemoryTun } from "../../fakes/memory_tun.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";

const KEY = new Uint8Array(32).fill(1);
const OLD_KEY = new Uint8Array(32).fill(2);
const A = "192.168.1.2:8473";

let made = 0;

/** A handshake datagram unlike all before, as a member of the network makes it. */
function handshake(message = IK1, cookie: Uint8Array | null = null, key = KEY): Uint8Array {
  const noise = new Uint8Array(100);
  new DataView(noise.buffer).setUint32(0, ++made);
  const b = encodeHandshake({ message, sender: 0x100, receiver: 0, keyId: 1, noise });
  stampHandshake(nodeHmac, key, b, cookie);
  return b;
}

function gateOf(limits = {}): HandshakeGate {
  const gate = new HandshakeGate(nodeHmac, new SeededRandom(1), { ...GATE_LIMITS, ...limits });
  gate.setKeys([KEY, OLD_KEY]);
  return gate;
}

function check(gate: HandshakeGate, b: Uint8Array, from = A, now = 1000): GateVerdict {
  return gate.check(b, 0, b.length, () => from, now);
}

/** What the gate hands out for this datagram under load. */
function cookieFor(gate: HandshakeGate, b: Uint8Array, from: string, now = 1000): Uint8Array {
  const mac = b.slice(-32, -16);
  assert.equal(check(gate, b, from, now), "cookie");
  return openCookie(nodeHmac, KEY, b.slice(0, REPLY_LEN), mac)!;
}

/** Makes the gate busy with handshakes of its own. */
function load(gate: HandshakeGate, now = 1000): void {
  while (!gate.busy(now)) check(gate, handshake(), "10.9.9.9:1", now);
}

test("HandshakeGate lets pass what bears the MAC of one of its keys, and nothing else", () => {
  const gate = gateOf();
  assert.equal(check(gate, handshake()), "pass");
  assert.equal(check(gate, handshake(XX3, null, OLD_KEY)), "pass");
  assert.equal(check(gate, handshake(IK1, null, new Uint8Array(32).fill(3))), "bad-mac");
  const good = handshake();
  for (let at = 0; at < good.length - 16; at++) {
    const bad = good.slice();
    bad[at] = bad[at]! ^ 1;
    assert.notEqual(check(gate, bad), "pass", `byte ${at}`);
  }
  for (let n = 0; n < good.length; n++) assert.notEqual(check(gate, good.slice(0, n)), "pass");
  assert.equal(check(gate, good), "pass");
});

test("HandshakeGate without keys lets handshakes pass, to be refused by name", () => {
  const gate = new HandshakeGate(nodeHmac, new SeededRandom(1));
  assert.equal(check(gate, handshake()), "pass");
});

test("setKeys() zeroes the keys that were before, once they count no more", () => {
  const used = new Set<Uint8Array>();
  const hmac = {
    ...nodeHmac,
    digest: (...call: Parameters<typeof nodeHmac.digest>) => {
      used.add(call[0]);
      nodeHmac.digest(...call);
    },
  };
  const gate = new HandshakeGate(hmac, new SeededRandom(1));
  gate.setKeys([KEY, OLD_KEY]);
  assert.equal(check(gate, handshake(XX3, null, OLD_KEY)), "pass");
  assert.equal(used.size, 2);
  gate.setKeys([KEY]);
  for (const key of used) assert.deepEqual(key, new Uint8Array(32));
  assert.equal(check(gate, handshake(XX3, null, OLD_KEY)), "bad-mac");
  assert.equal(check(gate, handshake()), "pass");
});

test("HandshakeGate lets nothing pass twice", () => {
  const gate = gateOf();
  for (const message of [XX1, XX2, XX3, IK1, IK2]) {
    const b = handshake(message);
    assert.equal(check(gate, b.slice()), "pass");
    assert.equal(check(gate, b.slice()), "replay");
  }
});

test("HandshakeGate demands a cookie under load, and takes it from that address and port alone", () => {
  const gate = gateOf();
  load(gate);
  const cookie = cookieFor(gate, handshake(), A);
  assert.equal(check(gate, handshake(IK1, cookie), A), "pass");
  assert.equal(check(gate, handshake(XX3, cookie), A), "pass");
  for (const other of ["192.168.1.2:8474", "192.168.1.3:8473"]) {
    assert.equal(check(gate, handshake(IK1, cookie), other), "cookie");
  }
  const wrong = cookie.slice();
  wrong[0] = wrong[0]! ^ 1;
  assert.equal(check(gate, handshake(IK1, wrong), A), "cookie");
});

test("HandshakeGate asks no cookie for answers to our own handshakes", () => {
  const gate = gateOf();
  load(gate);
  assert.equal(check(gate, handshake(XX2)), "pass");
  assert.equal(check(gate, handshake(IK2)), "pass");
});

test("A cookie outlives one change of the secret, and not two", () => {
  const gate = gateOf();
  load(gate);
  const cookie = cookieFor(gate, handshake(), A);
  load(gate, 130_000);
  cookieFor(gate, handshake(), "10.0.0.1:1", 130_000); // the secret changes
  assert.equal(check(gate, handshake(IK1, cookie), A, 130_000), "pass");
  load(gate, 260_000);
  cookieFor(gate, handshake(), "10.0.0.1:1", 260_000);
  assert.equal(check(gate, handshake(IK1, cookie), A, 260_000), "cookie");
});

test("The reply with a cookie hides it from whoever only listens, and answers one question only", () => {
  const gate = gateOf();
  load(gate);
  const [first, second] = [handshake(), handshake()];
  const mac = first.slice(-32, -16);
  const cookie = cookieFor(gate, first, A);
  const again = cookieFor(gate, second, A);
  assert.deepEqual(again, cookie);
  const reply = first.slice(0, REPLY_LEN);
  assert.notDeepEqual(reply.slice(32, 48), second.slice(32, 48));
  assert.equal(openCookie(nodeHmac, KEY, reply, second.slice(-32, -16)), null);
  assert.equal(openCookie(nodeHmac, OLD_KEY, reply, mac), null);
  for (let at = 0; at < REPLY_LEN; at++) {
    const bad = reply.slice();
    bad[at] = bad[at]! ^ 1;
    assert.equal(openCookie(nodeHmac, KEY, bad, mac), null, `byte ${at}`);
  }
});

test("A flood without cookies lets at most 200 handshakes a second pass, and takes nothing from a peer with one", () => {
  const gate = gateOf();
  const counts = { pass: 0, cookie: 0, overload: 0 } as Record<GateVerdict, number>;
  let cookie: Uint8Array | null = null;
  let peer = 0;
  for (let i = 0; i < 4000; i++) { // 4,000 in a second
    const now = 1000 + i / 4;
    const from = `10.${i % 250}.${i % 17}.7:${1000 + i}`;
    const verdict = check(gate, handshake(), from, now);
    counts[verdict] = (counts[verdict] ?? 0) + 1;
    if (i % 200 !== 100) continue;
    const mine = handshake(IK1, cookie);
    const mac = mine.slice(-32, -16);
    const what = check(gate, mine, A, now);
    if (what === "cookie") cookie = openCookie(nodeHmac, KEY, mine.slice(0, REPLY_LEN), mac);
    if (what === "pass") peer++;
  }
  assert.ok(counts["pass"]! <= 200, `${counts["pass"]} passed`);
  assert.ok(counts["cookie"]! <= 2001, `${counts["cookie"]} cookies`);
  assert.equal(peer, 19, "all after the first");
});

test("One address with cookies cannot take the whole rate", () => {
  const gate = gateOf();
  load(gate);
  const greedy = "10.0.0.1:5";
  const cookie = cookieFor(gate, handshake(), greedy);
  let passed = 0;
  for (let i = 0; i < 500; i++) if (check(gate, handshake(IK1, cookie), greedy) === "pass") passed++;
  assert.equal(passed, GATE_LIMITS.perAddress);
  const mine = cookieFor(gate, handshake(), A);
  assert.equal(check(gate, handshake(IK1, mine), A), "pass");
});

test("The data plane hands up what passes, answers with cookies, reports wrong MACs rarely, and counts each", () => {
  const counters = new Counters();
  const events: DataplaneEvent[] = [];
  let socket: MemorySocket | undefined;
  const dataPlane = new DataPlane({
    tun: (_fd, pool) => new MemoryTun(pool),
    socket: (_opened, role, pool) => socket = new MemorySocket(pool, socketSlots(role)),
    watch: () => {},
    unwatch: () => {},
    gate: { hmac: nodeHmac, random: new SeededRandom(2) },
  }, { counters, handUp: (event) => events.push(event) });
  dataPlane.apply({ kind: "attachSocket", role: "own", family: 6, sockets: [{ fd: 1, sendFd: 1 }] });
  const memory = mailboxMemory();
  const epoch = new MailboxWriter(memory, () => {}).post({ kind: "setGate", macKeys: [KEY] });
  let told: Uint8Array | null = null;
  new MailboxReader(memory).drain((message) => {
    if (message.kind === "setGate") told = message.macKeys[0]!;
    dataPlane.apply(message);
  });
  assert.equal(epoch, 1);
  assert.deepEqual(told, new Uint8Array(32), "wiped");
  for (let i = 0; i < 50; i++) socket!.arrive(handshake(IK1, null, OLD_KEY), A);
  dataPlane.pump("own", 1000);
  assert.equal(counters.drops()["bad-mac"], 50);
  assert.equal(events.filter((event) => event.kind === "badMac").length, 5);
  for (let i = 0; i < 60; i++) socket!.arrive(handshake(), A);
  dataPlane.pump("own", 2000);
  assert.equal(events.filter((event) => event.kind === "datagram").length, 50);
  assert.equal(counters.events()["cookie-sent"], 10);
  assert.deepEqual(socket!.sent.map(({ to, bytes }) => `${to} ${bytes.length}`), Array(10).fill(`${A} 64`));
});

test("HandshakeGate answers where the question lay, in the middle of packet memory", () => {
  for (const hmac of [nodeHmac, libcryptoHmac() ?? nodeHmac]) {
    const gate = new HandshakeGate(hmac, new SeededRandom(1), GATE_LIMITS);
    gate.setKeys([KEY]);
    load(gate);
    const at = 4096;
    const question = handshake(XX1);
    const memory = new Uint8Array(new ArrayBuffer(8192));
    memory.set(question, at);
    assert.equal(gate.check(memory, at, at + question.length, () => A, 1000), "cookie");
    const reply = memory.slice(at, at + REPLY_LEN);
    const cookie = openCookie(nodeHmac, KEY, reply, question.slice(-32, -16));
    assert.ok(cookie !== null, "its MAC is right");
    stampHandshake(nodeHmac, KEY, question, cookie);
    assert.equal(check(gate, question), "pass");
  }
});

test("A flood of what was heard before is all replays, and makes nobody show a cookie", () => {
  const gate = gateOf();
  const heard = handshake(XX1);
  assert.equal(check(gate, heard), "pass");
  for (let i = 0; i < 1000; i++) assert.equal(check(gate, heard, `198.18.0.1:${i + 1}`), "replay");
  assert.ok(!gate.busy(1000));
  assert.equal(check(gate, handshake(), A), "pass");
});
