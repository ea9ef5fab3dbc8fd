import assert from "node:assert/strict";
import { test } from "node:test";
import { Ticker } from "../../src/daemon/ticker.ts";

/** A ticker beside a Worker that tells of the host, whose alarms a test rings. */
function tickerDueAt(due: { at: number }) {
  const alarms: { readonly ms: number; readonly ring: () => void; off: boolean }[] = [];
  const ticks: number[] = [];
  let now = 1000;
  const timers = {
    after: (ms: number, ring: () => void) => {
      const alarm = { ms, ring, off: false };
      alarms.push(alarm);
      return () => void (alarm.off = true);
    },
    every: () => assert.fail("nothing here repeats"),
  };
  const ticker = new Ticker({ clock: { now: () => now, wall: () => now }, timers }, {
    dueAt: () => due.at,
    hostWaitsFrom: () => Infinity,
    hostChanged: () => false,
    hostTells: true,
    tick: () => void ticks.push(now),
  });
  const set = () => ticker.set(() => (ticker.wake(), set()));
  const armed = () => alarms.filter(({ off }) => !off).map(({ ms }) => ms);
  return { set, armed, alarms, ticks, passTo: (at: number) => now = at };
}

test("There is one alarm, for what is due next; what was put off a little rings in vain", () => {
  const due = { at: 2000 };
  const { set, armed, alarms, ticks, passTo } = tickerDueAt(due);
  set();
  due.at = 1200;
  set();
  due.at = 1230;
  set();
  assert.deepEqual(armed(), [200]);
  passTo(1200);
  alarms.at(-1)!.ring();
  assert.deepEqual([ticks.length, alarms.at(-1)!.ms], [0, 30]);
  passTo(1230);
  due.at = 1230;
  alarms.at(-1)!.ring();
  assert.equal(ticks.length, 1);
});

test("Once nothing is due any more no alarm is left, and none rings without end", () => {
  const due = { at: 2000 };
  const { set, armed } = tickerDueAt(due);
  set();
  due.at = Infinity;
  set();
  set();
  assert.deepEqual(armed(), []);
});
