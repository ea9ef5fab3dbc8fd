import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { contenders, holdings } from "../../../src/control/lease/claims.ts";
import { compareDirectives, Directives, openDirective } from "../../../src/control/forget/directives.ts";
import { aboutOf, type Directive } from "../../../src/wire/directive.ts";
import { directiveOf, reservationOf } from "../../made/directives.ts";
import { identityOf, recordOf } from "../../made/records.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const SMALL = 3;

/** Few issuers, targets and numbers, so that the same and nearly the same ones meet often. */
const some: fc.Arbitrary<Directive[]> = fc.array(
  fc.record({
    issuer: fc.integer({ min: 1, max: 3 }),
    target: fc.integer({ min: 4, max: 9 }),
    seq: fc.integer({ min: 1, max: 2 }),
    incarnation: fc.integer({ min: 1, max: 3 }),
    revoke: fc.boolean(),
  }).map(({ issuer, target, seq, incarnation, revoke }) =>
    directiveOf(issuer, target, { seq, incarnation, revoke })
  ),
  { maxLength: 12 },
);

function merged(max: number, ...lists: readonly Directive[][]): Directives {
  const set = new Directives(max);
  for (const directive of lists.flat()) set.insert(directive);
  return set;
}

function same(a: Directives, b: Directives): void {
  assert.deepEqual(a.all().map((d) => d.raw), b.all().map((d) => d.raw));
  assert.deepEqual(a.tree.root(), b.tree.root());
}

for (const max of [4096, SMALL]) {
  test(`Directives merge in any order, any grouping and any number of times, with room for ${max}`, () => {
    fc.assert(
      fc.property(some, some, some, (a, b, c) => {
        const all = merged(max, a, b, c);
        same(all, merged(max, c, b, a)); // commutative
        same(all, merged(max, merged(max, a, b).all(), c)); // associative
        same(all, merged(max, a, merged(max, b, c).all()));
        same(all, merged(max, a, a, b, c, all.all(), b)); // idempotent
        assert.ok(all.size <= max);
      }),
      { numRuns: 300, seed: 8473 },
    );
  });
}

test("Directives.insert() returns what changed something, and null for the rest", () => {
  const set = new Directives(2);
  const forgets = directiveOf(1, 4);
  assert.equal(set.insert(forgets), forgets);
  assert.equal(set.insert(directiveOf(1, 4)), null);
  assert.equal(set.insert(directiveOf(2, 4, { incarnation: 4, seq: 99 })), null, "weaker: an older state");
  const revoked = directiveOf(2, 4, { incarnation: 0, revoke: true });
  const version = set.version;
  assert.equal(set.insert(revoked), revoked, "stronger than any other");
  assert.ok(set.version > version);
  assert.equal(set.insert(directiveOf(1, 4, { incarnation: 2 ** 47 - 1 })), null);
  assert.notEqual(set.insert(directiveOf(1, 5, { incarnation: 9 })), null);
  assert.equal(set.insert(directiveOf(1, 6, { incarnation: 8 })), null, "no room for the weakest");
  assert.notEqual(set.insert(directiveOf(1, 7, { incarnation: 10 })), null);
  assert.deepEqual(set.forgettings().map((d) => d.target).sort(), [4, 7].map((n) => identityOf(n).id).sort());
});

test("compareDirectives() is total: equal only for the same bytes", () => {
  const list = [1, 2].flatMap((issuer) =>
    [1, 2].flatMap((seq) => [false, true].map((revoke) => directiveOf(issuer, 4, { seq, revoke })))
  );
  for (const a of list) {
    for (const b of list) {
      assert.equal(Math.sign(compareDirectives(a, b)), -Math.sign(compareDirectives(b, a)) || 0);
      assert.equal(compareDirectives(a, b) === 0, a === b);
    }
  }
});

test("openDirective() takes only what its issuer signed, bit for bit", () => {
  const directive = directiveOf(1, 4, { revoke: true, incarnation: 2 ** 47, seq: 7 });
  assert.deepEqual(openDirective(directive.raw), directive);
  for (let bit = 0; bit < directive.raw.length * 8; bit++) {
    const raw = directive.raw.slice();
    raw[bit >>> 3] = raw[bit >>> 3]! ^ (1 << (bit & 7));
    assert.equal(openDirective(raw), null, `bit ${bit}`);
  }
  const forged = directiveOf(2, 4, { issuer: identityOf(1).id });
  assert.equal(openDirective(forged.raw), null, "signed by somebody else");
});

test("Forgotten is what was claimed up to its incarnation, however old the record that brings it", () => {
  const set = merged(10, [directiveOf(1, 4, { incarnation: 5 })]);
  const id = identityOf(4).id;
  assert.ok(set.isForgotten({ id, incarnation: 5 }));
  assert.ok(!set.isForgotten({ id, incarnation: 6 }));
  assert.ok(!set.isForgotten({ id: identityOf(5).id, incarnation: 1 }));
  // A restart: the record's incarnation is greater, the claim is the old one.
  assert.ok(set.isClaimForgotten(id, { incarnation: 5 }));
  assert.ok(!set.isClaimForgotten(id, { incarnation: 6 }));
  assert.ok(!set.isRevoked(id));
});

test("A revocation voids everything of a key, in every incarnation", () => {
  const set = merged(10, [directiveOf(1, 4, { incarnation: 0, revoke: true })]);
  const id = identityOf(4).id;
  assert.ok(set.isRevoked(id) && set.isForgotten({ id, incarnation: 2 ** 47 }));
  assert.ok(set.isClaimForgotten(id, { incarnation: 2 ** 47 }));
  assert.ok(!set.isRevoked(identityOf(1).id));
});

test("holdings() gives the subnet of a forgotten claim to the next, and frees reservations of a forgotten node", () => {
  const subnet = prefix("10.42.7.0/24");
  const old = recordOf(4, { incarnation: 5, claims: [{ subnet, stamp: 1, incarnation: 5 }] });
  const restarted = recordOf(4, { incarnation: 6, claims: [{ subnet, stamp: 1, incarnation: 5 }] });
  const next = recordOf(5, { claims: [{ subnet, stamp: 9, incarnation: 1 }] });
  const reserving = recordOf(6, { incarnation: 2, reserved: [subnet] });
  const holderOf = (records: Parameters<typeof contenders>[0], set: Directives) =>
    holdings(contenders(records, set)).held.find((c) => c.subnet === subnet)?.nodeId;
  const none = new Directives();
  const forgets = merged(10, [directiveOf(1, 4, { incarnation: 5 }), directiveOf(1, 6, { incarnation: 2 })]);
  for (const record of [old, restarted]) {
    assert.equal(holderOf([record, next], none), record.id, "the lower stamp, without a directive");
    assert.equal(holderOf([record, next], forgets), next.id);
  }
  assert.equal(holderOf([reserving, next], none), reserving.id);
  assert.equal(holderOf([reserving, next], forgets), next.id);
});

test("What is reserved for a revoked node is told of again when the revocation gives way to others", () => {
  const set = new Directives(1, 8);
  const reserved = reservationOf(1, "10.42.7.0/24", 4);
  const key = aboutOf(reserved);
  set.insert(reserved);
  set.insert(directiveOf(1, 4, { revoke: true }));
  assert.equal(set.standingOf(key), null);
  const told: string[] = [];
  set.onChange((one) => told.push(one));
  set.insert(directiveOf(1, 5, { revoke: true, incarnation: 9 }));
  assert.equal(set.standingOf(key), reserved);
  assert.ok(told.includes(key), "who has the answer kept asks again");
});
