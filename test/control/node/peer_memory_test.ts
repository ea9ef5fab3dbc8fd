import { test } from "node:test";
import assert from "node:assert/strict";
import type { Action } from "../../../src/control/outbox/events.ts";
import { Directives, signDirective } from "../../../src/control/forget/directives.ts";
import type { Links } from "../../../src/control/links/links.ts";
import { Actions } from "../../../src/control/outbox/outbox.ts";
import { PeerMemory } from "../../../src/control/node/peer_memory.ts";
import type { Claim, NodeRecord } from "../../../src/control/records/record.ts";
import { keptLine, readJournal } from "../../../src/control/records/state.ts";
import { Store } from "../../../src/control/records/store.ts";
import { prefix } from "../../../src/wire/prefix.ts";
import { identityOf, recordOf } from "../../made/records.ts";

const DAY_MS = 86_400_000;
const NODES = 1000;
const CLAIMS: readonly Claim[] = ["10.42.1.0/24", "10.42.2.0/24"].map((text) => ({
  subnet: prefix(text),
  stamp: 1,
  incarnation: 1,
}));
const RECORDS = Array.from({ length: NODES }, (_, n) => recordOf(n + 1));

function memoryOf(records: readonly NodeRecord[] = []) {
  const store = new Store();
  const directives = new Directives();
  const actions = new Actions({ answersTo: () => undefined });
  // BOUNDED: those of a test
  const endpoints = new Map<string, string>();
  const up = () => [...endpoints].map(([id, endpoint]) => ({ id, endpoint }));
  // As the links do, it remembers where a node was.
  const last = new Map<string, string>();
  const lastAt = (id: string) => {
    const at = endpoints.get(id) ?? last.get(id) ?? null;
    if (at !== null) last.set(id, at);
    return at;
  };
  const links = { lastAt, up } as unknown as Links;
  const memory = new PeerMemory({ identity: { id: "00".repeat(32) }, store, directives, links, actions });
  let journal = "", bytes = 0, writes = 0;
  const take = (record: NodeRecord) => {
    store.insert(record);
    memory.note(record.id);
  };
  const tick = (now: number) => {
    memory.tick(now);
    for (const action of actions.drain() as (Action & { kind: "remember" })[]) {
      const text = action.kept.map(keptLine).join("");
      bytes += text.length;
      writes++;
      journal = action.whole ? text : journal + text;
    }
  };
  for (const record of records) take(record);
  return {
    memory,
    store,
    directives,
    endpoints,
    take,
    tick,
    disk: () => readJournal(journal),
    of: () => ({ bytes, writes }),
  };
}

/** The same node, seen elsewhere; all else is as it was. */
function seenAt(record: NodeRecord, epoch: number): NodeRecord {
  const own = record.endpoints.slice(0, record.ownEndpoints);
  return {
    ...record,
    epoch,
    age: epoch,
    endpoints: [...own, `203.0.113.${epoch % 200}:${1024 + epoch % 60_000}`],
  };
}

test("1,000 peers are written once; that others see them elsewhere all day long is no reason to write again", () => {
  const { take, tick, disk, of } = memoryOf(RECORDS);
  tick(0);
  const first = of();
  assert.equal(disk().peers.length, NODES);
  assert.equal(first.writes, 1);
  for (let now = 10_000, n = 0; now < DAY_MS; now += 10_000, n++) {
    take(seenAt(RECORDS[n % 3]!, n + 2));
    tick(now);
  }
  assert.deepEqual(of(), first, `${of().bytes - first.bytes} bytes more`);
});

test("Whatever 1,000 peers do in a day, at most 150 MB are written for it, in less than 1,000 writes", {
  timeout: 60_000,
}, () => {
  const { take, tick, of } = memoryOf(RECORDS);
  for (let now = 0, n = 0; now < DAY_MS; now += 5000, n++) {
    // Every claim changes, again and again.
    const record = RECORDS[n % NODES]!;
    take({ ...record, epoch: n + 2, claims: [CLAIMS[Math.floor(n / NODES) % 2]!] });
    tick(now);
  }
  const { bytes, writes } = of();
  assert.ok(bytes < 150e6, `${bytes} bytes`);
  assert.ok(writes < 1000, `${writes} writes`);
  assert.ok(bytes > 10e6, "but written it is");
});

test("What a restart needs is there with the next tick, and the journal stays as long as what it tells", () => {
  const { take, tick, endpoints, disk, of } = memoryOf(RECORDS.slice(0, 20));
  let now = 0;
  tick(now);
  for (let n = 0; n < 300; n++) {
    const record = RECORDS[n % 20]!;
    endpoints.set(record.id, `192.0.2.${n % 250}:8473`);
    take({ ...record, epoch: n + 2, claims: [CLAIMS[n % 2]!] });
    tick(now += 120_000);
    assert.ok(disk().peers.some(({ endpoint }) => endpoint === `192.0.2.${n % 250}:8473`), `change ${n}`);
    assert.ok(disk().outdated <= 20 + 64, `${disk().outdated} lines for nothing`);
  }
  assert.ok(of().writes <= 301);
});

test("An endpoint that answered once stays remembered when its node is silent", () => {
  const { memory, take, tick, endpoints, disk } = memoryOf();
  endpoints.set(RECORDS[0]!.id, "192.0.2.7:8473");
  take(RECORDS[0]!);
  tick(0);
  endpoints.clear();
  memory.note(RECORDS[0]!.id);
  take({ ...RECORDS[0]!, epoch: 9, claims: [CLAIMS[0]!] });
  tick(10_000);
  assert.deepEqual(disk().peers.map(({ endpoint }) => endpoint), ["192.0.2.7:8473"]);
});

test("A directive is written beside the record that it is about, however that record has changed since", () => {
  const { memory, store, directives, tick, disk } = memoryOf(RECORDS.slice(0, 2));
  tick(0);
  const [one] = RECORDS;
  store.insert({ ...one!, incarnation: 9, epoch: 1, raw: RECORDS[2]!.raw });
  const said = { issuer: identityOf(2).id, networkId: one!.networkId, seq: 1, target: one!.id };
  directives.insert(signDirective({ ...said, kind: "forget", incarnation: 9, revoke: false }, identityOf(2)));
  memory.noteDirective(one!.id);
  tick(5000);
  const { peers, directives: kept, outdated } = disk();
  assert.deepEqual([peers.length, kept.length, outdated], [2, 1, 1]);
});

test("What is lost is written as a whole, once", () => {
  const { memory, tick, disk, of } = memoryOf(RECORDS.slice(0, 5));
  tick(0);
  memory.lost();
  tick(3000);
  tick(6000);
  assert.deepEqual([disk().peers.length, disk().outdated, of().writes], [5, 0, 2]);
});
