/**
 * What one node with N records takes, of a real processor and memory: `bun bench/one_node.ts [N]` (5,000). A simulated peer
 * tells it of N members that are gone, each signature verified; then it rests, is looked at, and hears of changes.
 */

import process from "node:process";
import { identityFromSeeds } from "../src/crypto/identity.ts";
import { meshHash } from "../src/control/mesh/mesh.ts";
import { RECORD_READER, type RecordContent, signRecord } from "../src/control/records/record.ts";
import { decodeGossip, fitGossip, GOSSIP_MAX_LEN } from "../src/wire/gossip.ts";
import { nthSubnet, prefix } from "../src/wire/prefix.ts";
import { SeededRandom } from "../test/fakes/seeded_random.ts";
import { contentOf } from "../test/made/records.ts";
import { World } from "../test/sim/world.ts";

const N = Number(process.argv[2] ?? 5000);
const NETWORK = prefix("10.0.0.0/8");
const EACH = 2;
const CHANGES = 200;
const CHANGED = "0.1.1";
const REST_S = 60;

const random = new SeededRandom(1);
const members = Array.from({ length: N }, (_, i) => {
  const identity = identityFromSeeds(random.bytes(32), random.bytes(32));
  const endpoints = [`172.${16 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}:8473`];
  const claims = [{ subnet: nthSubnet(NETWORK, 120, 1000 + i), stamp: 2 + i, incarnation: 1 }];
  const { id, staticKey } = identity;
  const content: RecordContent = {
    ...contentOf(1),
    id,
    staticKey,
    name: `host${i}`,
    endpoints,
    ownEndpoints: 1,
    claims,
  };
  return { identity, content };
});

const world = new World(1);
world.keeps = { logs: 0, disks: true };
world.reader = RECORD_READER;
const a = world.add("a", [], { network: NETWORK, subnetLen: 24 });
const b = world.add("b", ["a"]);
for (const node of world.nodes) world.start(node);
world.run(5000);
world.network.rewrite = ({ to, bytes }) => to === b.endpoint && isNews(bytes) ? new Uint8Array(1) : bytes;
const { sendIndex } = b.plane!.peer(a.identity.id)!.link!;
const mesh = meshHash(world.view(a).own.mesh!);
const before = heapMB();

const raws = members.map(({ identity, content }) => signRecord(content, identity).raw);
const merge = cpu(() => {
  for (let i = 0; i < N; i += EACH) tell(raws.slice(i, i + EACH));
});
const known = world.view(a).peers.length - 1;
say(`${known} of ${N} records merged, signatures verified`, `${(merge / 1e6).toFixed(2)} s`);
world.run(5000);
say("memory for them", `${(heapMB() - before).toFixed(0)} MB`);
const rest = cpu(() => world.run(REST_S * 1000));
say("at rest, of a processor (both nodes)", `${(rest / REST_S / 1e4).toFixed(2)} %`);
const view = cpu(() => world.view(a));
say("a view, as for `status`", `${(view / 1000).toFixed(0)} ms`);
const changed = members.slice(0, CHANGES).map(({ identity, content }) =>
  signRecord({ ...content, incarnation: 2, version: CHANGED }, identity).raw
);
const change = cpu(() => {
  for (const raw of changed) tell([raw]);
});
const taken = world.view(a).peers.filter(({ version }) => version === CHANGED).length;
say(`one changed record (${taken} of ${CHANGES} taken in)`, `${(change / CHANGES).toFixed(0)} µs`);
say("state on disk", `${((a.disk?.length ?? 0) / 1e6).toFixed(1)} MB, written ${a.persists} times`);

function tell(raws: readonly Uint8Array[]): void {
  const records = raws.map((raw) => ({ raw, state: 2 as const }));
  const bytes = fitGossip(sendIndex, { mesh, body: { kind: "push", ack: false, records } }, GOSSIP_MAX_LEN);
  world.event(a, { kind: "datagram", bytes: bytes!, from: b.endpoint, at: world.clock.now() });
  world.run(4);
}

// b lives, and learns nothing: its processor is not what is measured.
function isNews(bytes: Uint8Array): boolean {
  const kind = decodeGossip(bytes)?.body.kind;
  return kind !== undefined && kind !== "ping" && kind !== "pong";
}

// µs of processor.
function cpu(work: () => void): number {
  const begun = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(begun);
  return user + system;
}

function heapMB(): number {
  (globalThis as { Bun?: { gc(force: boolean): void } }).Bun?.gc(true);
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1e6;
}

function say(what: string, figure: string): void {
  console.log(`${what.padEnd(52)} ${figure}`);
}
