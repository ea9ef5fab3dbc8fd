import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  answerExpand,
  answerList,
  answerRoots,
  compareDigest,
  EVERYTHING,
  type Trees,
} from "../../../src/control/records/digest.ts";
import { HashTree, idPrefix } from "../../../src/control/records/hash_tree.ts";
import { Sync } from "../../../src/control/records/sync.ts";
import { SIGNATURE_LEN } from "../../../src/crypto/identity.ts";
import { sha256Hex } from "../../../src/crypto/sha256.ts";
import { type GossipBody, TABLE_DIRECTIVES, TABLE_RECORDS } from "../../../src/wire/gossip_body.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { encodeGossip } from "../../made/gossip.ts";
import { cases } from "../../made/seeds.ts";

const LONG = { timeout: 60_000 };
/** Of a record as honest nodes have them. */
const RECORD_LEN = 330 + SIGNATURE_LEN;

/** A side of a synchronisation, with versions in place of records: nothing here looks into them. */
class Side {
  readonly trees: [HashTree, HashTree] = [new HashTree(), new HashTree()];
  readonly sync = new Sync(this.trees);
  /** By table and id. */
  readonly versions = [new Map<string, number>(), new Map<string, number>()];

  put(table: number, id: string, version: number): void {
    if ((this.versions[table]!.get(id) ?? -1) >= version) return;
    this.versions[table]!.set(id, version);
    this.trees[table]!.set(id, { major: version, minor: 0 }, new TextEncoder().encode(`${id} ${version}`));
    this.sync.learned(table, id);
  }

  content(): string {
    return JSON.stringify(this.versions.map((versions) => [...versions].sort()));
  }
}

interface Traffic {
  readonly messages: Record<string, number>;
  bytes: number;
  /** Messages to the asker beyond what it asked for. */
  unasked: number;
}

type Word = { readonly to: "asker" | "other"; readonly body: GossipBody } | {
  readonly to: "asker" | "other";
  readonly table: number;
  readonly ids: readonly string[];
};

/** One round from the asker's side until it is complete, `lost` says what does not get through; null: it never was. */
function round(asker: Side, other: Side, lost: () => boolean = () => false): Traffic | null {
  const traffic: Traffic = { messages: {}, bytes: 0, unasked: 0 };
  const words: Word[] = [];
  const say = (to: Word["to"], body: GossipBody) => words.push({ to, body });
  const push = (to: Word["to"], table: number, ids: readonly string[]) => {
    for (let at = 0; at < ids.length; at += 2) words.push({ to, table, ids: ids.slice(at, at + 2) });
  };
  let now = 0;
  for (let begun = false; now < 60_000;) {
    if (!begun || words.length === 0) {
      now += 400;
      const opened = asker.sync.begin("other", now);
      if (opened !== null) {
        say("other", { kind: "sync", ...opened, informed: true, ready: true, dead: new Uint8Array(8) });
      }
      for (const again of asker.sync.tick(now)) for (const body of again.say) say("other", body);
      begun = true;
    }
    const word = words.shift();
    if (word === undefined) continue;
    const kind = "ids" in word ? "push" : word.body.kind;
    traffic.messages[kind] = (traffic.messages[kind] ?? 0) + 1;
    traffic.bytes += "ids" in word
      ? 30 + word.ids.length * RECORD_LEN
      : encodeGossip(1, { mesh: "12".repeat(8), body: word.body }).length;
    if (lost()) continue;
    if (word.to === "asker" && !asker.sync.takeAnswer("other")) traffic.unasked++;
    take(word);
    for (const body of asker.sync.next("other", now)) say("other", body);
    if (asker.sync.complete("other") && words.length === 0) return traffic;
  }
  return null;

  function take(word: Word): void {
    const here = word.to === "asker" ? asker : other;
    if ("ids" in word) {
      const from = word.to === "asker" ? other : asker;
      for (const id of word.ids) here.put(word.table, id, from.versions[word.table]!.get(id)!);
      return;
    }
    answer(word.body);
  }

  function answer(body: GossipBody): void {
    const { trees } = other;
    switch (body.kind) {
      case "sync":
        return answerRoots(trees, body).forEach((one) => say("asker", one));
      case "expand":
        return void say("asker", answerExpand(trees, body));
      case "list":
        return void say("asker", answerList(trees, body));
      case "want":
        return push("asker", body.table, body.prefixes.flatMap((p) => trees[body.table]!.idsOf(p)));
      case "same":
        return asker.sync.onSame("other", body);
      case "tree":
        return asker.sync.onTree("other", body, now).say.forEach((one) => say("other", one));
      case "digest": {
        const next = asker.sync.onDigest("other", body, now);
        next.say.forEach((one) => say("other", one));
        next.push.forEach((ids, table) => push("other", table, ids));
      }
    }
  }
}

