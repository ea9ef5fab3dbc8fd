/** How often what is wanted of host and data plane is decided. */

import { test } from "node:test";
import assert from "node:assert/strict";
import { Pace } from "../../src/daemon/reconciler.ts";

/** Of 10 s with a change in each tick: how often it is decided, when that takes so long. */
function decisions(tookMs: number, changes: boolean): number {
  const pace = new Pace();
  let count = 0;
  for (let now = 1000; now < 61_000; now += 100) {
    if (!(changes ? pace.mayFollow(now) : pace.isOld(now))) continue;
    count++;
    pace.decided(now, now + tookMs);
  }
  return count;
}

test("What is decided quickly follows each change, and is looked at every five seconds without one", () => {
  assert.equal(decisions(4, true), 600);
  assert.equal(decisions(4, false), 12);
});

test("What takes long is decided more seldom: a storm of changes takes a twentieth of the time, and stillness less", () => {
  for (const took of [10, 50, 100]) {
    const share = decisions(took, true) * took / 60_000;
    assert.ok(share > 0.03 && share < 0.06, `${took} ms: ${share}`);
    assert.ok(decisions(took, false) * took / 60_000 < 0.01, `${took} ms`);
  }
});

test("No change waits for longer than two seconds, and nothing is left alone for longer than a minute", () => {
  const pace = new Pace();
  pace.decided(0, 1000);
  assert.deepEqual([pace.mayFollow(2900), pace.mayFollow(3000)], [false, true]);
  assert.deepEqual([pace.isOld(60_900), pace.isOld(61_000)], [false, true]);
});
