import { test } from "node:test";
import assert from "node:assert/strict";
import { type Challenge, Contests } from "../../../src/control/clones/contests.ts";
import { openProof } from "../../../src/control/links/clone_proofs.ts";
import { makeProof } from "../../../src/control/links/clone_proofs.ts";
import { HELLO_LEN } from "../../../src/wire/hello.ts";
import { ownNodeOf } from "../../made/own_node.ts";
import { identityOf } from "../../made/records.ts";

const NONCE = "0123456789abcdef";
const FROM = "192.0.2.9:8473";

function challenge(change: Partial<Challenge> = {}): Challenge {
  return { id: "a", life: "life", age: 1, nonce: NONCE, from: FROM, keyId: 7, held: null, ...change };
}

test("A host whose original does not answer is let in within a second, and not asked about again", () => {
  const contests = new Contests();
  contests.begin(challenge(), 1000);
  assert.ok(contests.isAt(FROM));
  assert.equal(contests.due(1000).length, 1);
  assert.equal(contests.due(1100).length, 0);
  assert.equal(contests.due(1200).length, 1, "asked again");
  assert.deepEqual(contests.settle(1700), []);
  assert.deepEqual(contests.settle(1900).map(({ from }) => from), [FROM]);
  assert.ok(contests.wasAdmitted("a", "life", 2000));
  assert.ok(!contests.wasAdmitted("a", "another life", 2000));
  assert.ok(!contests.wasAdmitted("a", "life", 120_000));
  assert.ok(!contests.isAt(FROM));
});

test("While the original's data plane answers no other host is let in, also where its control plane does not", () => {
  const contests = new Contests();
  contests.begin(challenge(), 0);
  contests.due(0)[0]!.probe("probe");
  assert.ok(!contests.probed("another"));
  assert.ok(contests.probed("probe"));
  for (let now = 0; now < 5000; now += 100) assert.deepEqual(contests.settle(now), []);
  assert.deepEqual(contests.settle(5000), []);
  assert.ok(!contests.isAt(FROM), "it may begin anew");
  assert.ok(!contests.wasAdmitted("a", "life", 5001));
});

test("A verdict ends it at once, and only by the nonce that was asked with", () => {
  const contests = new Contests();
  contests.begin(challenge(), 0);
  contests.begin(challenge({ from: "192.0.2.10:8473" }), 1);
  assert.ok(!contests.isAt("192.0.2.10:8473"), "one a node");
  assert.equal(contests.about("a", "fedcba9876543210"), null);
  assert.equal(contests.about("b", NONCE), null);
  const found = contests.about("a", NONCE)!;
  assert.equal(found.startedAt, 0);
  contests.refuse(found);
  assert.equal(contests.about("a", NONCE), null);
  assert.deepEqual(contests.settle(10_000), []);
  contests.begin(challenge(), 10_000);
  contests.admit(contests.about("a", NONCE)!);
  assert.deepEqual(contests.settle(10_001).map(({ id }) => id), ["a"]);
});

test("There are never more than a few hundred of them", () => {
  const contests = new Contests();
  for (let n = 0; n < 2000; n++) contests.begin(challenge({ id: `${n}` }), n);
  assert.ok(contests.due(5000).length <= 256);
});

test("openProof() takes what the node has signed for that nonce, and nothing else", () => {
  const identity = identityOf(1);
  const own = ownNodeOf(identity, { bootNonce: "1122334455667788", age: () => 77.9 });
  const proof = makeProof(own, { to: FROM, nonce: NONCE, relayed: true }, 0)!;
  assert.equal(proof.length, HELLO_LEN);
  assert.deepEqual(openProof(proof, identity.id, NONCE), { bootNonce: own.bootNonce, age: 77 });
  assert.equal(openProof(proof, identity.id, "fedcba9876543210"), null, "for another nonce");
  assert.equal(openProof(proof, identityOf(2).id, NONCE), null, "of another node");
  for (let at = 0; at < HELLO_LEN; at++) {
    const changed = proof.slice();
    changed[at]! ^= 1;
    assert.equal(openProof(changed, identity.id, NONCE), null, `byte ${at}`);
  }
  for (let length = 0; length < HELLO_LEN; length++) {
    assert.equal(openProof(proof.slice(0, length), identity.id, NONCE), null);
  }
});
