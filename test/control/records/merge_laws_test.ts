/**
 * What everybody knows, as a CRDT: records, tombstones and directives put in as a node puts them in, in whatever order, grouped
 * and repeated as gossip pleases. The laws of a join (commutative, associative, idempotent, monotone) hold for the state and for
 * who holds what, also where there is no room for all tombstones and directives.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { compareDirectives, Directives } from "../../../src/control/forget/directives.ts";
import { Holders } from "../../../src/control/lease/holders.ts";
import { decodeRecord, type NodeRecord } from "../../../src/control/records/record.ts";
import { storedBytes } from "../../../src/control/records/state.ts";
import { compareRecords, Store } from "../../../src/control/records/store.ts";
import { aboutOf, decodeDirective, type Directive } from "../../../src/wire/directive.ts";
import { overlaps, prefix } from "../../../src/wire/prefix.ts";
import { directiveOf, reservationOf } from "../../made/directives.ts";
import { recordOf } from "../../made/records.ts";
import { cases } from "../../made/seeds.ts";

const LONG = { timeout: 120_000 };

type Item = { readonly record: NodeRecord } | { readonly directive: Directive };

const SUBNETS = ["10.42.1.0/24", "10.42.2.0/24", "10.42.3.0/24", "10.42.2.0/23"].map(prefix);
const STATIC = prefix("10.42.9.0/24");
/** Claimed by some, never claimed, and that of a static peer. */
const RESERVABLE = ["10.42.2.0/24", "10.42.3.0/24", "10.42.4.0/24", "10.42.9.0/24"];

/** A node's knowledge, merged as node/record_steps.ts and node/forget_steps.ts do. */
class Replica {
  readonly store: Store;
  readonly directives: Directives;
  readonly holders: Holders;

  constructor(readonly limits: { readonly tombstones?: number; readonly directives?: number } = {}) {
    const { tombstones, directives } = limits;
    this.store = new Store(tombstones === undefined ? {} : { tombstones });
    this.directives = new Directives(directives);
    this.holders = new Holders(this.store, this.directives);
  }

  take(items: Iterable<Item>): this {
    for (const item of items) {
      if ("record" in item) {
        if (!this.directives.isForgotten(item.record)) this.store.insert(item.record);
      } else if (this.directives.insert(item.directive) !== null && item.directive.kind === "forget") {
        const { target } = item.directive;
        const known = this.store.get(target);
        if (known !== undefined && this.directives.isForgotten(known)) this.store.drop(target);
      }
    }
    return this;
  }

  /** What it would tell another: all that it has, as signed bytes. */
  items(): Item[] {
    return [
      ...[...this.store.records()].map((record) => ({ record: decodeRecord(record.raw)! })),
      ...[...this.store.tombstones()].map((text) => ({ record: decodeRecord(storedBytes(text))! })),
      ...this.directives.all().map(({ raw }) => ({ directive: decodeDirective(raw)! })),
    ];
  }

  content(): string {
    return JSON.stringify([
      [...this.store.records()].map((record) => record.raw.join()).sort(),
      [...this.store.tombstones()].sort(),
      this.directives.all().map(({ raw }) => raw.join()),
      [this.store.tree.root().join(), this.directives.tree.root().join()],
      this.held(),
    ]);
  }

  held(): unknown {
    const { held, lost } = this.holders.now();
    return [
      held.map((c) => [c.nodeId, c.subnet.text, c.stamp, c.reserved]),
      lost.map(({ claim, to }) => [claim.nodeId, claim.subnet.text, to.nodeId, to.subnet.text]),
    ];
  }
}

/** Few nodes, versions, boots and stamps, so that what is nearly the same meets often. A node's stamps only grow. */
const record = fc.record({
  seed: fc.integer({ min: 1, max: 6 }),
  incarnation: fc.integer({ min: 1, max: 4 }),
  epoch: fc.integer({ min: 0, max: 1 }),
  boot: fc.constantFrom("00000000000000aa", "00000000000000bb"),
  kind: fc.constantFrom("claim", "claim", "claim", "nothing", "reserves", "gone"),
  subnet: fc.constantFrom(...SUBNETS),
}).map(({ seed, incarnation, epoch, boot, kind, subnet }): Item => {
  const version = { incarnation, epoch, bootNonce: boot };
  if (kind === "gone") {
    return { record: made(seed, { ...version, gone: true, left: 10 * incarnation + epoch }) };
  }
  const claims = kind === "claim" ? [{ subnet, stamp: incarnation + (seed % 3), incarnation }] : [];
  return { record: made(seed, { ...version, claims, reserved: kind === "reserves" ? [STATIC] : [] }) };
});