// BOUNDED: those of this file
const ids: string[] = [];
const idOf = (n: number) => ids[n] ??= sha256Hex(`node ${n}`);

function twoSides(n: number, k: number): { asker: Side; other: Side } {
  const [asker, other] = [new Side(), new Side()];
  for (let i = 0; i < n; i++) {
    for (const side of [asker, other]) side.put(TABLE_RECORDS, idOf(i), 1);
  }
  // Half of what differs is newer there, a quarter here, the rest is known on one side only.
  for (let i = 0; i < k; i++) {
    if (i % 4 === 3) (i % 8 === 3 ? asker : other).put(TABLE_RECORDS, idOf(n + i), 1);
    else (i % 4 === 2 ? asker : other).put(TABLE_RECORDS, idOf(Math.floor(i * n / k)), 2);
  }
  return { asker, other };
}

test("Two nodes that know the same tell each other two small messages", () => {
  const { asker, other } = twoSides(5000, 0);
  const { messages, bytes } = round(asker, other)!;
  assert.deepEqual(messages, { sync: 1, same: 1 });
  assert.ok(bytes < 130, `${bytes} bytes`);
});

test(
  "What a joiner asked for may come, however much it is, and what it did not ask for may not",
  LONG,
  () => {
    const [asker, other] = [new Side(), new Side()];
    for (let i = 0; i < 1500; i++) other.put(TABLE_RECORDS, idOf(i), 1);
    const { unasked, messages } = round(asker, other)!;
    assert.ok(messages["push"]! >= 750);
    assert.equal(unasked, 0);
    let more = 0;
    while (more < 1000 && asker.sync.takeAnswer("other")) more++;
    assert.ok(more < 150, `${more} more`);
    assert.equal(asker.sync.takeAnswer("another"), false);
  },
);

for (const [k, most] of [[1, 2500], [10, 16_000], [1000, 700_000]] as const) {
  test(`Two nodes of 5,000 that differ in ${k} exchange so much, and not all that they know`, LONG, () => {
    const { asker, other } = twoSides(5000, k);
    const traffic = round(asker, other);
    assert.ok(traffic !== null);
    const { bytes, messages } = traffic;
    const sent = Object.values(messages).reduce((sum, n) => sum + n, 0);
    console.log(`figure: 5,000 records, ${k} differ: ${sent} messages, ${bytes} bytes`);
    assert.ok(bytes <= most, `${bytes} bytes: ${JSON.stringify(messages)}`);
    const asked = (messages["expand"] ?? 0) + (messages["list"] ?? 0);
    assert.ok(asked <= Math.min(2 * k, 64 + 100), `${asked} questions: ${JSON.stringify(messages)}`);
    assert.equal(messages["want"] ?? 0, Math.max(1, messages["want"] ?? 0));
    for (const [id, version] of other.versions[0]!) assert.ok(asker.versions[0]!.get(id)! >= version);
    // What the other lacks it is told as far as it is little; the rest it asks for itself.
    if (k > 100) assert.ok(round(other, asker) !== null);
    assert.equal(asker.content(), other.content());
  });
}

test(
  "A joiner that knows nothing gets all 5,000 records in one round, with no more than a window under way",
  LONG,
  () => {
    const { asker, other } = twoSides(5000, 0);
    const joiner = new Side();
    const { messages, bytes } = round(joiner, other)!;
    console.log(`figure: a joiner of 5,000: ${JSON.stringify(messages)}, ${bytes} bytes`);
    assert.equal(joiner.content(), asker.content());
    assert.ok(bytes < 5000 * (RECORD_LEN + 24 + 30) + 40_000, `${bytes} bytes: ${JSON.stringify(messages)}`);
    assert.ok(messages["push"]! <= 2600);
  },
);

