import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { compareContenders, contenders, holdings, reservedBy } from "../../../src/control/lease/claims.ts";
import { Holders } from "../../../src/control/lease/holders.ts";
import { Directives } from "../../../src/control/forget/directives.ts";
import { Store } from "../../../src/control/records/store.ts";
import { leasedText } from "../../../src/control/records/record.ts";
import { reservationKey } from "../../../src/wire/directive.ts";
import { directiveOf, reservationOf } from "../../made/directives.ts";
import { cases } from "../../made/seeds.ts";
import { askedAt } from "../../../src/control/paths/way.ts";
import { subnetsOf } from "../../../src/control/records/record.ts";
import type { MeshConfig } from "../../../src/control/mesh/mesh_config.ts";
import { foundMesh } from "../../../src/control/mesh/mesh.ts";
import { settingsFor } from "../../made/settings.ts";
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

const SIX = ["fd42:1:2:1::/64", "fd42:1:2:2::/64", "fd42:1:2::/62"].map(prefix);

test("Who loses one family's subnet loses the other's with it, and the holder of each is one node", () => {
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

const plain = (h: ReturnType<typeof holdings>) => ({
  held: [...h.held].sort(compareContenders).map((c) => [c.nodeId, leasedText(c), c.stamp, c.reserved]),
  lost: [...h.lost].sort((a, b) => compareContenders(a.claim, b.claim))
    .map((l) => [l.claim.nodeId, leasedText(l.claim), l.to.nodeId, leasedText(l.to)]),
});

test("Holders, change by change, give what holdings() gives for all claims at once", () => {
  const subnets = [...SUBNETS, prefix("10.0.0.0/8"), prefix("10.42.0.128/25"), prefix("fd00::/64")];
  const change = fc.record({
    seed: fc.integer({ min: 1, max: 6 }),
    claims: fc.array(
      fc.record({
        subnet: fc.constantFrom(...subnets),
        second: fc.constantFrom(undefined, undefined, ...SIX),
        stamp: fc.integer({ min: 1, max: 4 }),
      }),
      { maxLength: 3 },
    ),
    reserved: fc.subarray(subnets.slice(0, 4), { maxLength: 2 }),
    what: fc.constantFrom("record", "record", "record", "gone", "forget", "revoke", "reserve", "unreserve"),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 25 }), (changes) => {
      const [store, directives] = [new Store(), new Directives()];
      const holders = new Holders(store, directives);
      changes.forEach(({ seed, claims, reserved, what }, at) => {
        if (what === "forget" || what === "revoke") {
          const target = recordOf(seed).id;
          const incarnation = store.get(target)?.incarnation ?? 0;
          directives.insert(directiveOf(7, seed, { incarnation, revoke: what === "revoke" }));
          if (at % 2 === 0) store.drop(target);
        } else if (what === "reserve" || what === "unreserve") {
          const holder = what === "reserve" ? seed : null;
          directives.insert(reservationOf(7, subnets[(seed + at) % 4]!.text, holder, { seq: at + 1 }));
        } else {
          const incarnation = at + 1;
          const made = claims.map(({ second, ...claim }) => ({
            ...claim,
            ...(second === undefined ? {} : { second }),
            incarnation,
          }));
          store.insert(recordOf(seed, { incarnation, claims: made, reserved, gone: what === "gone" }));
        }
        const all = [
          ...contenders(store.records(), directives),
          ...subnets.flatMap((one) => reservedBy(reservationKey(one), directives)),
        ];
        assert.deepEqual(plain(holders.now()), plain(holdings(all)));
        for (let node = 1; node <= 6; node++) {
          const { id } = recordOf(node);
          const { held, lost } = holdings(all);
          const losses = lost.filter((l) => l.claim.nodeId === id || l.to.nodeId === id);
          assert.deepEqual(
            plain({ held: [], lost: [...holders.lossesOf(id)] }),
            plain({ held: [], lost: losses }),
          );
          const lease = holders.leaseOf(id);
          assert.equal(lease !== null, held.some((c) => c.nodeId === id && c.reserved === null));
          if (lease !== null) {
            for (const subnet of subnetsOf(lease)) {
              assert.equal(holders.leaseAt(askedAt(subnet)!)?.nodeId, id);
            }
          }
        }
        assert.equal(
          holders.besides(recordOf(1).id).length,
          all.filter((c) => c.reserved === "static" || c.nodeId !== recordOf(1).id).length,
        );
      });
    }),
    cases(300, 8473),
  );
});

test("One changed record of 2,000 has a handful of claims looked at, not all of them", () => {
  const [store, directives] = [new Store(), new Directives()];
  const holders = new Holders(store, directives);
  const claim = (n: number) => ({
    claims: [{ subnet: prefix(`10.${n >> 8}.${n & 255}.0/24`), stamp: n, incarnation: 1 }],
  });
  for (let n = 1; n <= 2000; n++) store.insert(recordOf(n, claim(n)));
  const all = holders.decided;
  assert.equal(all, 2000);
  store.insert(recordOf(7, { ...claim(7), epoch: 1, endpoints: ["192.168.1.7:8473"] }));
  assert.equal(holders.decided - all, 0, "its claim is the same");
  store.insert(recordOf(7, { ...claim(8), epoch: 2 }));
  assert.ok(holders.decided - all <= 4, `${holders.decided - all}`);
  assert.equal([...holders.lossesOf(recordOf(7).id)].length, 1);
  directives.insert(directiveOf(1, 8));
  store.drop(recordOf(8).id);
  assert.ok(holders.decided - all <= 8);
  assert.equal(holders.leaseOf(recordOf(7).id)?.subnet.text, "10.0.8.0/24");
});

