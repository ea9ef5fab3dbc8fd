import { test } from "node:test";
import assert from "node:assert/strict";
import { Schedule, Throttle } from "../../../src/control/outbox/outlets.ts";

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
