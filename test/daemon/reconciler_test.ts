/** How often what is wanted of host and data plane is decided. */

import { test } from "node:test";
import assert from "node:assert/strict";
import { Pace } from "../../src/daemon/reconciler.ts";

/** Of 10 s with a change in each tick: how often it is decided, when that takes so long. */
function decisions(tookMs: number, changes: boolean): number {
  const pace = new Pace();
  let count = 0;
  for (let now = 1000; now < 61_000; now += 100) {
    if (!(changes ? now >= pace.mayFollowFrom : pace.isOld(now))) continue;
    count++;
    pace.decided(now, now + tookMs, 100);
  }
  return count;
}

test("What is decided quickly follows each change, and is looked at every five seconds without one", () => {
  assert.equal(decisions(1, true), 600);
  assert.equal(decisions(1, false), 12);
});

test("What takes long is decided more seldom: a storm of changes takes a hundredth of the time, and stillness less", () => {
  for (const took of [5, 10, 20]) {
    const share = decisions(took, true) * took / 60_000;
    assert.ok(share > 0.007 && share < 0.012, `${took} ms: ${share}`);
    assert.ok(decisions(took, false) * took / 60_000 < 0.006, `${took} ms`);
  }
  assert.ok(decisions(100, true) * 100 / 60_000 < 0.06);
});

test("That a decision took long alone puts nothing off", () => {
  const pace = new Pace();
  pace.decided(0, 1, 100);
  pace.decided(100, 400, 100);
  assert.equal(pace.mayFollowFrom, 400);
  pace.decided(500, 501, 100);
  assert.equal(pace.mayFollowFrom, 501);
});

test("No change waits for longer than two seconds, and nothing is left alone for longer than a minute", () => {
  const pace = new Pace();
  pace.decided(-1000, 0, 100);
  pace.decided(0, 1000, 100);
  assert.equal(pace.mayFollowFrom, 3000);
  assert.deepEqual([pace.isOld(60_900), pace.isOld(61_000)], [false, true]);
});

test("In a small mesh nothing waits, however long the first decisions take", () => {
  const pace = new Pace();
  for (const at of [0, 100, 200]) pace.decided(at, at + 30, 3);
  assert.equal(pace.mayFollowFrom, 230);
  assert.equal(pace.isOld(5230), true);
});
