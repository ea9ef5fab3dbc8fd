import { test } from "node:test";
import assert from "node:assert/strict";
import { forgottenLines } from "../../src/cli/forget.ts";

const NODE = {
  id: "ab".repeat(32),
  name: "beta",
  subnet: "10.42.9.0/24",
  state: "dead",
  revoked: false,
} as const;

test("forgottenLines() says what is free, and what a living node will do", () => {
  assert.deepEqual(forgottenLines(NODE), ["beta (abababab) is forgotten; 10.42.9.0/24 is free"]);
  const [first, second] = forgottenLines({ ...NODE, subnet: null, state: "alive" });
  assert.equal(first, "beta (abababab) is forgotten");
  assert.match(second!, /rejoin.*--revoke/);
});

test("forgottenLines() says that a revoked node still knows the secret", () => {
  const lines = forgottenLines({ ...NODE, name: null, subnet: null, state: null, revoked: true });
  assert.equal(lines[0], "The node abababab is revoked");
  assert.match(lines[1]!, /still has the network secret/);
});
