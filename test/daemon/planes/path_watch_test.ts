import { test } from "node:test";
import assert from "node:assert/strict";
import { PathWatch } from "../../../src/daemon/planes/path_watch.ts";

/** A peer whose counters grow by so much a second; which seconds of `seconds` it is checked in. */
function checked(tx: number, rx: number, seconds: number): number[] {
  const watch = new PathWatch();
  const due: number[] = [];
  for (let s = 0; s <= seconds; s++) {
    const counters = { peer: () => ({ txPackets: tx * s, rxPackets: rx * s, txBytes: 0, rxBytes: 0 }) };
    for (let ms = 0; ms < 1000; ms += 100) {
      if (watch.tick(["a"], () => 0, counters, s * 1000 + ms).length > 0) due.push(s);
    }
  }
  return due;
}

test("PathWatch tells which tunnels have carried traffic either way, every ten seconds", () => {
  const watch = new PathWatch();
  const told: string[] = [];
  for (let s = 0; s <= 40; s++) {
    const moved = s < 15 ? s : 15; // then it is still
    const counters = {
      peer: (slot: number) => ({
        txPackets: slot === 0 ? moved : 0,
        rxPackets: slot === 1 ? moved : 0,
        txBytes: 0,
        rxBytes: 0,
      }),
    };
    watch.tick(
      ["sends", "receives", "rests"],
      (key) => ["sends", "receives", "rests"].indexOf(key),
      counters,
      1000 * s,
    );
    const busy = watch.traffic(1000 * s);
    if (busy.length > 0) told.push(`${s}: ${busy.join(" ")}`);
  }
  assert.deepEqual(told, ["1: sends receives", "11: sends receives", "21: sends receives"]);
});

test("PathWatch leaves an idle tunnel alone, and one that only receives", () => {
  assert.deepEqual(checked(0, 0, 60), []);
  assert.deepEqual(checked(0, 5, 60), []);
});

test("PathWatch checks a busy tunnel every ten seconds, and one where nothing comes back sooner", () => {
  assert.deepEqual(checked(5, 5, 30), [10, 20, 30]);
  assert.deepEqual(checked(5, 0, 20), [2, 7, 12, 17]);
});
