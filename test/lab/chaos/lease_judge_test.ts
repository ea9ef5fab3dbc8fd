import assert from "node:assert/strict";
import { test } from "node:test";
import { LeaseJudge } from "../../../src/lab/chaos/lease_judge.ts";
import { World } from "../../../src/lab/chaos/world.ts";

const PROBATION_MS = 900;
const HOSTS = ["alpha", "beta", "gamma"];

function judgeOf(world: World) {
  const judge = new LeaseJudge(world, PROBATION_MS);
  /** Kinds of news when alpha and beta hold these. */
  return (alpha: string, beta: string, now: number): string[] =>
    judge.observe([{ host: "alpha", subnet: alpha }, { host: "beta", subnet: beta }], now).map(({ kind }) =>
      kind
    );
}

function running(): World {
  const world = new World(HOSTS, 0);
  for (const name of HOSTS) world.set(name, { running: true }, 0);
  return world;
}

test("two holders of one subnet may be for as long as they are apart, and for ten seconds after", () => {
  const world = running();
  const see = judgeOf(world);
  world.split([["alpha", "gamma"], ["beta"]], 1000);
  assert.deepEqual(see("10.42.1.0/24", "10.42.2.0/24", 2000), []);
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 3000), ["conflict"]);
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 90_000), []);
  world.heal(100_000);
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 110_000), []);
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 110_001), ["violation"]);
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 111_000), [], "told once");
  assert.deepEqual(see("10.42.1.0/24", "10.42.2.0/24", 112_000), ["settled"]);
});

test("on one side two holders may be for the probation and ten seconds", () => {
  const see = judgeOf(running());
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 50_000), ["conflict"]);
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 60_900), []);
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 60_901), ["violation"]);
});

test("a host that was paused or started anew has its time from then on", () => {
  const world = running();
  const see = judgeOf(world);
  see("10.42.1.0/24", "10.42.1.0/24", 50_000);
  world.set("beta", { paused: true }, 52_000);
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 70_000), []);
  world.set("beta", { paused: false }, 80_000);
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 90_900), []);
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 90_901), ["violation"]);
});

test("a split elsewhere gives two holders no time", () => {
  const world = running();
  const see = judgeOf(world);
  see("10.42.1.0/24", "10.42.1.0/24", 50_000);
  world.split([["alpha", "beta"], ["gamma"]], 55_000);
  world.heal(58_000);
  assert.deepEqual(see("10.42.1.0/24", "10.42.1.0/24", 60_901), ["violation"]);
});

test("a settled conflict says how long the two could talk to each other", () => {
  const world = running();
  const judge = new LeaseJudge(world, PROBATION_MS);
  const both = HOSTS.slice(0, 2).map((host) => ({ host, subnet: "10.42.1.0/24" }));
  world.split([["alpha"], ["beta", "gamma"]], 0);
  judge.observe(both, 1000);
  world.heal(5000);
  const [news] = judge.observe(both.slice(1), 6500);
  assert.deepEqual([news!.kind, news!.connectedMs], ["settled", 1500]);
});
