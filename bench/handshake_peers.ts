/**
 * Peers that begin with one node at the same moment, for bench/handshakes.ts: real machines, keys and sockets. Prints how
 * long it took until all had their sessions, on both sides. Arguments: the file of the secret, the node's address, how many.
 */
import { Buffer } from "node:buffer";
import { createCipheriv, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import process from "node:process";
import type { NewSession } from "../src/control/handshake/pending.ts";
import { Targets } from "../src/control/links/targets.ts";
import { identityFromSeeds } from "../src/crypto/identity.ts";
import { laneKey } from "../src/crypto/lane.ts";
import { NetworkSecret } from "../src/crypto/network_secret.ts";
import { DATA_LEN, encodeData, isData } from "../src/wire/data_header.ts";
import { encodeProbe, PROBE_LEN } from "../src/wire/datagram.ts";
import { handshakesOf, nodeOf } from "../test/made/handshakes.ts";

const [secretFile, node, count] = process.argv.slice(2) as [string, string, string];
const SERVER = `${node}:8473`;
const GIVE_UP_MS = 30_000;
const PROBE_MS = 250;
const keys = NetworkSecret.parse(readFileSync(secretFile, "utf8"), "ovltun").keys("ovltun");
const random = {
  bytes: (length: number) => new Uint8Array(randomBytes(length)),
  below: (limit: number) => Math.floor(Math.random() * limit),
  next: () => Math.random(),
};

const peers = await Promise.all(Array.from({ length: Number(count) }, (_, i) => peerOf(i)));
const began = performance.now();
const timer = setInterval(() => {
  const now = performance.now() - began;
  for (const peer of peers) peer.step(now);
  const made = peers.filter((peer) => peer.madeAt >= 0).length;
  const upAt = peers.map((peer) => peer.upAt);
  const up = upAt.filter((at) => at >= 0).length;
  if (up < peers.length && now < GIVE_UP_MS) return;
  clearInterval(timer);
  const sorted = upAt.filter((at) => at >= 0).sort((x, y) => x - y);
  console.log(
    `${made} made, ${up} up on both sides; the last after ${(sorted.at(-1)! / 1000).toFixed(2)} s, ` +
      `half of them after ${(sorted[sorted.length >> 1]! / 1000).toFixed(2)} s`,
  );
  process.exit(up === peers.length ? 0 : 1);
}, 10);

async function peerOf(i: number) {
  const identity = identityFromSeeds(random.bytes(32), random.bytes(32));
  const { actions, machine } = handshakesOf(
    nodeOf(identity, keys),
    keys,
    random,
    () => ({ member: () => false }),
  );
  const targets = new Targets(random);
  const target = targets.obtain(SERVER, 0)!;
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, `10.98.${i >> 8}.${i & 255}`, resolve));
  let session: NewSession | null = null;
  let probedAt = -Infinity, probes = 0;
  const peer = { madeAt: -1, upAt: -1, step };
  const flush = () => {
    for (const action of actions.drain()) if (action.kind === "send") socket.send(action.bytes, 8473, node);
  };
  socket.on("message", (message) => {
    const now = performance.now() - began;
    const bytes = new Uint8Array(message);
    if (isData(bytes[0]!)) {
      if (peer.upAt < 0) peer.upAt = now;
      return;
    }
    for (const event of machine.receive(bytes, SERVER, now)) {
      if (event.kind !== "session") continue;
      session = event.session;
      if (peer.madeAt < 0) peer.madeAt = now;
    }
    flush();
  });

  /** Begins or begins anew as a joiner does; asks on a session until it is answered. */
  function step(now: number): void {
    if (session === null && target.nextAt <= now) {
      machine.begin(SERVER, null, now);
      targets.tried(target, { steady: true, minMs: 0, maxMs: 5000, punches: null }, now);
      flush();
    }
    if (session === null || peer.upAt >= 0 || now - probedAt < PROBE_MS) return;
    probedAt = now;
    socket.send(sealedProbe(session, ++probes), 8473, node);
  }
  return peer;
}

function sealedProbe(session: NewSession, counter: number): Uint8Array {
  const header = new Uint8Array(DATA_LEN);
  encodeData(header, 0, 0, 0, session.sendIndex, counter);
  const probe = new Uint8Array(PROBE_LEN);
  encodeProbe(probe, 0, session.sendIndex, 1, 2, 3);
  const nonce = new Uint8Array(12);
  nonce.set(header.subarray(8), 4);
  const cipher = createCipheriv("aes-256-gcm", laneKey(session.sendKey, 0), nonce);
  cipher.setAAD(header);
  return new Uint8Array(Buffer.concat([header, cipher.update(probe), cipher.final(), cipher.getAuthTag()]));
}
