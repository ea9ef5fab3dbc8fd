import assert from "node:assert/strict";
import { test } from "node:test";
import { Ticker } from "../../src/daemon/ticker.ts";

/** A ticker beside a Worker that tells of the host, whose alarms a test rings. */
function tickerDueAt(due: { at: number }) {
  const alarms: { readonly ms: number; readonly ring: () => void; off: boolean }[] = [];
  const ticks: number[] = [];
  /** What happened on the host and was not asked for yet. */
  const host = { changed: false };
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
    hostChanged: () => {
      const { changed } = host;
      host.changed = false;
      return changed;
    },
    hostTells: true,
    tick: () => void ticks.push(now),
  });
  const set = () => ticker.set(() => (ticker.wake(), set()));
  const armed = () => alarms.filter(({ off }) => !off).map(({ ms }) => ms);
  const passTo = (at: number) => now = at;
  return { set, armed, alarms, ticks, host, ticker, passTo };
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

test("What happens on the host right behind what a Worker told of is seen a quarter of a second later", () => {
  const due = { at: 9000 };
  const { set, alarms, ticks, host, ticker, passTo } = tickerDueAt(due);
  const pass = (to: number) => {
    passTo(to);
    alarms.at(-1)!.ring();
  };
  host.changed = true;
  ticker.hostStirs();
  set();
  pass(1000);
  assert.deepEqual(ticks, [1000]);
  host.changed = true; // and the Worker, which has just told, says nothing
  pass(1250);
  assert.deepEqual(ticks, [1000, 1250]);
  assert.equal(alarms.at(-1)!.ms, 9000 - 1250, "then nothing is looked at any more");
});
