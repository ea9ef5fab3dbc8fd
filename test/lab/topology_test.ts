import assert from "node:assert/strict";
import { test } from "node:test";
import { hostNames } from "../../src/lab/topology.ts";

test("hostNames() names five in Greek and counts the rest", () => {
  assert.deepEqual(hostNames(7), ["alpha", "beta", "gamma", "delta", "epsilon", "host6", "host7"]);
});