const directive = fc.record({
  issuer: fc.integer({ min: 1, max: 2 }),
  target: fc.integer({ min: 1, max: 6 }),
  seq: fc.integer({ min: 1, max: 2 }),
  incarnation: fc.integer({ min: 0, max: 4 }),
  revoke: fc.constantFrom(false, false, false, true),
}).map(({ issuer, target, ...rest }): Item => ({ directive: directiveOf(issuer, target, rest) }));

const reservation = fc.record({
  issuer: fc.integer({ min: 1, max: 2 }),
  subnet: fc.constantFrom(...RESERVABLE),
  holder: fc.constantFrom(1, 2, 3, 4, null),
  seq: fc.integer({ min: 1, max: 3 }),
  moves: fc.boolean(),
}).map(({ issuer, subnet, holder, seq, moves }): Item => ({
  directive: reservationOf(issuer, subnet, holder, { seq, moves: holder !== null && moves }),
}));

const items = fc.array(
  fc.oneof({ weight: 3, arbitrary: record }, directive, reservation),
  { maxLength: 14 },
);

// Signing is what costs here. BOUNDED: by the combinations above
const signed = new Map<string, NodeRecord>();
function made(seed: number, change: Parameters<typeof recordOf>[1]): NodeRecord {
  const key = `${seed} ${JSON.stringify(change)}`;
  const known = signed.get(key) ?? recordOf(seed, change);
  signed.set(key, known);
  return known;
}

function shuffled<T>(list: readonly T[], seed: number): T[] {
  const keys = list.map((_, n) => Math.sin(seed * 991 + n * 7919));
  return list.map((_, n) => n).sort((a, b) => keys[a]! - keys[b]!).map((n) => list[n]!);
}

const NUMBER = fc.integer({ min: 1, max: 2 ** 30 });

test(
  "The same records and directives in any order, with any repetition, are one state with the same holders",
  LONG,
  () => {
    fc.assert(
      fc.property(items, NUMBER, NUMBER, (list, a, b) => {
        const once = new Replica().take(list).content();
        assert.equal(new Replica().take(shuffled(list, a)).content(), once);
        assert.equal(
          new Replica().take(shuffled([...list, ...shuffled(list, b), ...list], a)).content(),
          once,
        );
      }),
      cases(2000, 8473),
    );
  },
);

test(
  "Merging states is commutative, associative and idempotent, and merging what they came from is the same",
  LONG,
  () => {
    const merge = (...replicas: Replica[]) => new Replica().take(replicas.flatMap((one) => one.items()));
    fc.assert(
      fc.property(items, items, items, (x, y, z) => {
        const [a, b, c] = [x, y, z].map((list) => new Replica().take(list)) as [Replica, Replica, Replica];
        const all = new Replica().take([...x, ...y, ...z]).content();
        assert.equal(merge(a, b, c).content(), all);
        assert.equal(merge(c, a, b).content(), all);
        assert.equal(merge(merge(a, b), c).content(), all);
        assert.equal(merge(a, merge(b, c)).content(), all);
        assert.equal(merge(merge(a, b, c), a, merge(b, b)).content(), all);
        assert.equal(merge(a, a).content(), a.content());
      }),
      cases(600, 8474),
    );
  },
);

test(
  "Merging is monotone: no node's version and no directive ever goes back, and nothing forgotten is kept",
  LONG,
  () => {
    fc.assert(
      fc.property(items, items, (before, more) => {
        const replica = new Replica().take(before);
        const known = new Map(
          replica.items().flatMap((i) => "record" in i ? [[i.record.id, i.record] as const] : []),
        );
        const decided = replica.directives.all();
        for (const item of more) {
          replica.take([item]);
          for (const [id, record] of known) {
            const now = replica.store.get(id);
            if (now === undefined) {
              assert.ok(replica.directives.isForgotten(record), "only what is forgotten goes");
            } else assert.ok(compareRecords(now, record) >= 0);
          }
          for (const one of replica.items()) {
            if ("record" in one) assert.ok(!replica.directives.isForgotten(one.record));
          }
          for (const one of decided) {
            const now = replica.directives.get(aboutOf(one))!;
            assert.ok(compareDirectives(now, one) >= 0);
            if (now.kind !== "forget" || one.kind !== "forget") continue;
            assert.ok(now.revoke || (!one.revoke && now.incarnation >= one.incarnation));
          }
        }
      }),
      cases(1000, 8475),
    );
  },
);

