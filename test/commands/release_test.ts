import assert from "node:assert/strict";
import { test } from "node:test";
import { recordText, type StoredState } from "../../src/control/records/state.ts";
import { lostLeaseSentence, releaseSentence, releaseStoredLease } from "../../src/commands/release.ts";
import type { StateStore } from "../../src/daemon/state/state_store.ts";
import { directiveOf } from "../made/directives.ts";
import { identityOf, recordOf } from "../made/records.ts";
import { systemMachine } from "../../src/machine/machine.ts";
import { prefix } from "../../src/wire/prefix.ts";

const US = 1, ALPHA = 2;
const ID = identityOf(US).id;

function stored(change: Partial<StoredState> = {}): StoredState {
  return {
    version: 1,
    nodeId: ID,
    networkName: "ovltun",
    name: "us",
    mesh: null,
    directives: [],
    claim: { subnet: prefix("10.148.178.0/24"), stamp: 3, incarnation: 5 },
    incarnation: 6,
    epoch: 0,
    peers: [{ record: recordText(recordOf(ALPHA, { name: "alpha" }).raw), endpoint: "192.168.1.10:8473" }],
    ...change,
  };
}

const about = (change: Parameters<typeof directiveOf>[2], target = US) => [
  recordText(directiveOf(ALPHA, target, change).raw),
];

test("releaseStoredLease() of a revoked node says that the mesh freed its lease, and asks nobody", async () => {
  const state = { identity: identityOf(US), stored: stored({ directives: about({ revoke: true }) }) };
  const freed = "alpha revoked this node's key, which freed 10.148.178.0/24";
  assert.equal(
    await releaseStoredLease(systemMachine, state as unknown as StateStore),
    `No lease to release: ${freed}`,
  );
});

test("releaseSentence() says how a lease is freed that nobody heard given back", () => {
  const sentence = releaseSentence({ subnet: "10.148.178.0/24", outcome: "unheard" });
  assert.match(sentence, /^No member answered: .* run on a member: ovltun forget 10\.148\.178\.0\/24$/);
});

test("lostLeaseSentence() tells of a forgotten claim, and nothing of one that still counts", () => {
  const said = (directives: string[], change: Partial<StoredState> = {}) =>
    lostLeaseSentence(stored(change), directives, ID);
  assert.match(
    said(about({ incarnation: 5 }))!,
    /: alpha had the mesh forget this node, which freed/,
  );
  assert.match(said(about({ incarnation: 5 }), { peers: [] })!, /: [0-9a-f]{8} had the mesh forget/);
  assert.equal(said(about({ incarnation: 4 })), null, "claimed anew since");
  assert.equal(said(about({ revoke: true }, 3)), null, "somebody else");
  assert.equal(said(about({ revoke: true }), { claim: null }), null);
  assert.equal(said(["AAAA"]), null, "damaged");
});
