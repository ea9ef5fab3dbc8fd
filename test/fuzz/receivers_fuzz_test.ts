// Whole receivers under hostile datagrams: the gate, the handshakes, sealed gossip, both data paths and a node of a plain
// mesh. Every refusal is counted, and no answer to a stranger is longer than what it said.

import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import type { Action } from "../../src/control/events.ts";
import { GroupGossip } from "../../src/control/group_gossip.ts";
import { Outbox } from "../../src/control/outbox.ts";
import { stampHandshake, stampReply } from "../../src/crypto/handshake_mac.ts";
import { nodeHmac } from "../../src/crypto/hmac.ts";
import { laneKey } from "../../src/crypto/lane_keys.ts";
import { HandshakeGate } from "../../src/dataplane/handshake_gate.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { encodeData } from "../../src/wire/data_header.ts";
import { encodeProbe } from "../../src/wire/datagram.ts";
import { isReply, REPLY_LEN } from "../../src/wire/handshake.ts";
import { HELLO_LEN } from "../../src/wire/hello.ts";
import { handshakesOf } from "../control/made_handshakes.ts";
import { identityOf } from "../control/made_records.ts";
import { bytesOf, tcp, udp } from "../dataplane/packets.ts";
import * as pair from "../dataplane/sealed_pair.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { keysOf } from "../sim/sealed.ts";
import { oneMesh, World } from "../sim/world.ts";
import { fuzz, tellCases } from "./campaign.ts";
import { genuineGossip } from "./genuine.ts";

const KEYS = keysOf("secret");
const A = "10.0.0.1:8473", B = "10.0.0.2:8473";

function machineOf(seed: number) {
  return handshakesOf(identityOf(seed), KEYS, new SeededRandom(seed));
}

function sends(out: Outbox): (Action & { kind: "send" })[] {
  return out.drain().filter((action) => action.kind === "send");
}

/** All messages of both patterns between two nodes, as they went. */
function genuineHandshakes(): Uint8Array[] {
  const [a, b] = [machineOf(1), machineOf(2)];
  const all: Uint8Array[] = [];
  const known = { id: b.record.id, staticKey: fromHex(b.record.staticKey)! };
  for (const peer of [null, known]) {
    a.machine.begin(B, peer, 0);
    for (let i = 0; i < 4; i++) {
      for (const { to, bytes } of [...sends(a.out), ...sends(b.out)]) {
        all.push(bytes.slice());
        (to === B ? b : a).machine.receive(bytes, to === B ? A : B, 0);
      }
    }
  }
  b.machine.refuse(A, all[0]!, 2);
  return [...all, ...sends(b.out).map(({ bytes }) => bytes)];
}

const HANDSHAKES = genuineHandshakes();

{
  const { machine, out } = machineOf(2);
  let now = 0;
  fuzz({
    name: "handshakes",
    genuine: HANDSHAKES,
    longCases: 100_000,
    run: (b) => {
      now += 20;
      if (now % 400 === 0) machine.begin(B, null, now); // something is always under way
      machine.tick(now);
      out.drain();
      const before = out.rejected;
      const events = machine.receive(b, A, now);
      const sent = sends(out);
      const told = events.map(({ kind }) => kind).join();
      assert.ok(sent.length <= 1 && sent.every(({ bytes }) => bytes.length <= b.length));
      if (sent.length === 0 && told === "") assert.equal(out.rejected, before + 1, "refused and not counted");
      return sent.length === 0 && told === "" ? null : `${told} ${sent.length}`;
    },
  });
}

{
  const gate = new HandshakeGate(nodeHmac, new SeededRandom(1));
  gate.setKeys([KEYS.macKey]);
  let n = 0;
  fuzz({
    name: "handshake gate",
    genuine: HANDSHAKES,
    run: (b) => {
      const from = `10.${n & 255}.0.1:${1000 + (n & 7)}`;
      n++;
      // As a member would make it, half of the time: what lies behind the MAC is reached.
      if (n % 2 === 0 && b.length >= REPLY_LEN) {
        if (isReply(b, 0, b.length)) stampReply(nodeHmac, KEYS.macKey, b, 0);
        else stampHandshake(nodeHmac, KEYS.macKey, b, null);
      }
      const before = b.slice();
      const verdict = gate.check(b, 0, b.length, () => from, n * 10);
      if (verdict === "cookie") assert.ok(isReply(b, 0, REPLY_LEN));
      else assert.deepEqual(b, before, "only a cookie is written where the question lay");
      return verdict === "pass" || verdict === "cookie" || verdict === "replay" ? verdict : null;
    },
  });
}

