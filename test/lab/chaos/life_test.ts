import assert from "node:assert/strict";
import { test } from "node:test";
import { type Life, untold } from "../../../src/lab/chaos/life.ts";

const LOST =
  "2026-01-02T10:00:00.000Z warn  Lost 10.42.1.0/24: beta holds 10.42.1.0/24 with an earlier claim; " +
  "claiming another subnet lease=10.42.1.0/24";
const HOOK = "- 10.42.1.0/24\n10.42.1.0/24 -\n10.42.1.0/24 10.42.2.0/24\n";
const alpha = (more: Partial<Life>): Life => ({
  host: "alpha",
  logFile: "",
  leases: [],
  endedAt: null,
  ...more,
});

test("a host that changed its lease and said so everywhere has told all", () => {
  const life = alpha({ leases: ["10.42.1.0/24", "10.42.2.0/24"] });
  assert.deepEqual(untold(life, { log: `${LOST}\n`, hook: HOOK }), []);
  const adopted =
    "2026-01-02T10:00:00.000Z warn  Lease changed: the mesh has newer state of this node than its disk " +
    "from=10.42.1.0/24 lease=10.42.2.0/24";
  assert.deepEqual(untold(life, { log: `${adopted}\n`, hook: HOOK }), []);
});

test("a change that the log or the hook does not know is a complaint", () => {
  const life = alpha({ leases: ["10.42.1.0/24", "10.42.2.0/24"] });
  assert.deepEqual(untold(life, { log: "", hook: HOOK }), [
    "alpha went from 10.42.1.0/24 to 10.42.2.0/24, and its log does not say so",
  ]);
  assert.deepEqual(untold(life, { log: LOST, hook: "- 10.42.1.0/24\n" }), [
    "alpha went from 10.42.1.0/24 to 10.42.2.0/24 without calling its hook",
    "alpha lost 10.42.1.0/24 without calling its hook",
  ]);
});

test("a loss that only the log knows must have reached the hook, unless the host was killed right then", () => {
  const at = Date.parse("2026-01-02T10:00:00.000Z");
  const testimony = { log: LOST, hook: "" };
  assert.equal(untold(alpha({}), testimony).length, 1);
  assert.equal(untold(alpha({ endedAt: at + 5000 }), testimony).length, 1);
  assert.equal(untold(alpha({ endedAt: at + 500 }), testimony).length, 0);
});
