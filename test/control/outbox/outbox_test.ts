import assert from "node:assert/strict";
import { test } from "node:test";
import { newOutlets, Schedule, Throttle } from "../../../src/control/outbox/outbox.ts";

test("drain() gives the actions in order, once, and one reconcile at the end", () => {
  const { actions } = newOutlets();
  actions.push({ kind: "reconcile" });
  actions.log("info", "one");
  actions.push({ kind: "reconcile" });
  actions.log("info", "two");
  assert.deepEqual(actions.drain().map((a) => a.kind === "log" ? a.message : a.kind), [
    "one",
    "two",
    "reconcile",
  ]);
  assert.deepEqual(actions.drain(), []);
});

test("drain() lets a reconcile wait when all that asked for it can", () => {
  const cases = [[[true], true], [[true, true], true], [[true, false], false], [[false], false]] as const;
  for (const [asked, waits] of cases) {
    const { actions } = newOutlets();
    for (const soon of asked) actions.push(soon ? { kind: "reconcile", soon } : { kind: "reconcile" });
    assert.deepEqual(actions.drain(), [waits ? { kind: "reconcile", soon: true } : { kind: "reconcile" }]);
  }
});

test("send() leaves from the address that the present datagram came to, and from no other for anybody else", () => {
  const { actions, called } = newOutlets();
  called.hears("192.0.2.1:8473", "198.51.100.7");
  actions.send("192.0.2.1:8473", new Uint8Array(1));
  actions.send("192.0.2.2:8473", new Uint8Array(1));
  called.hears();
  actions.send("192.0.2.1:8473", new Uint8Array(1));
  const locals = actions.drain().map((a) => a.kind === "send" && a.by === undefined ? a.local : null);
  assert.deepEqual(locals, ["198.51.100.7", undefined, undefined]);
});
test("due() is true once in its time for each key, and done() begins that time anew", () => {
  const schedule = new Schedule();
  assert.deepEqual([0, 99, 100, 150].map((now) => schedule.due("a", 100, now)), [true, false, true, false]);
  assert.equal(schedule.due("b", 100, 150), true);
  schedule.done("a", 180);
  assert.deepEqual([279, 280].map((now) => schedule.due("a", 100, now)), [false, true]);
});

test("due() forgets the oldest of many keys, and never the newest", () => {
  const schedule = new Schedule();
  schedule.due("first", Infinity, 0);
  for (let n = 0; n < 10_000; n++) schedule.due(`${n}`, Infinity, 0);
  assert.equal(schedule.due("9999", Infinity, 1), false);
  assert.equal(schedule.due("first", Infinity, 1), true);
});

test("allows() lets a burst through, then what the rate gives", () => {
  const throttle = new Throttle();
  const passed = (now: number, tries: number) =>
    Array.from({ length: tries }, () => throttle.allows("a", 10, now, 3)).filter(Boolean).length;
  assert.equal(passed(0, 5), 3);
  assert.equal(passed(50, 5), 0);
  assert.equal(passed(250, 5), 2);
  assert.equal(passed(60_000, 5), 3, "no more than the burst, however long it rested");
  assert.equal(throttle.allows("b", 10, 60_000), true, "each key has its own");
});
