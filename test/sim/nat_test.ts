/**
 * Hosts behind NAT: they meet by punching where both routers drop what nobody asked for, in whatever order they begin;
 * and where one of them accepts it and is moved to another port by that, after a pause.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { NatRouter } from "../fakes/nat_router.ts";
import { addSealed } from "./sealed.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";
import { seeds } from "../made/seeds.ts";

/** A public host, and hosts behind routers that accept what nobody asked for, or do not. */
function behindRouters(seed: number, accepts: readonly boolean[], sealed: boolean, loss = 0): World {
  const world = new World(seed, { loss, latency: [5, 40] });
  const add = (name: string, seeds: readonly string[] = []) =>
    sealed ? addSealed(world, name, seeds) : world.add(name, seeds);
  add("public");
  for (const [i, accept] of accepts.entries()) {
    const node = add(`home${i}`, ["public"]);
    world.network.routers.push(new NatRouter(`203.0.113.${i + 1}`, node.endpoint, accept, world.random));
  }
  return world;
}

function start(world: World): void {
  world.start(world.node("public"));
  world.run(500);
  for (const node of world.nodes.slice(1)) {
    world.start(node);
    world.run(137); // no two hosts look at their clocks at one moment
  }
}

for (const sealed of [false, true]) {
  const kind = sealed ? "sealed" : "plain";

  test(`hosts behind routers that drop meet by punching, ${kind}`, () => {
    for (const seed of seeds(6)) {
      const world = behindRouters(seed, [false, false, false], sealed, seed > 3 ? 0.1 : 0);
      start(world);
      assert.ok(world.runUntil(() => oneMesh(world), 60_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    }
  });

  test(`a host whose router accepts and was punched first meets the other after a pause, ${kind}`, () => {
    let late = 0;
    for (const seed of seeds(12)) {
      const world = behindRouters(seed, [seed % 2 === 0, seed % 2 === 1], sealed);
      start(world);
      if (!world.runUntil(() => oneMesh(world), 20_000)) late++;
      assert.ok(world.runUntil(() => oneMesh(world), 110_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    }
    assert.ok(late > 0, "no seed had the wrong order");
  });

  test(`one that has started again meets the other, whose rounds go on, ${kind}`, () => {
    for (const seed of seeds(26, 21)) {
      const world = behindRouters(seed, [true, false], sealed);
      start(world);
      world.run(3000 + seed * 1700);
      const again = world.nodes[1 + seed % 2]!;
      world.stop(again);
      world.run(7000);
      world.start(again);
      assert.ok(world.runUntil(() => oneMesh(world), 900_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    }
  });
}

test("hosts that can meet in no order are silent for longer than a router remembers, again and again", () => {
  const world = behindRouters(3, [true, true], false);
  world.network.conditions = { latency: [0.2, 0.3] }; // else their first datagrams may cross, and both get in
  const [, one, other] = world.nodes as [SimNode, SimNode, SimNode];
  const router = (i: number): NatRouter => world.network.routers[i]!;
  const times: number[] = [];
  world.onAction = (node, action) => {
    if (node === one && action.kind === "send" && router(1).is(action.to)) times.push(world.clock.now());
  };
  start(world);
  world.run(300_000);
  assert.ok(world.view(one).peers.some(({ id, endpoint }) => id === other.identity.id && endpoint === null));
  const pauses = times.slice(1).map((at, i) => at - times[i]!).filter((gap) => gap > 30_000);
  assert.ok(pauses.length >= 4, `${times}`);
  assert.ok(times.length < 6 * 6 + 10, `${times.length} hellos in five minutes`);
});

test("two hosts that had met are together again soon after what parted them is gone", () => {
  const world = behindRouters(4, [false, false], true);
  const [, one, other] = world.nodes as [SimNode, SimNode, SimNode];
  start(world);
  assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
  const [a, b] = world.network.routers as [NatRouter, NatRouter];
  world.network.rewrite = ({ from, to, bytes }) => {
    return (a.is(from) && b.is(to)) || (b.is(from) && a.is(to)) ? bytes.slice(0, 1) : bytes;
  };
  assert.ok(world.runUntil(() => !oneMesh(world), 60_000), "they are parted");
  world.run(30_000);
  const between = () => world.view(one).peers.find(({ id }) => id === other.identity.id)!;
  assert.equal(between().endpoint, null);
  world.network.rewrite = null;
  assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
});

test("a host that is reached at an address of its own is called as before, whoever is behind NAT", () => {
  const world = behindRouters(5, [false], false);
  const reached = world.add("reached", ["public"]);
  start(world);
  assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
  // Nothing passes between the two for a minute, while both hear the public one.
  const home = world.node("home0");
  const between = (to: string) => to === reached.endpoint || world.network.routers[0]!.is(to);
  world.network.rewrite = ({ from, to, bytes }) => {
    const both = (from === reached.endpoint && between(to)) || (to === reached.endpoint && between(from));
    return both ? bytes.slice(0, 1) : bytes;
  };
  world.run(60_000);
  world.network.rewrite = null;
  assert.ok(world.runUntil(() => oneMesh(world), 8000), whyNotOneMesh(world) ?? "");
  assert.equal(home.refusal, null);
});
