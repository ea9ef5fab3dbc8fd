import { test } from "node:test";
import assert from "node:assert/strict";
import { editDistance, suggest } from "../../src/config/suggest.ts";

test("editDistance() counts inserts, deletes, replacements and swaps", () => {
  assert.equal(editDistance("", ""), 0);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("peer", "peers"), 1);
  assert.equal(editDistance("vxlna", "vxlan"), 1);
  assert.equal(editDistance("kitten", "sitting"), 3);
});

test("suggest() finds the near word and nothing far", () => {
  assert.equal(suggest("statsu", ["status", "peers"]), "status");
  assert.equal(suggest("PEERS", ["peers"]), "peers");
  assert.equal(suggest("zzz", ["status", "peers"]), null);
  assert.equal(suggest("x".repeat(1000), ["x".repeat(999)]), null);
});
