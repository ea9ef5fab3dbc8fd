import { test } from "node:test";
import assert from "node:assert/strict";
import { controlEvent } from "../../../src/daemon/planes/control_events.ts";

test("controlEvent() names peers by their ids, and drops what is about a peer that is gone", () => {
  const keyOf = (slot: number) => slot === 7 ? "b" : null;
  const of = (event: Parameters<typeof controlEvent>[0]) => controlEvent(event, keyOf);
  assert.deepEqual(of({ kind: "sessionWanted", slot: 7 }), { kind: "sessionWanted", id: "b" });
  assert.deepEqual(of({ kind: "rekeyWanted", slot: 7 }), { kind: "sessionWanted", id: "b" });
  assert.equal(of({ kind: "sessionWanted", slot: 8 }), null);
  const endpoint = "10.0.0.1:1";
  assert.deepEqual(of({ kind: "roamed", slot: 7, endpoint }), { kind: "roamed", id: "b", endpoint });
  assert.equal(of({ kind: "roamed", slot: 8, endpoint }), null);
  assert.deepEqual(of({ kind: "badMac", from: endpoint, question: true }), {
    kind: "badMac",
    from: endpoint,
    question: true,
  });
  assert.equal(of({ kind: "tunGone" }), null);
});
