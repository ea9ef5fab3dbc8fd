import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { type NodeRecord, openRecord } from "../../../src/control/records/record.ts";
import { VERSION_LIMIT } from "../../../src/wire/untrusted.ts";
import { storedBytes } from "../../../src/control/records/state.ts";
import { Store } from "../../../src/control/records/store.ts";
import { recordOf } from "../../made/records.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const records = fc.array(
  fc.record({
    seed: fc.integer({ min: 1, max: 6 }),
    incarnation: fc.integer({ min: 1, max: 3 }),
    epoch: fc.integer({ min: 0, max: 2 }),
    boot: fc.constantFrom("00000000000000aa", "00000000000000bb"),
    stamp: fc.integer({ min: 1, max: 3 }),
  }).map(({ seed, incarnation, epoch, boot, stamp }) =>
    recordOf(seed, {
      incarnation,
      epoch,
      bootNonce: boot,
      claims: [{ subnet: prefix("10.42.7.0/24"), stamp, incarnation: 1 }],
    })
  ),
  { maxLength: 12 },
);

function merged(list: readonly NodeRecord[]): Store {
  const store = new Store();
  for (const record of list) store.insert(record);
  return store;
}

function content(store: Store): string[] {
  return [...store.records()].map((r) => `${r.id} ${r.raw.join()}`).sort();
}

test("Merging is commutative and idempotent: any order and any repetition give one store", () => {
  fc.assert(fc.property(records, records, (a, b) => {
    const expected = content(merged([...a, ...b]));
    assert.deepEqual(content(merged([...b, ...a])), expected);
    assert.deepEqual(content(merged([...a, ...b, ...a, ...b].reverse())), expected);
  }));
});

test("Merging is associative: merging merged stores is merging their records", () => {
  fc.assert(fc.property(records, records, records, (a, b, c) => {
    const left = merged([...merged([...merged(a).records(), ...b]).records(), ...c]);
    const right = merged([...a, ...merged([...b, ...merged(c).records()]).records()]);
    assert.deepEqual(content(left), content(right));
  }));
});

test("insert() returns the record as delta only when it is new, and reports two contents of one version", () => {
  const store = new Store();
  const first = recordOf(1, { incarnation: 2 });
  assert.deepEqual(store.insert(first), { delta: first, clone: false });
  assert.deepEqual(store.insert(first), { delta: null, clone: false });
  assert.deepEqual(store.insert(recordOf(1, { incarnation: 1, epoch: 9 })), { delta: null, clone: false });
  const lesser = recordOf(1, { incarnation: 2, bootNonce: "0000000000000000" });
  assert.deepEqual(store.insert(lesser), { delta: null, clone: true });
  const greater = recordOf(1, { incarnation: 2, bootNonce: "ff00000000000000" });
  assert.deepEqual(store.insert(greater), { delta: greater, clone: true });
});

test("insert() reports a boot nonce that comes back after another", () => {
  const store = new Store();
  const boots = ["aa00000000000000", "bb00000000000000", "aa00000000000000"];
  const clones = boots.map((bootNonce, i) =>
    store.insert(recordOf(1, { incarnation: i + 1, bootNonce })).clone
  );
  assert.deepEqual(clones, [false, false, true]);
});

test("greatestStamp remembers stamps of claims that were given up", () => {
  const store = merged([
    recordOf(1, { claims: [{ subnet: prefix("10.42.7.0/24"), stamp: 9, incarnation: 1 }] }),
  ]);
  store.insert(recordOf(1, { epoch: 1 }));
  assert.equal(store.greatestStamp, 9);
});

test("greatestStamp leaves out a stamp that no honest mesh can have come to", () => {
  const claim = (stamp: number) => ({ claims: [{ subnet: prefix("10.42.7.0/24"), stamp, incarnation: 1 }] });
  const store = merged([
    recordOf(1, claim(9)),
    recordOf(2, claim(VERSION_LIMIT - 1)),
    recordOf(3, claim(700)),
  ]);
  assert.equal(store.greatestStamp, 700);
  store.insert(recordOf(2, { epoch: 1 }));
  assert.equal(store.greatestStamp, 700);
  // However fast a member climbs, it does not come near the end.
  for (let epoch = 1; epoch <= 100; epoch++) {
    store.insert(recordOf(1, { ...claim(store.greatestStamp + 2 ** 47), incarnation: 2, epoch }));
  }
  assert.equal(store.greatestStamp, 700);
});

test("A node has its own place, however many others there are; with none left a newcomer is refused, not a known one", () => {
  const own = recordOf(1);
  const store = new Store({ own: own.id, records: 4 });
  for (const seed of [2, 3, 4]) assert.equal(store.insert(recordOf(seed)).delta?.id, recordOf(seed).id);
  assert.deepEqual(store.insert(recordOf(5)), { delta: null, clone: false, full: true });
  assert.deepEqual([2, 5, 1].map((seed) => store.hasRoomFor(recordOf(seed).id)), [true, false, true]);
  assert.notEqual(store.insert(recordOf(3, { incarnation: 2 })).delta, null, "news of one that is there");
  assert.notEqual(store.insert(own).delta, null);
  assert.equal(store.size, 4);
  store.insert(recordOf(2, { incarnation: 9, gone: true }));
  assert.notEqual(store.insert(recordOf(5)).delta, null, "who leaves leaves his place");
  assert.notEqual(store.insert(recordOf(1, { incarnation: 2, gone: true })).delta, null);
  assert.equal(store.get(own.id)?.gone, true);
});

test("Who has left for good takes no place: 5,000 tombstones, and a mesh goes on", () => {
  const store = new Store({ own: recordOf(1).id, records: 4 });
  for (let seed = 10; seed < 5010; seed++) store.insert(recordOf(seed, { gone: true, left: seed }));
  for (const seed of [1, 2, 3, 4]) assert.notEqual(store.insert(recordOf(seed)).delta, null);
  assert.deepEqual([store.size, store.goneSize], [4, 5000]);
});

test("An old record of who has left, or of who was dropped and is not let in, brings nothing back", () => {
  const claim = { claims: [{ subnet: prefix("10.42.7.0/24"), stamp: 1, incarnation: 1 }] };
  const store = merged([recordOf(1, claim)]);
  store.insert(recordOf(1, { epoch: 1, gone: true, left: 1 }));
  assert.deepEqual(store.insert(recordOf(1, claim)), { delta: null, clone: false });
  assert.deepEqual([...store.records()], []);
  assert.equal(store.nameOf(recordOf(1).id), "node1");
  const again = recordOf(1, { ...claim, incarnation: 2 });
  assert.equal(store.insert(again).delta, again, "a later life of it is another matter");
  assert.equal(store.goneSize, 0);
});

test("Of tombstones those are kept that left last, and their own bytes go on telling it", () => {
  const store = new Store({ tombstones: 2 });
  const [a, b, c] = [1, 2, 3].map((seed) => recordOf(seed, { gone: true, left: 10 * seed }));
  for (const record of [b!, c!, a!]) store.insert(record);
  assert.equal(store.get(a!.id), undefined);
  const kept = [...store.tombstones()].map((text) => openRecord(storedBytes(text))!);
  assert.deepEqual(kept.map(({ left }) => left).sort(), [20, 30]);
  assert.equal(store.tree.size, 2);
});

test("A record that must not be told yet is in no comparison", () => {
  const own = recordOf(1);
  const store = new Store({ own: own.id });
  store.keepOwnUntold(true);
  store.insert(own);
  assert.equal(store.tree.size, 0);
  store.keepOwnUntold(false);
  assert.equal(store.tree.get(own.id)?.major, 1);
});
