import assert from "node:assert/strict";
import { test } from "node:test";
import { busyMs, type CpuLook, starvedBetween } from "../../../src/lab/chaos/starvation.ts";

/** A look at two hosts of one thread each: what they ran and waited, ms. */
function look(
  at: number,
  busy: number,
  alpha: readonly [number, number],
  beta: readonly [number, number],
): CpuLook {
  const threads = ([ran, waited]: readonly [number, number]) =>
    new Map([["1", { ran, waited, matters: true }]]);
  return { at, busy, hosts: new Map([["alpha", threads(alpha)], ["beta", threads(beta)]]) };
}

test("a host that waited for a processor which others used was starved", () => {
  const before = look(0, 0, [100, 100], [100, 100]);
  assert.deepEqual(starvedBetween(before, look(1000, 2000, [150, 500], [150, 120])), ["alpha"]);
});

test("what the hosts take from one another is no excuse, nor is a short wait", () => {
  const before = look(0, 0, [0, 0], [0, 0]);
  assert.deepEqual(starvedBetween(before, look(1000, 2000, [600, 500], [600, 500])), []);
  assert.deepEqual(starvedBetween(before, look(1000, 2000, [50, 200], [50, 200])), []);
});

test("a daemon that was started meanwhile counts from the next look on", () => {
  const before = look(0, 0, [0, 0], [0, 0]);
  const after = look(1000, 2000, [0, 0], [0, 900]);
  const fresh = new Map([...after.hosts, ["beta", new Map([["2", { ran: 0, waited: 900, matters: true }]])]]);
  assert.deepEqual(starvedBetween(before, { ...after, hosts: fresh }), []);
});

test("a compiler of the runtime may wait", () => {
  const before = look(0, 0, [0, 0], [0, 0]);
  const after = look(1000, 2000, [0, 0], [0, 900]);
  const waiting = new Map([...after.hosts, [
    "beta",
    new Map([["1", { ran: 0, waited: 900, matters: false }]]),
  ]]);
  assert.deepEqual(starvedBetween(before, { ...after, hosts: waiting }), []);
});

test("busyMs() leaves out what the processors idled and waited for disks", () => {
  assert.equal(busyMs("cpu  100 20 30 4000 500 6 7 8 99 99\ncpu0 1 1 1 1\n"), 1710);
});