test("Any two sides agree after a round each way, through a fifth of loss, in both tables", LONG, () => {
  const some = fc.array(
    fc.record({
      table: fc.constantFrom(TABLE_RECORDS, TABLE_DIRECTIVES),
      n: fc.integer({ min: 0, max: 400 }),
      version: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 300 },
  );
  fc.assert(
    fc.property(some, some, fc.integer(), (a, b, seed) => {
      const [asker, other] = [new Side(), new Side()];
      for (const { table, n, version } of a) asker.put(table, idOf(n), version);
      for (const { table, n, version } of b) other.put(table, idOf(n), version);
      const random = new SeededRandom(seed);
      const lost = () => random.below(5) === 0;
      assert.ok(round(asker, other, lost) !== null);
      assert.ok(round(other, asker, lost) !== null);
      assert.equal(asker.content(), other.content());
      assert.deepEqual(asker.trees.map((tree) => tree.root()), other.trees.map((tree) => tree.root()));
    }),
    cases(200, 8473),
  );
});

test("A leaf of more entries than a message takes is told in several, and none is left out", () => {
  const [asker, other] = [new Side(), new Side()];
  for (let n = 0; n < 150; n++) other.put(TABLE_RECORDS, `abc${idOf(n).slice(3)}`, 1);
  const { messages } = round(asker, other)!;
  assert.equal(asker.content(), other.content());
  assert.equal(messages["digest"], 4);
});

test("A peer that promises without end is asked no more than a bounded number of records at a time", () => {
  const asker = new Side();
  asker.sync.begin("liar", 0);
  const round = 1;
  const hashes = new Uint8Array(512).fill(1), counts = new Uint8Array(64).fill(255);
  let say = [...asker.sync.onTree("liar", { kind: "tree", round, table: 0, at: 0, hashes, counts }, 0).say];
  let wanted = 0, next = 0;
  for (let turn = 0; turn < 3000 && say.length > 0; turn++) {
    const asked = say.shift()!;
    if (asked.kind === "want") wanted += asked.prefixes.length;
    if (asked.kind !== "list") continue;
    const entries = new Uint8Array(40 * 24);
    for (let n = 0; n < 40; n++) {
      entries.set(Uint8Array.of(1, 0, 0, 0, next >>> 16, next >>> 8, next++), n * 24);
      entries[n * 24 + 13] = 1;
    }
    const to = next.toString(16).padStart(16, "0");
    const digest = { kind: "digest", round, table: 0, request: asked.request, to, entries } as const;
    say = [...say, ...asker.sync.onDigest("liar", digest, 0).say];
  }
  assert.ok(next <= 2000, `${next} promised`);
  assert.ok(wanted <= 128, `${wanted}`);
});

test("Answers that nobody asked for, or that lead nowhere, change nothing", () => {
  const { asker } = twoSides(100, 0);
  const entries = new Uint8Array(24).fill(7);
  const digest = { kind: "digest", round: 1, table: 0, request: 5, to: null, entries } as const;
  assert.deepEqual(asker.sync.onDigest("stranger", digest, 0).say, []);
  asker.sync.begin("peer", 0);
  assert.deepEqual(asker.sync.onDigest("peer", digest, 0).say, []);
  assert.deepEqual(asker.sync.onDigest("peer", { ...digest, request: 0, round: 7 }, 0).say, []);
  assert.equal(asker.sync.complete("peer"), false);
});

test("When a split heals, a node fetches from three at a time and leaves the rest for later", () => {
  const { asker, other } = twoSides(200, 150);
  const answers = (peer: string, at: number) => {
    const begun = asker.sync.begin(peer, at);
    if (begun === null) return [];
    return answerRoots(other.trees as Trees, {
      kind: "sync",
      ...begun,
      informed: true,
      ready: true,
      dead: new Uint8Array(8),
    })
      .flatMap((one) => one.kind === "tree" ? asker.sync.onTree(peer, one, at).say : []);
  };
  const busy = Array.from({ length: 50 }, (_, n) => answers(`peer ${n}`, 0).length > 0);
  assert.equal(busy.filter(Boolean).length, 3);
});

test("Peers that go on promising are left when nothing has come of it for long, and do not keep us again", () => {
  const asker = new Side();
  const { sync } = asker;
  const promise = (peer: string, n: number, now: number) => {
    const begun = sync.begin(peer, now);
    if (begun === null) return false;
    const entries = new Uint8Array(24).fill(n);
    entries.fill(0, 8, 12);
    sync.onDigest(peer, { kind: "digest", round: begun.round, table: 0, request: 0, to: null, entries }, now);
    return true;
  };
  for (const [n, liar] of ["a", "b", "c"].entries()) assert.ok(promise(liar, n + 1, 0));
  for (let now = 100; now <= 10_000; now += 100) {
    for (const liar of ["a", "b", "c"]) sync.next(liar, now);
    if (now < 2000) assert.equal(sync.begin("honest", now), null, "three are enough");
    sync.tick(now);
  }
  assert.ok(promise("a", 1, 10_100), "one of them may try again");
  assert.ok(!promise("b", 2, 10_100) && !promise("c", 3, 10_100));
  assert.notEqual(sync.begin("honest", 10_100), null);
});

test("HashTree: the same entries give the same hashes in any order, and what differs shows all the way up", () => {
  const entries = fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 3 })), {
    maxLength: 80,
  });
  fc.assert(
    fc.property(entries, entries, (list, more) => {
      const [a, b] = [new HashTree(), new HashTree()];
      const last = new Map(list);
      for (const [n, v] of list) a.set(idOf(n), { major: v, minor: 0 }, Uint8Array.of(v));
      a.root();
      for (const [n, v] of more) a.set(`f${idOf(n).slice(1)}`, { major: v, minor: 0 }, Uint8Array.of(v));
      for (const [n] of more) a.delete(`f${idOf(n).slice(1)}`);
      for (const [n, v] of [...last].reverse()) {
        if (a.get(idOf(n)) === undefined) a.set(idOf(n), { major: v, minor: 0 }, Uint8Array.of(v));
        b.set(idOf(n), { major: v, minor: 0 }, Uint8Array.of(v));
      }
      assert.deepEqual(a.root(), b.root());
      assert.equal(a.size, last.size);
      const [first] = last;
      if (first === undefined) return;
      b.set(idOf(first[0]), { major: 9, minor: 0 }, Uint8Array.of(9));
      assert.notDeepEqual(a.root(), b.root());
      b.delete(idOf(first[0]));
      assert.notDeepEqual(a.root(), b.root());
    }),
    cases(200, 8473),
  );
});

