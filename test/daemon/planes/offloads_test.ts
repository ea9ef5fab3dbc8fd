import assert from "node:assert/strict";
import { test } from "node:test";
import { OffloadState } from "../../../src/daemon/planes/offloads.ts";
import { configureLog } from "../../../src/log/log.ts";

const ALL = { tso: true, uso: true, gso: true, gro: true };
const NO_LOSS = { "tso-lost": 0, "uso-lost": 0, "gso-lost": 0, "gro-lost": 0 };

test("an offload is in use until there is a reason against it, and the first reason stays", () => {
  configureLog("error", "text");
  const state = new OffloadState({ ...ALL, gro: false });
  assert.deepEqual(state.inUse, { ...ALL, gro: false });
  assert.deepEqual(state.off, { gro: "switched off" });
  state.unknown("uso");
  state.unknown("gro");
  state.tested("trains", { outcome: "failed", failed: ["gso"] });
  assert.deepEqual(state.inUse, { tso: true, uso: false, gso: false, gro: false });
  assert.deepEqual(state.off, { uso: "unknown to this kernel", gso: "self-test", gro: "switched off" });
  assert.equal(state.lose("gso", "EIO"), false);
  assert.equal(state.off.gso, "self-test");
});

test("what several workers find out is told once and counted each time", () => {
  const state = new OffloadState(ALL);
  assert.deepEqual(state.counters, NO_LOSS);
  assert.deepEqual([1, 2, 3].map(() => state.lose("gso", "EIO")), [true, false, false]);
  assert.deepEqual(state.counters, { ...NO_LOSS, "gso-lost": 3 });
  assert.deepEqual(state.off, { gso: "EIO" });
});

test("the outcome of each self-test is kept", () => {
  const state = new OffloadState(ALL);
  assert.deepEqual(state.tests, { trains: "not tested", superframes: "not tested" });
  state.tested("superframes", { outcome: "passed", failed: [] });
  assert.deepEqual(state.tests, { trains: "not tested", superframes: "passed" });
});
