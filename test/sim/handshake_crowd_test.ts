import { test } from "node:test";
import assert from "node:assert/strict";
import { Targets } from "../../src/control/links/targets.ts";
import { nodeHmac } from "../../src/crypto/handshake_mac.ts";
import { identityFromSeeds } from "../../src/crypto/identity.ts";
import { HandshakeGate } from "../../src/dataplane/tables/handshake_gate.ts";
import { REPLY_LEN } from "../../src/wire/handshake.ts";
import { LossyNetwork } from "../fakes/lossy_network.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { handshakesOf, nodeOf } from "../made/handshakes.ts";
import { keysOf } from "../made/network_keys.ts";

const KEYS = keysOf("secret");
const PEERS = 1000;
const SERVER = "10.0.0.1:8473";

test("A thousand peers that begin at once with one node have their sessions within ten seconds", () => {
  const random = new SeededRandom(7);
  const network = new LossyNetwork(random, { latency: [0.5, 3] });
  const host = (endpoint: string) => {
    const identity = identityFromSeeds(random.bytes(32), random.bytes(32));
    const { actions, machine } = handshakesOf(nodeOf(identity, KEYS), KEYS, random);
    const gate = new HandshakeGate(nodeHmac, random);
    gate.setKeys([KEYS.macKey]);
    const targets = new Targets(random);
    const target = targets.obtain(SERVER, 0)!;
    return { endpoint, actions, gate, machine, targets, target, sessions: 0 };
  };
  const server = host(SERVER);
  const peers = Array.from({ length: PEERS }, (_, i) => host(`10.1.${i >> 8}.${i & 255}:8473`));
  const byEndpoint = new Map([server, ...peers].map((h) => [h.endpoint, h]));
  const flush = (h: typeof server, now: number) => {
    for (const a of h.actions.drain()) if (a.kind === "send") network.send(now, h.endpoint, a.to, a.bytes);
  };
  let now = 0;
  for (; now < 10_000 && server.sessions < PEERS; now += 20) {
    for (const peer of peers) {
      if (peer.sessions > 0 || peer.target.nextAt > now) continue;
      peer.machine.begin(SERVER, null, now);
      peer.targets.tried(peer.target, { steady: true, minMs: 0, maxMs: 5000, punches: null }, now); // as a joiner does: every half second at first
      flush(peer, now);
    }
    while (network.nextArrival() <= now + 20) {
      const { at, from, to, bytes } = network.take()!;
      const h = byEndpoint.get(to)!;
      const verdict = h.gate.check(bytes, 0, bytes.length, () => from, at);
      if (verdict === "cookie") network.send(at, to, from, bytes.slice(0, REPLY_LEN));
      if (verdict !== "pass") continue;
      for (const event of h.machine.receive(bytes, from, at)) if (event.kind === "session") h.sessions++;
      flush(h, at);
    }
    server.machine.tick(now);
  }
  assert.ok(server.sessions >= PEERS, `${server.sessions} sessions after ${now} ms`);
  assert.ok(peers.every((peer) => peer.sessions > 0));
  console.log(
    `figure: 1000 handshakes with one node at once, by the gate's limits: ${now} ms of simulated time`,
  );
});
