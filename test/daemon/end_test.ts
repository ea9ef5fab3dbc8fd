import assert from "node:assert/strict";
import { test } from "node:test";
import { lastWords } from "../../src/daemon/end.ts";

test("lastWords() speaks of a lease only where there is one to give back", () => {
  assert.equal(lastWords("release", "10.42.7.0/24"), "Giving the lease back");
  assert.equal(lastWords("release", null), "Stopping");
  assert.equal(lastWords("leave", "10.42.7.0/24"), "Stopping");
});
