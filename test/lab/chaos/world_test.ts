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
  const apart = [["a", "c"], ["a", "d"], ["b", "c"], ["b", "d"]];
  assert.deepEqual(world.split([["a", "b"], ["c", "d"]], 20), { apart, connected: [] });
  assert.deepEqual(world.connection("a", "b"), { since: 10, by: "start" });
  assert.equal(world.connection("a", "c"), null);
  world.set("c", { paused: true }, 25);
  assert.deepEqual(world.heal(30), { apart: [], connected: apart });
  assert.deepEqual(world.connection("a", "d"), { since: 30, by: "heal" });
  assert.equal(world.connection("a", "c"), null);
  world.set("c", { paused: false }, 40);
  assert.deepEqual(world.connection("a", "c"), { since: 40, by: "start" });
});

test("two hosts of which one does not hear the other are not connected, until the last cut is mended", () => {
  const world = new World(HOSTS, 0);
  for (const name of HOSTS) world.set(name, { running: true }, 10);
  const mute = { from: ["a"], to: ["b", "c", "d"] };
  const deaf = { from: ["a"], to: ["b"] };
  assert.equal(world.cut(mute, false, 20).apart.length, 3);
  assert.equal(world.connection("b", "a"), null);
  assert.deepEqual(world.connection("b", "c"), { since: 10, by: "start" });
  world.cut(deaf, false, 25);
  world.split([["a", "b"], ["c", "d"]], 26);
  assert.deepEqual(world.cut(mute, true, 30).connected, []);
  assert.deepEqual(world.heal(35).connected, [["a", "c"], ["a", "d"], ["b", "c"], ["b", "d"]]);
  assert.equal(world.connection("a", "b"), null);
  assert.deepEqual(world.cut(deaf, true, 40).connected, [["a", "b"]]);
  assert.deepEqual(world.connection("a", "b"), { since: 40, by: "heal" });
});

test("a way is clean unless one of its ends loses packets", () => {
  const world = new World(HOSTS, 0);
  world.lose(["b"]);
  assert.deepEqual([world.isClean("a", "b"), world.isClean("b", "c"), world.isClean("a", "c")], [
    false,
    false,
    true,
  ]);
  world.lose([]);
  assert.equal(world.isClean("a", "b"), true);
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