test("compareDigest() judges only what the digest covers", () => {
  const side = new Side();
  for (let n = 0; n < 20; n++) side.put(TABLE_RECORDS, idOf(n), 1);
  const sorted = [...side.versions[0]!.keys()].sort();
  const to = idPrefix(sorted[9]!), after = idPrefix(sorted[4]!);
  const nothing = { entries: new Uint8Array(0), to };
  const { push } = compareDigest(side.trees[0], { spans: EVERYTHING, after }, nothing);
  assert.deepEqual(push, sorted.slice(5, 10));
});

test("Whoever asks for what comes after an id has nothing looked at that comes before it", () => {
  let seen = 0;
  class Counted extends HashTree {
    override *entries(first?: number, last?: number): ReturnType<HashTree["entries"]> {
      for (const entry of super.entries(first, last)) {
        seen++;
        yield entry;
      }
    }
  }
  const tree = new Counted();
  const ids = Array.from({ length: 8192 }, (_, n) => sha256Hex(`${n}`)).sort();
  for (const id of ids) tree.set(id, { major: 1, minor: 0 }, new Uint8Array(0));
  for (const at of [0, 4000, 8000, 8190]) {
    const after = idPrefix(ids[at]!);
    const spans = Uint8Array.of(0, 0, 0x0f, 0xff);
    seen = 0;
    const answer = answerList([tree, tree], { kind: "list", round: 1, table: 0, request: 1, spans, after });
    assert.ok(answer.kind === "digest");
    const told = ids.slice(at + 1, at + 41).map(idPrefix);
    assert.equal(answer.entries.length, 24 * told.length);
    assert.equal(answer.to, told.length < 40 ? null : told[39]);
    assert.ok(seen <= 60, `${seen} entries looked at`);
  }
});