test("No subnet has two holders, and a reservation that counts is never lost", LONG, () => {
  fc.assert(
    fc.property(items, (list) => {
      const replica = new Replica().take(list);
      const { held } = replica.holders.now();
      for (const [n, a] of held.entries()) {
        for (const b of held.slice(n + 1)) {
          if (!overlaps(a.subnet, b.subnet)) continue;
          // Two nodes have one static peer, or a node has claimed what is reserved for it.
          const itsOwn = a.reserved === "directive" && b.reserved === null && a.nodeId === b.nodeId;
          assert.ok(itsOwn || (a.reserved === "static" && b.reserved === "static"));
        }
      }
      for (const { id, reserved } of replica.store.records()) {
        for (const subnet of reserved) {
          assert.ok(
            held.some((c) => c.reserved === "static" && c.nodeId === id && c.subnet.text === subnet.text),
          );
          assert.ok(!held.some((c) => c.reserved !== "static" && overlaps(c.subnet, subnet)));
        }
      }
      const statics = held.filter((c) => c.reserved === "static");
      for (const { subnet, holder } of replica.directives.standing()) {
        const beaten = statics.some((c) => overlaps(c.subnet, subnet));
        const mine = held.some((c) =>
          c.reserved === "directive" && c.nodeId === holder && c.subnet === subnet
        );
        assert.equal(mine, !beaten);
        assert.ok(
          !held.some((c) => c.reserved === null && c.nodeId !== holder && overlaps(c.subnet, subnet)),
        );
      }
    }),
    cases(1000, 8476),
  );
});

test("Whoever left, or was forgotten, holds nothing by any older record, whenever that comes", LONG, () => {
  fc.assert(
    fc.property(items, NUMBER, (list, seed) => {
      const order = shuffled(list, seed);
      const replica = new Replica().take(order);
      for (const item of list) {
        const floor = floorOf(item);
        if (floor === null) continue;
        replica.take(list); // all of it once more, the old with the rest
        const now = replica.store.get(floor.id);
        if (now === undefined || now.gone) assert.equal(replica.holders.leaseOf(floor.id), null);
        else assert.ok(now.incarnation >= floor.incarnation);
      }
    }),
    cases(500, 8477),
  );
});

function floorOf(item: Item): { readonly id: string; readonly incarnation: number } | null {
  if ("record" in item) {
    const { id, incarnation, gone } = item.record;
    return gone ? { id, incarnation } : null;
  }
  const { directive } = item;
  return directive.kind === "reserve" ? null : { id: directive.target, incarnation: directive.incarnation };
}

for (const room of [0, 1, 2]) {
  test(
    `With room for ${room} tombstones and directives, what is kept is the same in any order, and so are two who tell each other all`,
    LONG,
    () => {
      const limits = { tombstones: room, directives: room };
      const gone = record.filter((item) => "record" in item && item.record.gone);
      // What left, and nothing else: an older record of who is beyond the room would be news.
      const some = fc.array(fc.oneof(gone, directive, reservation), { maxLength: 14 });
      fc.assert(
        fc.property(some, some, NUMBER, (x, y, seed) => {
          const only = (kind: string) => (list: readonly Item[]) => list.filter((item) => kind in item);
          for (const kind of [only("directive"), only("record")]) {
            const all = new Replica(limits).take(kind([...x, ...y]));
            assert.equal(
              new Replica(limits).take(shuffled(kind([...y, ...x, ...y]), seed)).content(),
              all.content(),
            );
            const [a, b] = [new Replica(limits).take(kind(x)), new Replica(limits).take(kind(y))];
            assert.equal(new Replica(limits).take([...b.items(), ...a.items()]).content(), all.content());
            assert.ok(all.store.goneSize <= room && all.directives.size <= 2 * room);
          }
          const [a, b] = [new Replica(limits).take(x), new Replica(limits).take(y)];
          for (let turn = 0; turn < 3; turn++) exchange(a, b);
          assert.equal(a.content(), b.content());
        }),
        cases(500, 8478 + room),
      );
    },
  );
}

function exchange(a: Replica, b: Replica): void {
  const [fromA, fromB] = [a.items(), b.items()];
  a.take(fromB);
  b.take(fromA);
}
