/**
 * Whole receivers under hostile datagrams: sealed gossip, both data paths and a node of a plain mesh. Every refusal is
 * counted, and no answer to a stranger is longer than what it said.
 */

import assert from "node:assert/strict";
import { GroupGossip } from "../../src/control/secrets/group_gossip.ts";
import { laneKey } from "../../src/crypto/lane.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { DATA_LEN, encodeData } from "../../src/wire/data_header.ts";
import { encodeProbe } from "../../src/wire/datagram.ts";
import { HELLO_LEN } from "../../src/wire/hello.ts";
import { identityOf } from "../made/records.ts";
import { bytesOf, tcp, udp } from "../made/packets.ts";
import * as pair from "../made/sealed_pair.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { keysOf } from "../made/network_keys.ts";
import { oneMesh, World } from "../sim/world.ts";
import { fuzz, REFUSED, tellCases } from "./campaign.ts";
import { genuineGossip } from "./genuine.ts";
import { genuineHandshakes } from "./handshake_machines.ts";
import { INPUT_MAX } from "./mutator.ts";
import { prefix } from "../../src/wire/prefix.ts";

const KEYS = keysOf("secret");

{
  const sender = new GroupGossip([KEYS], identityOf(1).id, new SeededRandom(3));
  const messages = genuineGossip([], []).map((message) => sender.seal(1, message)!);
  fuzz({
    name: "sealed gossip",
    genuine: messages,
    start: () => {
      const receiver = new GroupGossip([KEYS], identityOf(2).id, new SeededRandom(4));
      const sealed = new Set(messages.map(toHex));
      return (b) => {
        const opened = receiver.open(b, (id) => id === identityOf(1).id ? 1 : null);
        if (opened === null) return null;
        assert.ok(sealed.delete(toHex(b)), "a seal holds for other bytes, or twice");
        return opened.gossip.length;
      };
    },
  });
}

const PAYLOAD = new Uint8Array(100).fill(7);
const INNER = [pair.ENDS.v4, pair.ENDS.v6].flatMap((ends) => [tcp(ends, PAYLOAD), udp(ends, PAYLOAD)]);

const PEER_KEY = laneKey(pair.rootOf("a", 1), 0);
const TAG_LEN = 16;
const sealing = new Uint8Array(new ArrayBuffer(DATA_LEN + INPUT_MAX + TAG_LEN));
const aead = pair.AEAD.key("aes-256-gcm", PEER_KEY, sealing);

/** The datagram in which the peer would send this. */
function sealFor(payload: Uint8Array, counter: number, flags: number): Uint8Array {
  encodeData(sealing, 0, flags, 0, pair.indexOf("b", 1), counter);
  sealing.set(payload, DATA_LEN);
  aead.seal(sealing, 0, DATA_LEN, payload.length, DATA_LEN);
  return sealing.slice(0, DATA_LEN + payload.length + TAG_LEN);
}

/** Lets one datagram arrive, and what the counters say of it: exactly one thing happened. */
function arrived(end: pair.End, datagram: Uint8Array, now: number): string {
  const what = pair.changed(end, () => pair.arrive(end, [datagram], { now })).join();
  assert.ok(what !== "", "neither taken nor counted as refused");
  const bytes = end.socket.sent.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(bytes <= Math.max(datagram.length, 1280 + 64), `${bytes} bytes in answer`);
  end.socket.sent.length = end.events.length = end.tun.written.length = 0;
  return what;
}

const TAKEN = /delivered|handed-up|answered|keepalive|icmp-sent/;

{
  const handshakes = genuineHandshakes();
  const probe = new Uint8Array(32);
  encodeProbe(probe, 0, 7, 1, 2, 3);
  fuzz({
    name: "data plane",
    genuine: [
      ...INNER.map((packet, i) => sealFor(packet, 10 + i, 0)),
      probe,
      handshakes[0]!,
      handshakes.at(-1)!,
    ],
    start: () => {
      const { b: end } = pair.sealedPair();
      let now = 1000;
      return (b) => {
        if (b.length === 0) return null;
        const what = arrived(end, b, now += 5);
        return TAKEN.test(what) ? `${what} ${b[0]}` : REFUSED + what;
      };
    },
  });
}

fuzz({
  name: "packets of a sealed peer",
  genuine: INNER.map((packet) => bytesOf([0], packet)),
  start: () => {
    const { b: end } = pair.sealedPair();
    let now = 1000, counter = 100;
    return (b) => {
      if (b.length === 0) return null;
      const flags = b[0]! & 0x0c;
      const what = arrived(end, sealFor(b.subarray(1), counter++, flags), now += 5);
      return TAKEN.test(what) ? `${what} ${flags}` : REFUSED + what;
    };
  },
});

/** Two nodes of a plain mesh that have been together for five seconds, and what one sent in that time. */
function plainMesh() {
  const world = new World(5);
  const a = world.add("a", ["b"], { network: prefix("10.42.0.0/16") });
  const b = world.add("b", ["a"], { network: prefix("10.42.0.0/16") });
  const sent: Uint8Array[] = [];
  world.onAction = (node, action) => {
    if (node === a && action.kind === "send" && sent.length < 200) sent.push(action.bytes.slice());
  };
  world.start(a);
  world.start(b);
  assert.ok(world.runUntil(() => oneMesh(world), 30_000));
  world.run(5000);
  return { a, b, sent, now: world.clock.now() };
}

fuzz({
  name: "node of a plain mesh",
  genuine: plainMesh().sent,
  start: () => {
    const mesh = plainMesh();
    const { a, b } = mesh;
    let now = mesh.now, n = 0;
    return (input) => {
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
    };
  },
});

tellCases();
