import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  compareGenerations,
  type Generation,
  KEEP_MS,
  Rotation,
  SETTLE_MS,
  SWITCH_MS,
} from "../../../src/control/secrets/rotation.ts";

const FIRST: Generation = { keyId: 1, seq: 0, issuer: "", dropOld: false };
const SECOND: Generation = { keyId: 2, seq: 1, issuer: "b", dropOld: false };

test("A new secret is accepted at once and used when everybody alive has it", () => {
  const rotation = new Rotation(FIRST, 0);
  assert.deepEqual([rotation.accepted(0), rotation.underWay], [[1], false]);
  assert.ok(rotation.learn(SECOND, 100));
  assert.ok(!rotation.learn(SECOND, 200));
  assert.deepEqual([rotation.used.keyId, rotation.accepted(200), rotation.underWay], [1, [1, 2], true]);
  assert.deepEqual(rotation.tick(false, 300), []);
  assert.equal(rotation.used.keyId, 1);
  assert.deepEqual(rotation.tick(true, 400), []);
  assert.deepEqual([rotation.used.keyId, rotation.accepted(400), rotation.underWay], [2, [2, 1], false]);
});

test("Members that never acknowledge hold it up for a time, and no longer", () => {
  const rotation = new Rotation(FIRST, 0);
  rotation.learn(SECOND, 1000);
  rotation.tick(false, 1000 + SWITCH_MS - 1);
  assert.equal(rotation.used.keyId, 1);
  rotation.tick(false, 1000 + SWITCH_MS);
  assert.equal(rotation.used.keyId, 2);
});

test("Whoever hears the new secret in use follows at once, and never goes back", () => {
  const rotation = new Rotation(FIRST, 0);
  assert.ok(!rotation.onUse(2, 0), "not known yet");
  rotation.learn(SECOND, 0);
  assert.ok(rotation.onUse(2, 10));
  assert.ok(!rotation.onUse(1, 20));
  assert.equal(rotation.used.keyId, 2);
  assert.ok(!rotation.learn({ ...FIRST, keyId: 9 }, 30), "older than what is used");
});

test("The old secret lets those in who were away, and then is dropped; soon when it is in wrong hands", () => {
  const kept = new Rotation(FIRST, 0);
  kept.learn(SECOND, 0);
  kept.tick(true, 50);
  assert.deepEqual(kept.tick(true, 50 + KEEP_MS - 1), []);
  assert.deepEqual(kept.accepted(50 + KEEP_MS - 1), [2, 1]);
  assert.deepEqual(kept.accepted(50 + KEEP_MS), [2]);
  assert.deepEqual(kept.tick(true, 50 + KEEP_MS), [1], "to be wiped");
  const stolen = new Rotation(FIRST, 0);
  stolen.learn({ ...SECOND, dropOld: true }, 0);
  assert.deepEqual(stolen.accepted(0), [1, 2], "until all have it nobody is cut off");
  assert.deepEqual(stolen.tick(true, 50), [], "others are about to hear that all have it");
  assert.deepEqual(stolen.tick(true, 50 + SETTLE_MS), [1]);
  assert.deepEqual(stolen.accepted(50 + SETTLE_MS), [2]);
});

test("Once every member has the new secret, those who were away too, the old one goes", () => {
  const rotation = new Rotation(FIRST, 0);
  rotation.learn(SECOND, 0);
  assert.deepEqual(rotation.tick(true, 100, true), []);
  assert.deepEqual(rotation.tick(true, 99 + SETTLE_MS, true), []);
  assert.deepEqual(rotation.tick(true, 100 + SETTLE_MS, true), [1]);
});

test("A secret of a token finds its place in the order when a member tells it", () => {
  const rotation = new Rotation({ ...SECOND, issuer: "" }, 0);
  assert.ok(rotation.place({ ...SECOND, seq: 3 }));
  assert.ok(!rotation.place(SECOND));
  assert.deepEqual([rotation.used.seq, rotation.newest.seq], [3, 3]);
});

test("A key id that is taken is not learned: nobody could tell the two apart", () => {
  const rotation = new Rotation(FIRST, 0);
  assert.ok(!rotation.learn({ ...SECOND, keyId: 1 }, 0));
});

test("Members that rotate at once end with one secret, and can open one another all the time", () => {
  const step = fc.record({ node: fc.nat(3), action: fc.constantFrom("make", "tell", "tick"), to: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const nodes = [0, 1, 2, 3].map(() => new Rotation(FIRST, 0));
      const made: Generation[] = [];
      let now = 0;
      const check = () => {
        for (const sender of nodes) {
          for (const receiver of nodes) assert.ok(receiver.accepted(now).includes(sender.used.keyId));
        }
      };
      const tell = (from: Rotation, to: Rotation) => {
        for (const g of made) if (from.accepted(now).includes(g.keyId)) to.learn(g, now);
        to.onUse(from.used.keyId, now);
      };
      for (const { node, action, to } of steps) {
        now += 1000;
        const rotation = nodes[node]!;
        if (action === "make" && !rotation.underWay && made.length < 3) {
          const seq = rotation.newest.seq + 1;
          const generation = { keyId: 10 + made.length, seq, issuer: `n${node}`, dropOld: false };
          made.push(generation);
          rotation.learn(generation, now);
        } else if (action === "tell") tell(rotation, nodes[to]!);
        else if (action === "tick") {
          // Acknowledged by all: everybody accepts it.
          rotation.tick(nodes.every((n) => n.accepted(now).includes(rotation.newest.keyId)), now);
        }
        check();
      }
      for (let round = 0; round < 4; round++) {
        for (const from of nodes) for (const to of nodes) tell(from, to);
        for (const n of nodes) n.tick(true, now);
        check();
      }
      assert.equal(new Set(nodes.map((n) => n.used.keyId)).size, 1);
      assert.equal(nodes[0]!.used.keyId, [...made, FIRST].sort(compareGenerations).at(-1)!.keyId);
    }),
    { numRuns: 2000, seed: 8473 },
  );
});

test("A member cannot use up the numbers of secrets", () => {
  const last = 999_999_999;
  for (const first of [FIRST, { ...FIRST, seq: 7, issuer: "a" }]) {
    const rotation = new Rotation(first, 0);
    assert.ok(!rotation.learn({ keyId: 2, seq: last, issuer: "ffff", dropOld: false }, 0));
    assert.ok(!rotation.place({ ...first, seq: last, issuer: "ffff" }), "of the secret in use");
    assert.ok(rotation.learn({ keyId: 3, seq: first.seq + 4, issuer: "b", dropOld: false }, 0));
    assert.equal(rotation.newest.seq, first.seq + 4);
  }
  // A token says of its secret that it was rotated, not how often.
  const joiner = new Rotation({ keyId: 1, seq: 1, issuer: "", dropOld: false }, 0);
  assert.ok(joiner.place({ keyId: 1, seq: 300, issuer: "b", dropOld: false }));
  assert.ok(joiner.learn({ keyId: 2, seq: 301, issuer: "b", dropOld: false }, 0));
});
