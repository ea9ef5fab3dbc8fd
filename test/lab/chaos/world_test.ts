import assert from "node:assert/strict";
import { test } from "node:test";
import { wiring } from "../../../src/lab/chaos/wiring.ts";
import { World } from "../../../src/lab/chaos/world.ts";

const HOSTS = ["a", "b", "c", "d"];

test("two hosts are connected while both run on one side, since the latest of what made it so", () => {
  const world = new World(HOSTS, 0);
  assert.equal(world.connection("a", "b"), null);
  for (const name of HOSTS) world.set(name, { running: true }, 10);
  assert.deepEqual(world.connection("b", "a"), { since: 10, by: "start" });
  assert.deepEqual(world.split([["a", "b"], ["c", "d"]], 20), [["a", "c"], ["a", "d"], ["b", "c"], [
    "b",
    "d",
  ]]);
  assert.deepEqual(world.connection("a", "b"), { since: 10, by: "start" });
  assert.equal(world.connection("a", "c"), null);
  world.set("c", { paused: true }, 25);
  assert.deepEqual(world.heal(30), [["a", "c"], ["a", "d"], ["b", "c"], ["b", "d"]]);
  assert.deepEqual(world.connection("a", "d"), { since: 30, by: "heal" });
  assert.equal(world.connection("a", "c"), null);
  world.set("c", { paused: false }, 40);
  assert.deepEqual(world.connection("a", "c"), { since: 40, by: "start" });
});

test("a host that was killed while it was paused is not paused after its start", () => {
  const world = new World(HOSTS, 0);
  world.set("a", { running: true }, 1);
  world.set("a", { paused: true }, 2);
  world.set("a", { running: false }, 3);
  world.set("a", { running: true }, 4);
  assert.equal(world.isUp("a"), true);
});

test("wiring() moves as few cables as possible, and none of the biggest side", () => {
  const start = new Map(HOSTS.map((host) => [host, 0]));
  const apart = wiring([["a"], ["b", "c", "d"]], start, 3);
  assert.deepEqual(["a", "b", "c", "d"].map((host) => apart.get(host)), [1, 0, 0, 0]);
  const other = wiring([["a", "b", "c"], ["d"]], apart, 3);
  assert.deepEqual(["a", "b", "c", "d"].map((host) => other.get(host)), [0, 0, 0, 1]);
  assert.deepEqual([...wiring([HOSTS], other, 3).values()], [0, 0, 0, 0]);
  assert.throws(() => wiring([["a"], ["b"], ["c", "d"]], start, 2), RangeError);
});
