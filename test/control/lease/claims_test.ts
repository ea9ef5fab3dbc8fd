import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { compareContenders, contenders, holdings } from "../../../src/control/lease/claims.ts";
import { recordOf } from "../../made/records.ts";
import { overlaps, prefix } from "../../../src/wire/prefix.ts";

const SUBNETS = ["10.42.0.0/24", "10.42.1.0/24", "10.42.0.0/23", "10.42.0.0/25", "10.42.3.0/24"].map(prefix);

const contest = fc.array(
  fc.record({
    seed: fc.integer({ min: 1, max: 8 }),
    subnet: fc.constantFrom(...SUBNETS),
    stamp: fc.integer({ min: 1, max: 4 }),
    reserved: fc.boolean(),
  }),
  { maxLength: 10 },
).map((list) =>
  contenders(
    list.map(({ seed, subnet, stamp, reserved }) =>
      recordOf(seed, reserved ? { reserved: [subnet] } : { claims: [{ subnet, stamp, incarnation: 1 }] })
    ),
  )
);

test("holdings() is the same for every order of the claims", () => {
  fc.assert(fc.property(contest, fc.infiniteStream(fc.nat()), (all, randoms) => {
    const keys = new Map(all.map((c) => [c, randoms.next().value]));
    const shuffled = [...all].sort((a, b) => keys.get(a)! - keys.get(b)!);
    const plain = (h: ReturnType<typeof holdings>) =>
      JSON.stringify([
        h.held.map((c) => [c.nodeId, c.subnet, c.stamp]),
        h.lost.map((l) => [l.claim.nodeId, l.claim.subnet, l.to.nodeId, l.to.subnet]),
      ]);
    assert.equal(plain(holdings(shuffled)), plain(holdings(all)));
  }));
});

test("No two held claims overlap, and each lost one overlaps a held one that comes before it", () => {
  fc.assert(fc.property(contest, (all) => {
    const { held, lost } = holdings(all);
    assert.equal(held.length + lost.length, all.length);
    for (const [i, a] of held.entries()) {
      for (const b of held.slice(i + 1)) {
        assert.ok((a.reserved && b.reserved) || !overlaps(a.subnet, b.subnet));
      }
    }
    for (const { claim, to } of lost) {
      assert.ok(held.includes(to) && overlaps(claim.subnet, to.subnet) && compareContenders(to, claim) <= 0);
    }
  }));
});

test("The lower stamp holds a subnet, then the smaller id, and a reservation before both", () => {
  const [a, b] = [recordOf(1), recordOf(2)].sort((x, y) => (x.id < y.id ? -1 : 1));
  const seedOf = (id: string) => (recordOf(1).id === id ? 1 : 2);
  const [small, large] = [seedOf(a!.id), seedOf(b!.id)];
  const subnet = SUBNETS[0]!;
  const winner = (stampSmall: number, stampLarge: number) =>
    holdings(contenders([
      recordOf(small, { claims: [{ subnet, stamp: stampSmall, incarnation: 1 }] }),
      recordOf(large, { claims: [{ subnet, stamp: stampLarge, incarnation: 1 }] }),
    ])).held[0]!.nodeId;
  assert.equal(winner(5, 4), recordOf(large).id);
  assert.equal(winner(4, 5), recordOf(small).id);
  assert.equal(winner(4, 4), recordOf(small).id);
  const reserved = [
    recordOf(small, { claims: [{ subnet, stamp: 1, incarnation: 1 }] }),
    recordOf(large, { reserved: [prefix("10.42.0.0/23")] }),
  ];
  assert.equal(holdings(contenders(reserved)).held[0]!.nodeId, recordOf(large).id);
});

test("Who loses one family's subnet loses the other's with it, and the holder of each is one node", () => {
  const SIX = ["fd42:1:2:1::/64", "fd42:1:2:2::/64", "fd42:1:2::/62"].map(prefix);
  const claim = fc.record({
    seed: fc.integer({ min: 1, max: 8 }),
    subnet: fc.constantFrom(...SUBNETS),
    second: fc.constantFrom(...SIX),
    stamp: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(fc.property(fc.array(claim, { maxLength: 8 }), (list) => {
    const records = list.map(({ seed, ...one }) => recordOf(seed, { claims: [{ ...one, incarnation: 1 }] }));
    const { held, lost } = holdings(contenders(records));
    assert.equal(held.length + lost.length, list.length);
    for (const [i, a] of held.entries()) {
      for (const b of held.slice(i + 1)) {
        assert.ok(!overlaps(a.subnet, b.subnet) && !overlaps(a.second!, b.second!));
      }
    }
    for (const { claim, to } of lost) {
      assert.ok(overlaps(claim.subnet, to.subnet) || overlaps(claim.second!, to.second!));
      assert.ok(held.includes(to) && compareContenders(to, claim) <= 0);
    }
    const again = holdings(contenders([...records].reverse()));
    assert.deepEqual(again.held, held);
  }));
});

test("A reservation of one family takes a claim's other subnet along", () => {
  const reserved = recordOf(1, { reserved: [prefix("fd42:1:2:1::/64")] });
  const claim = { subnet: SUBNETS[0]!, second: prefix("fd42:1:2:1::/64"), stamp: 1, incarnation: 1 };
  const { held, lost } = holdings(contenders([recordOf(2, { claims: [claim] }), reserved]));
  assert.deepEqual([held.length, lost.map((one) => one.claim.subnet)], [1, [SUBNETS[0]]]);
});
