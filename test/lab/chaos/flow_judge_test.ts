import assert from "node:assert/strict";
import { test } from "node:test";
import { FlowJudge, type FlowLoss } from "../../../src/lab/chaos/flow_judge.ts";

const EVERY_MS = 200;

/** A flow from alpha to beta, an echo each 200 ms; those sent in one of `holes` are not answered. */
function flow(judge: FlowJudge, until: number, holes: readonly (readonly [number, number])[]): void {
  for (let now = 0, number = 1; now < until; now += EVERY_MS, number++) {
    judge.sent(number, "alpha", "beta", now);
    if (!holes.some(([from, to]) => now >= from && now < to)) {
      judge.answered(number, "alpha", "beta", now + 3);
    }
  }
}

const losses = (found: readonly FlowLoss[]) => found.map(({ count, since }) => [count, since]);

test("a flow that lost nothing is judged and has lost nothing", () => {
  const judge = new FlowJudge();
  flow(judge, 10_000, []);
  assert.deepEqual(judge.judge(10_000, true), []);
  assert.deepEqual(judge.counts, { sent: 50, answered: 50, judged: 45, lost: 0 });
});

test("one lost echo of a flow that nothing disturbed is told, with its time", () => {
  const judge = new FlowJudge();
  flow(judge, 10_000, [[4000, 4200]]);
  assert.deepEqual(losses(judge.judge(10_000, true)), [[1, 4000]]);
});

test("losses in a row are told once, also when the flow never comes back", () => {
  const judge = new FlowJudge();
  flow(judge, 10_000, [[4000, 5000], [8000, 99_000]]);
  assert.deepEqual(losses(judge.judge(10_000, true)), [[5, 4000], [10, 8000]]);
});

test("an answer that comes after five seconds is none", () => {
  const judge = new FlowJudge();
  flow(judge, 4000, []);
  judge.sent(900, "alpha", "beta", 4000);
  judge.answered(900, "alpha", "beta", 9001);
  assert.deepEqual(losses(judge.judge(9100, true)), [[1, 4000]]);
});

test("what was on its way when something happened to an end does not count, nor what follows until it is steady", () => {
  const judge = new FlowJudge();
  flow(judge, 20_000, [[4000, 6000], [6200, 6400]]);
  judge.disturb("beta", null, 6000);
  assert.deepEqual(judge.judge(20_000, true), []);
});

test("a disturbance excuses no loss long before it, and none once the flow was steady again", () => {
  const judge = new FlowJudge();
  flow(judge, 20_000, [[4000, 4200], [12_000, 12_200]]);
  judge.disturb("alpha", "beta", 8000);
  assert.deepEqual(losses(judge.judge(20_000, true)), [[1, 4000], [1, 12_000]]);
});

test("what happens to another host, or between others, excuses nothing", () => {
  const judge = new FlowJudge();
  flow(judge, 10_000, [[4000, 4200]]);
  judge.disturb("gamma", null, 4000);
  judge.disturb("beta", "gamma", 4000);
  assert.deepEqual(losses(judge.judge(10_000, true)), [[1, 4000]]);
});

test("nothing is judged while it may turn out that the lease was contested", () => {
  const judge = new FlowJudge();
  flow(judge, 4400, [[4000, 4400]]);
  assert.deepEqual(judge.judge(18_900), []);
  assert.equal(judge.counts.judged, 15);
  judge.disturb("alpha", null, 18_950, 4000);
  assert.deepEqual(judge.judge(19_500), []);
  assert.deepEqual(judge.judge(20_000, true), []);
});