test("In a mesh of both families a claim is compared with its like, also beside one of all of IPv6", () => {
  const [store, directives] = [new Store(), new Directives()];
  const holders = new Holders(store, directives);
  const claim = (n: number) => ({
    subnet: prefix(`10.42.${n}.0/24`),
    second: prefix(`fd42:1:2:${n.toString(16)}::/64`),
    stamp: n,
    incarnation: 1,
  });
  for (let n = 1; n <= 200; n++) store.insert(recordOf(n, { claims: [claim(n)] }));
  const before = holders.decided;
  store.insert(recordOf(201, { claims: [claim(201)] }));
  assert.equal(holders.decided - before, 1);
  store.insert(recordOf(202, { claims: [{ subnet: prefix("::/0"), stamp: 999, incarnation: 1 }] }));
  store.insert(recordOf(203, { claims: [claim(203)] }));
  const all = contenders(store.records(), directives);
  const plain = ({ held, lost }: ReturnType<typeof holdings>) =>
    JSON.stringify([held.map((c) => [c.nodeId, c.subnet]), lost.map((l) => [l.claim.nodeId, l.to.nodeId])]);
  assert.equal(plain(holders.now()), plain(holdings(all)));
});

test("A claim that no lease of the mesh looks like, or a reservation of a whole network, takes nothing from anybody, once the mesh is known", () => {
  const store = new Store();
  const subnet = prefix("10.42.7.0/24");
  const second = prefix("fd00:42:0:7::/64");
  const honest = recordOf(1, { claims: [{ subnet, second, stamp: 9, incarnation: 1 }] });
  store.insert(honest);
  const odd = [
    "::/0",
    "0.0.0.0/0",
    "10.42.0.0/16",
    "10.42.7.0/25",
    "10.42.0.0/24",
    "192.168.0.0/24",
    "fd00:42::/48",
  ];
  odd.forEach((text, n) =>
    store.insert(recordOf(n + 2, { claims: [{ subnet: prefix(text), stamp: 1, incarnation: 1 }] }))
  );
  const twice = { subnet: prefix("10.42.9.0/24"), second: prefix("fd00:42::/63"), stamp: 1, incarnation: 1 };
  store.insert(recordOf(20, { claims: [twice] }));
  store.insert(recordOf(21, { reserved: ["::/0", "10.0.0.0/8", "fd00:42::/48"].map(prefix) }));
  const founded = foundMesh(settingsFor("a", { network: prefix("10.42.0.0/16") }));
  if (typeof founded === "string") throw new Error(founded);
  const six = { subnetLen: 64, subnetMin: "fd00:42:0:1::", subnetMax: "fd00:42:0:ffff::" };
  const both: MeshConfig = { ...founded, second: { network: prefix("fd00:42::/48"), ...six } };
  let mesh: MeshConfig | null = null;
  const holders = new Holders(store, new Directives(), () => mesh);
  assert.notEqual(holders.leaseOf(honest.id)?.subnet.text, subnet.text, "all count before");
  mesh = both;
  assert.deepEqual(holders.now().held.map((one) => leasedText(one)), [leasedText({ subnet, second })]);
  assert.deepEqual([holders.now().lost, holders.besides("")].map((list) => list.length), [0, 1]);
});

test("What is reserved for a node is held by it however late it claims, and by nobody else", () => {
  const subnet = prefix("10.42.9.0/24");
  const [store, directives] = [new Store(), new Directives()];
  const holders = new Holders(store, directives);
  const claims = (stamp: number) => ({ claims: [{ subnet, stamp, incarnation: 1 }] });
  store.insert(recordOf(2, claims(1)));
  assert.equal(holders.leaseOf(recordOf(2).id)?.subnet, subnet);
  directives.insert(reservationOf(3, subnet.text, 1));
  assert.equal(holders.leaseOf(recordOf(2).id), null, "an earlier claim of another");
  assert.equal([...holders.lossesOf(recordOf(2).id)][0]!.to.reserved, "directive");
  store.insert(recordOf(1, claims(9)));
  assert.equal(holders.leaseOf(recordOf(1).id)?.subnet, subnet);
  directives.insert(reservationOf(3, subnet.text, null, { seq: 2 }));
  assert.equal(holders.leaseOf(recordOf(2).id)?.subnet, subnet, "nothing is reserved any more: by stamps");
});

test("A reservation that no lease looks like reserves nothing, and none is for a node whose key is refused", () => {
  const [store, directives] = [new Store(), new Directives()];
  const mesh = foundMesh(settingsFor("alpha", { network: prefix("10.42.0.0/16") })) as MeshConfig;
  const holders = new Holders(store, directives, () => mesh);
  for (const text of ["10.42.0.0/16", "10.42.8.0/23", "10.42.9.0/25", "10.43.9.0/24", "::/0", "0.0.0.0/0"]) {
    directives.insert(reservationOf(2, text, 1));
  }
  assert.deepEqual(holders.now().held, []);
  directives.insert(reservationOf(2, "10.42.9.0/24", 1));
  assert.equal(holders.reservedFor(recordOf(1).id).length, 1);
  directives.insert(directiveOf(2, 1, { revoke: true }));
  assert.deepEqual([holders.reservedFor(recordOf(1).id), holders.now().held], [[], []]);
});
