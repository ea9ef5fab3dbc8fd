import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { compareDigest, differingBuckets, digestParts } from "../../../src/control/records/digest.ts";
import type { NodeRecord } from "../../../src/control/records/record.ts";
import { VERSION_LIMIT } from "../../../src/wire/untrusted.ts";
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

test("Two stores that exchange digests, pushes and wants become one, whatever they held", () => {
  fc.assert(fc.property(records, records, (a, b) => {
    const [asker, other] = [merged(a), merged(b)];
    const buckets = differingBuckets(asker.bucketHashes(null), other.bucketHashes(null));
    for (const part of digestParts(other, buckets, null)) {
      const { push, want } = compareDigest(asker, part, null);
      const pushed = push.map((id) => asker.get(id)!);
      const wanted = [...other.records()].filter((r) => want.some((w) => r.id.startsWith(w.prefix)));
      for (const record of pushed) other.insert(record);
      for (const record of wanted) asker.insert(record);
    }
    assert.deepEqual(content(asker), content(other));
    assert.deepEqual(asker.bucketHashes(null), other.bucketHashes(null));
  }));
});

test("digestParts() covers two hundred records in parts that each fit, and misses none", () => {
  const store = merged(Array.from({ length: 200 }, (_, i) => recordOf(i + 1)));
  const parts = digestParts(store, 0xffffffff, null);
  assert.equal(parts.length, 5);
  for (const part of parts) assert.deepEqual(compareDigest(store, part, null), { push: [], want: [] });
  const empty = parts.flatMap((part) => compareDigest(new Store(), part, null).want);
  assert.equal(new Set(empty.map((w) => w.prefix)).size, 200);
  const nothing = digestParts(new Store(), 0xffffffff, null).flatMap((p) =>
    compareDigest(store, p, null).push
  );
  assert.equal(nothing.length, 200);
});

test("digestParts() leaves out whom it is told to leave out", () => {
  const own = recordOf(1);
  const store = merged([own, recordOf(2)]);
  assert.equal(digestParts(store, 0xffffffff, own.id)[0]!.entries.length, 24);
  const wholly = digestParts(merged([recordOf(2)]), 0xffffffff, null)[0]!;
  assert.deepEqual(compareDigest(store, wholly, own.id), { push: [], want: [] });
});
