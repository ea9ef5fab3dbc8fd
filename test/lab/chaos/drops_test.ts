import assert from "node:assert/strict";
import { test } from "node:test";
import { dropRules } from "../../../src/lab/chaos/drops.ts";

const addressOf = (host: string) => `10.99.0.${"_abcd".indexOf(host)}`;

test("dropRules() drops in one direction, and counts a packet once that two ends would lose", () => {
  const rules = dropRules([{ from: ["a"], to: ["b", "c"] }], { hosts: ["c", "d"], percent: 10 }, addressOf);
  const lines = rules.split("\n").filter((line) => line.startsWith("ip "));
  assert.deepEqual(lines, [
    "ip saddr { 10.99.0.1 } ip daddr { 10.99.0.2, 10.99.0.3 } drop",
    "ip saddr { 10.99.0.3, 10.99.0.4 } numgen random mod 100 < 10 drop",
    "ip saddr != { 10.99.0.3, 10.99.0.4 } ip daddr { 10.99.0.3, 10.99.0.4 } numgen random mod 100 < 10 drop",
  ]);
  assert.match(rules, /^table bridge ovltun_lab \{\}\ndelete table bridge ovltun_lab\n/);
});

test("dropRules() with nothing to drop leaves an empty chain", () => {
  assert.equal(dropRules([], null, addressOf).includes("drop"), false);
});
