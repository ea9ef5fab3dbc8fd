/**
 * The other members of the mesh that one real daemon is put into, in one process: `bun crowd.ts N plain|sealed`. Each has an
 * address, a port and a record; a control plane, the real one with all records, only those that somebody calls, and they
 * call nobody themselves. Orders come as lines of JSON on standard input; what there is to tell goes to standard output.
 */

import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";
import process from "node:process";
import { decodeGossip, fitGossip, GOSSIP_MAX_LEN } from "../../src/wire/gossip.ts";
import { meshHash } from "../../src/control/mesh/mesh.ts";
import { signRecord } from "../../src/control/records/record.ts";
import { RecordMemo } from "../../test/fakes/record_memo.ts";
import { CrowdNode } from "./crowd_node.ts";
import { calledBy, castOf, DAEMON_ADDRESS, PORT, SEEDS } from "./members.ts";

const N = Number(process.argv[2]);
const cast = castOf(N, process.argv[3] === "sealed");
const memo = new RecordMemo();
const DAEMON = `${DAEMON_ADDRESS.split("/")[0]}:`;
const TICK_MS = 100;

const counts = { fromDaemon: 0, bytes: 0, firstAt: 0, kinds: {} as Record<string, number> };
/** Gossip pings to the daemon, and when they were answered. */
const asked = new Map<string, number>();
const answers: number[] = [];

/** Those that were called and are not awake yet: one after the other, for it takes the others' time. */
const asleep = new Set<number>();
const WAKE_EVERY_MS = 500;

const nodes = new Map<number, CrowdNode>();
const sockets = cast.members.map(({ address }, i) => {
  const socket = createSocket({ type: "udp4" });
  socket.on("message", (bytes, { address: from, port }) => take(i, bytes, `${from}:${port}`));
  socket.on("error", (error) => console.error(`${address}: ${error.message}`));
  socket.bind(PORT, address);
  return socket;
});

function take(i: number, bytes: Uint8Array, from: string): void {
  if (from.startsWith(DAEMON)) {
    counts.firstAt ||= Date.now();
    counts.fromDaemon++;
    counts.bytes += bytes.length;
  }
  const node = nodes.get(i);
  if (node !== undefined) node.receive(new Uint8Array(bytes), from);
  else asleep.add(i);
}

function wake(i: number): CrowdNode {
  const known = nodes.get(i);
  if (known !== undefined) return known;
  const socket = sockets[i]!;
  const node = new CrowdNode({
    cast,
    index: i,
    memo,
    seeds: i < SEEDS
      ? cast.members.slice(0, SEEDS).filter((_, k) => k !== i).map((m) => `${m.address}:${PORT}`)
      : [],
    send: (to, bytes) => {
      const [address, port] = to.split(":");
      if (address !== undefined) socket.send(bytes, Number(port), address);
    },
    heard: (from, bytes) => {
      if (from.startsWith(DAEMON)) note(i, bytes, false);
    },
    said: (to, bytes) => {
      if (to.startsWith(DAEMON)) note(i, bytes, true);
    },
  });
  nodes.set(i, node);
  node.start();
  return node;
}

function note(i: number, bytes: Uint8Array, ours: boolean): void {
  const body = decodeGossip(bytes)?.body;
  if (body === undefined) return;
  if (!ours) counts.kinds[body.kind] = (counts.kinds[body.kind] ?? 0) + 1;
  if (ours && body.kind === "ping") asked.set(`${i} ${body.seq}`, performance.now());
  const at = !ours && body.kind === "pong" ? asked.get(`${i} ${body.seq}`) : undefined;
  if (at === undefined) return;
  asked.delete(`${i} ${(body as { seq: number }).seq}`);
  answers.push(performance.now() - at);
}

/** The first seed hears of other records of members that are not awake. */
let version = 1;
function change(count: number, everyMs: number): void {
  const silent = cast.members.map((_, i) => i).filter((i) => !nodes.has(i)).slice(0, count);
  version++;
  let at = 0;
  const timer = setInterval(() => {
    const i = silent[at++];
    if (i === undefined) {
      clearInterval(timer);
      return tell({ changed: silent.length });
    }
    const { content, identity } = cast.members[i]!;
    const { raw } = signRecord({ ...content, incarnation: version, version: `0.1.${version}` }, identity);
    const body = { kind: "push", ack: false, records: [{ raw, state: 0 }] } as const;
    nodes.get(0)!.hearFrom(
      nodes.get(1)!,
      (index) => fitGossip(index, { mesh: meshHash(cast.mesh), body }, GOSSIP_MAX_LEN)!,
    );
  }, everyMs);
}

function tell(words: unknown): void {
  process.stdout.write(`${JSON.stringify(words)}\n`);
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line) as { do: string; count?: number; everyMs?: number };
  if (order.do === "change") change(order.count ?? 1, order.everyMs ?? 100);
  else if (order.do === "counts") {
    tell({
      ...counts,
      awake: nodes.size,
      answers: answers.splice(0),
      unanswered: asked.size,
      memory: process.memoryUsage().rss,
    });
  } else if (order.do === "reset") {
    Object.assign(counts, { fromDaemon: 0, bytes: 0, kinds: {} });
    asked.clear();
    answers.length = 0;
  } else if (order.do === "wake") {
    for (const i of calledBy(cast)) wake(i);
    tell({ awake: nodes.size });
  }
}).on("close", () => process.exit(0));

setInterval(() => {
  for (const i of asleep) {
    asleep.delete(i);
    if (nodes.has(i)) continue;
    wake(i);
    break;
  }
}, WAKE_EVERY_MS);
setInterval(() => {
  for (const node of nodes.values()) node.tick();
}, TICK_MS);
tell({ ready: sockets.length });
