import { test } from "node:test";
import assert from "node:assert/strict";
import { rotatedLines } from "../../src/cli/secret.ts";

const ROTATED = {
  generation: 1,
  underWay: true,
  olderAccepted: 1,
  without: ["beta", "gamma"],
  away: ["delta"],
};

test("rotatedLines() says who has not got the new secret, and what becomes of those away", () => {
  const kept = rotatedLines(ROTATED, false).join("\n");
  assert.match(kept, /to beta, gamma; it takes effect/);
  assert.match(kept, /Away: delta; .* within 7 days/);
  assert.match(rotatedLines(ROTATED, true).join("\n"), /will need a new token .*: delta$/);
  const alone = rotatedLines({ ...ROTATED, without: [], away: [] }, false);
  assert.equal(alone.length, 2);
  assert.match(alone[0]!, /is rotated; no other live node/);
});
