import { test } from "node:test";
import assert from "node:assert/strict";
import { PathMtuSearch } from "../../../src/control/paths/path_mtu_search.ts";
import { seeded } from "../../made/seeded.ts";

const STEP = 100;

interface Run {
  readonly mtu: number;
  readonly probes: number;
  readonly took: number;
}

/** Asks a way that passes up to `passes` bytes until nothing is due for ten seconds. */
function run(search: PathMtuSearch, passes: number | (() => number), from = 0, loss = () => false): Run {
  let probes = 0, took = 0;
  for (let now = from; now < from + 10_000; now += STEP) {
    for (const size of search.due(now, 200)) {
      probes++;
      took = now - from;
      const limit = typeof passes === "number" ? passes : passes();
      if (size <= limit && !loss()) search.answered(size, now + 1);
    }
  }
  return { mtu: search.mtu, probes, took };
}

test("A way that carries full size is asked once, and never again by the clock", () => {
  const search = new PathMtuSearch(1500, 4, 0);
  assert.deepEqual(run(search, 1500), { mtu: 1500, probes: 2, took: 0 }); // and one without padding
  assert.equal(search.isDue(10 * 3_600_000), false);
  assert.equal(search.lowered, false);
});

test("What a way carries is found to the byte, within seconds and a bounded number of probes", () => {
  for (let passes = 552; passes < 1500; passes += 7) {
    const search = new PathMtuSearch(1500, 4, 0);
    const { mtu, probes, took } = run(search, passes);
    assert.equal(mtu, passes);
    assert.ok(probes <= 80, `${passes}: ${probes} probes`);
    assert.ok(took <= 3000, `${passes}: ${took} ms`);
  }
  const jumbo = new PathMtuSearch(9000, 4, 0);
  assert.equal(run(jumbo, 1500).mtu, 1500);
});

test("Most of the way is known after the first answers: what passed is used at once", () => {
  const search = new PathMtuSearch(1500, 4, 0);
  for (let now = 0; now <= 700; now += STEP) {
    for (const size of search.due(now, 200)) if (size <= 1400) search.answered(size, now);
  }
  assert.equal(search.mtu, 1400);
});

test("A way that answers nothing at all is not taken for a narrow one, and asked less and less often", () => {
  const search = new PathMtuSearch(1500, 4, 0);
  let probes = 0;
  for (let now = 0; now < 600_000; now += STEP) probes += search.due(now, 200).length;
  assert.equal(search.mtu, 1500);
  assert.ok(probes < 120, `${probes}`);
  assert.equal(run(search, 1500, 600_000 + 60_000).mtu, 1500);
});

test("A way that becomes narrower is found out when it is checked", () => {
  const search = new PathMtuSearch(1500, 4, 0);
  run(search, 1500);
  search.check(20_000);
  assert.equal(run(search, 1400, 20_000).mtu, 1400);
  search.check(40_000);
  assert.equal(run(search, 1300, 40_000).mtu, 1300);
});

test("More is tried again after ten minutes: all of it, or as much as passes by then", () => {
  for (const [passes, mtu] of [[1500, 1500], [1450, 1450], [1400, 1400]] as const) {
    const search = new PathMtuSearch(1500, 4, 0);
    assert.equal(run(search, 1400).mtu, 1400);
    for (let at = 100_000; at < 600_000; at += 50_000) {
      search.check(at);
      assert.equal(run(search, passes, at).mtu, 1400);
    }
    assert.equal(run(search, passes, 620_000).mtu, mtu);
  }
});

test("setFull() follows the link: down at once, up by asking", () => {
  const search = new PathMtuSearch(1500, 4, 0);
  run(search, 1500);
  search.setFull(1400, 20_000);
  assert.equal(search.mtu, 1400);
  run(search, 1500, 20_000);
  search.setFull(1500, 40_000);
  assert.equal(run(search, 1500, 40_000).mtu, 1500);
});

test("Loss makes the result smaller at most, never larger, and an answer counts however late it is", () => {
  const random = seeded(17);
  for (let i = 0; i < 200; i++) {
    const search = new PathMtuSearch(1500, 4, 0);
    assert.ok(run(search, 1420, 0, () => random() < 0.3).mtu <= 1500);
    const found = search.mtu;
    assert.ok(found <= 1420 || found === 1500, `${found}`); // 1500: all three small ones were lost
  }
  const late = new PathMtuSearch(1500, 4, 0);
  run(late, 0.5); // only those without padding come back in time
  late.answered(1500, 12_000);
  assert.equal(late.mtu, 1500);
});

test("Over IPv6 nothing below 1280 is asked", () => {
  const search = new PathMtuSearch(1500, 6, 0);
  for (let now = 0; now < 10_000; now += STEP) {
    for (const size of search.due(now, 200)) {
      assert.ok(size === 0 || size >= 1280);
      if (size === 0) search.answered(size, now);
    }
  }
  assert.equal(search.mtu, 1280);
});