{
  const sender = new GroupGossip([KEYS], identityOf(1).id, new SeededRandom(3));
  const receiver = new GroupGossip([KEYS], identityOf(2).id, new SeededRandom(4));
  const messages = genuineGossip([], []).map((message) => sender.seal(1, message)!);
  const sealed = new Set(messages.map(toHex));
  fuzz({
    name: "sealed gossip",
    genuine: messages,
    run: (b) => {
      const opened = receiver.open(b, (id) => id === identityOf(1).id ? 1 : null);
      if (opened === null) return null;
      assert.ok(sealed.delete(toHex(b)), "a seal holds for other bytes, or twice");
      return opened.gossip.length;
    },
  });
}

const PAYLOAD = new Uint8Array(100).fill(7);
const INNER = [pair.ENDS.v4, pair.ENDS.v6].flatMap((ends) => [tcp(ends, PAYLOAD), udp(ends, PAYLOAD)]);

const PEER_KEY = laneKey(pair.rootOf("a", 1), 0);

/** By node:crypto, for the reference of the other tests takes a millisecond a packet. */
function sealFor(payload: Uint8Array, counter: number, flags: number): Uint8Array {
  const header = new Uint8Array(16);
  encodeData(header, 0, flags, 0, pair.indexOf("b", 1), counter);
  const cipher = createCipheriv("aes-256-gcm", PEER_KEY, bytesOf(new Uint8Array(4), header.slice(8)));
  cipher.setAAD(header);
  return bytesOf(header, cipher.update(payload), cipher.final(), cipher.getAuthTag());
}

/** Lets one datagram arrive, and what the counters say of it: exactly one thing happened. */
function arrived(end: pair.End, datagram: Uint8Array, now: number): string {
  const counts = pair.counted(end, () => pair.arrive(end, [datagram], { now }));
  const names = Object.keys(counts);
  assert.ok(names.length > 0, "neither taken nor counted as refused");
  const bytes = end.socket.sent.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(bytes <= Math.max(datagram.length, 1280 + 64), `${bytes} bytes in answer`);
  end.socket.sent.length = end.events.length = end.tun.written.length = 0;
  return names.join();
}

const TAKEN = /delivered|handed-up|answered|keepalive|icmp-sent/;

{
  const { b: end } = pair.sealedPair();
  const probe = new Uint8Array(32);
  encodeProbe(probe, 0, 7, 1, 2, 3);
  let now = 1000;
  fuzz({
    name: "data plane",
    genuine: [
      ...INNER.map((packet, i) => sealFor(packet, 10 + i, 0)),
      probe,
      HANDSHAKES[0]!,
      HANDSHAKES.at(-1)!,
    ],
    run: (b) => {
      if (b.length === 0) return null;
      const what = arrived(end, b, now += 5);
      return TAKEN.test(what) ? `${what} ${b[0]}` : null;
    },
  });
}

{
  const { b: end } = pair.sealedPair();
  let now = 1000, counter = 100;
  fuzz({
    name: "packets of a sealed peer",
    genuine: INNER.map((packet) => bytesOf([0], packet)),
    run: (b) => {
      if (b.length === 0) return null;
      const what = arrived(end, sealFor(b.slice(1), counter++, b[0]! & 0x0c), now += 5);
      return TAKEN.test(what) ? `${what} ${b[0]! & 0x0c}` : null;
    },
  });
}

{
  const world = new World(5);
  const a = world.add("a", ["b"], { network: "10.42.0.0/16" });
  const b = world.add("b", ["a"], { network: "10.42.0.0/16" });
  const genuine: Uint8Array[] = [];
  world.onAction = (node, action) => {
    if (node === a && action.kind === "send" && genuine.length < 200) genuine.push(action.bytes.slice());
  };
  world.start(a);
  world.start(b);
  assert.ok(world.runUntil(() => oneMesh(world), 30_000));
  world.run(5000);
  let now = world.clock.now(), n = 0;
  fuzz({
    name: "node of a plain mesh",
    genuine,
    longCases: 250_000,
    run: (input) => {
      now += 5;
      const stranger = n++ % 4 === 0;
      const from = stranger ? `10.9.0.${n & 127}:5000` : a.endpoint;
      const actions = b.plane!.handle({ kind: "datagram", bytes: input, from, at: now }, now);
      let bytes = 0;
      for (const action of actions) {
        assert.ok(action.kind !== "refuse" && action.kind !== "released", JSON.stringify(action));
        if (action.kind === "send" && action.to === from) bytes += action.bytes.length;
      }
      // Besides, once a second, a hello to whoever shows an index that only the receiver of a hello can know.
      if (stranger) {
        assert.ok(bytes <= Math.max(input.length, HELLO_LEN), `${bytes} bytes in answer to ${input.length}`);
      }
      if (n % 20 === 0) b.plane!.handle({ kind: "tick" }, now);
      return actions.length === 0 ? null : actions.map(({ kind }) => kind).join();
    },
  });
}

tellCases();
