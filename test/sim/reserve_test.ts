/**
 * Reservations in simulated networks: a subnet is for one node alone, whoever hears of it when, on both sides of a split, and
 * over restarts of all.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { prefix } from "../../src/wire/prefix.ts";
import { seeds } from "../made/seeds.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

const LONG = { timeout: 120_000 };
const S = "10.42.200.0/24";

function subnetOf(world: World, node: SimNode): string | null {
  return world.view(node).own.subnet?.text ?? null;
}

function reserve(world: World, by: SimNode, holder: SimNode | null, subnet = S, moves = false): void {
  world.event(by, { kind: "reserve", subnet: prefix(subnet), holder: holder?.identity.id ?? null, moves });
}

/** "10.42.200.0/24 beta taken": what a node says is reserved. */
function reserved(world: World, node: SimNode): string[] {
  return (world.view(node).reservations ?? []).map(({ subnet, name, state }) => `${subnet} ${name} ${state}`);
}

function settle(world: World, seed: number): void {
  assert.ok(world.runUntil(() => oneMesh(world), 15_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
}

function meshOf(seed: number, names: readonly string[], loss = 0): World {
  const world = new World(seed, { loss });
  for (const name of names) {
    const network = prefix("10.42.0.0/16");
    world.add(name, name === names[0] ? [] : [names[0]!], name === names[0] ? { network } : {});
  }
  for (const node of world.nodes) world.start(node);
  settle(world, seed);
  world.run(3000);
  return world;
}

function cut(world: World, left: readonly string[]): void {
  const side = new Set(left.map((n) => world.node(n).endpoint));
  world.network.partition((endpoint) => (side.has(endpoint) ? 0 : 1));
}

const said = (node: SimNode, words: string, level?: string) =>
  node.logs.filter((l) => l.message.includes(words) && (level === undefined || l.level === level)).length;

test(
  "A reserved subnet is given to nobody else, and its node takes it when it claims anew, not before",
  LONG,
  () => {
    for (const seed of seeds(5)) {
      const world = meshOf(seed, ["a", "b", "c"], seed % 2 === 0 ? 0.1 : 0);
      const [a, b, c] = ["a", "b", "c"].map((n) => world.node(n)) as [SimNode, SimNode, SimNode];
      const before = subnetOf(world, c);
      reserve(world, a, c);
      const all = () => world.running.every((n) => reserved(world, n).join() === `${S} c free`);
      assert.ok(world.runUntil(all, 8000), `seed ${seed}`);
      assert.equal(said(c, `${S} is reserved for this node by a`, "info"), 1);
      const heir = world.add("heir", ["b"], { subnet: prefix(S) });
      world.start(heir);
      settle(world, seed);
      assert.notEqual(subnetOf(world, heir), S);
      assert.equal(said(heir, `--subnet ${S} is taken`, "warning"), 1);
      assert.deepEqual(reserved(world, heir), [`${S} c free`], "a later joiner has learned it");
      world.stop(c);
      world.run(1000);
      world.start(c);
      settle(world, seed);
      assert.equal(subnetOf(world, c), before, "over a restart it keeps what it leases");
      world.event(b, { kind: "forget", target: c.identity.id, revoke: false });
      assert.ok(world.runUntil(() => subnetOf(world, c) === S && oneMesh(world), 15_000), `seed ${seed}`);
      assert.deepEqual(world.running.map((n) => reserved(world, n).join()), Array(4).fill(`${S} c taken`));
      reserve(world, b, null);
      assert.ok(world.runUntil(() => world.running.every((n) => reserved(world, n).length === 0), 8000));
      world.run(3000);
      assert.equal(subnetOf(world, c), S, "it stays its lease");
    }
  },
);

test(
  "With moves the node leaves its lease at once, and says so; a node that is away does when it is back",
  LONG,
  () => {
    for (const seed of seeds(5)) {
      const world = meshOf(seed, ["a", "b", "c"], seed % 2 === 0 ? 0.1 : 0);
      const [a, b, c] = ["a", "b", "c"].map((n) => world.node(n)) as [SimNode, SimNode, SimNode];
      const before = subnetOf(world, c)!;
      reserve(world, a, c);
      world.run(3000);
      reserve(world, b, c, S, true);
      assert.ok(world.runUntil(() => subnetOf(world, c) === S && oneMesh(world), 10_000), `seed ${seed}`);
      assert.equal(said(c, `Leaving ${before}: ${S} is reserved for this node`, "info"), 1);
      assert.ok(c.leases.some((l) => l.from === before && l.to === null), "the hook is told");
      world.run(5000);
      assert.equal(c.leases.filter((l) => l.to === S).length, 1, "once");
      world.stop(b);
      world.run(8000);
      reserve(world, a, b, "10.42.201.0/24", true);
      world.run(2000);
      world.start(b);
      const back = () => subnetOf(world, b) === "10.42.201.0/24" && oneMesh(world);
      assert.ok(world.runUntil(back, 15_000), `seed ${seed}: ${subnetOf(world, b)}`);
    }
  },
);

test(
  "Two sides of a split reserve one subnet for two nodes: one reservation everywhere, and the loser is told",
  LONG,
  () => {
    for (const seed of seeds(8)) {
      const world = meshOf(seed, ["a", "b", "c", "d"], 0.05);
      const [a, b, c, d] = ["a", "b", "c", "d"].map((n) => world.node(n)) as [
        SimNode,
        SimNode,
        SimNode,
        SimNode,
      ];
      cut(world, ["a", "b"]);
      world.run(20_000);
      const moves = seed % 2 === 0;
      reserve(world, a, b, S, moves);
      reserve(world, c, d, S, moves);
      world.run(5000);
      assert.deepEqual(reserved(world, a), [`${S} b ${moves ? "taken" : "free"}`]);
      assert.deepEqual(reserved(world, c), [`${S} d ${moves ? "taken" : "free"}`]);
      world.network.partition(null);
      const agreed = () => new Set(world.running.map((n) => reserved(world, n).join())).size === 1;
      assert.ok(
        world.runUntil(() => agreed() && oneMesh(world), 10_000),
        `seed ${seed}: ${whyNotOneMesh(world)}`,
      );
      const [winner, loser] = reserved(world, a)[0]!.includes(" b ") ? [b, d] : [d, b];
      assert.equal(said(loser, `${S} is reserved for ${winner.name} by`, "warning"), 1, `seed ${seed}`);
      assert.equal(said(winner, "and no longer", "warning"), 0);
      if (!moves) continue;
      assert.equal(subnetOf(world, winner), S);
      assert.notEqual(subnetOf(world, loser), S);
      assert.equal(said(loser, `Lost ${S}: ${S} is reserved for ${winner.name}`, "warning"), 1);
    }
  },
);

test(
  "What one side reserves for a node and the other gives to somebody: the reservation counts, and the other yields",
  LONG,
  () => {
    for (const seed of seeds(5)) {
      const world = meshOf(seed, ["a", "b", "c"]);
      const [a, b] = ["a", "b"].map((n) => world.node(n)) as [SimNode, SimNode];
      cut(world, ["a", "b"]);
      world.run(20_000);
      const thief = world.add("d", ["c"], { subnet: prefix(S) });
      world.network.partition((endpoint) => [a, b].some((n) => n.endpoint === endpoint) ? 0 : 1);
      world.start(thief);
      assert.ok(world.runUntil(() => subnetOf(world, thief) === S, 10_000));
      world.run(2000);
      reserve(world, a, b, S, true);
      assert.ok(world.runUntil(() => subnetOf(world, b) === S, 10_000));
      world.network.partition(null);
      assert.ok(world.runUntil(() => oneMesh(world), 10_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
      assert.equal(subnetOf(world, b), S);
      // It may hear of the claim first, which is as good a reason.
      assert.equal(said(thief, `Lost ${S}: `, "warning"), 1);
      assert.deepEqual(world.view(a).own.warnings, []);
    }
  },
);

test(
  "Reservations outlive a power cut of all, and a claim of the dead does not keep the node from its subnet",
  LONG,
  () => {
    for (const seed of seeds(3)) {
      const world = meshOf(seed, ["a", "b", "c"]);
      const [a, c] = ["a", "c"].map((n) => world.node(n)) as [SimNode, SimNode];
      reserve(world, a, c);
      world.run(5000);
      for (const node of world.nodes) world.stop(node);
      world.run(1000);
      for (const node of world.nodes) world.start(node);
      assert.deepEqual(world.nodes.map((n) => reserved(world, n).join()), Array(3).fill(`${S} c free`));
      settle(world, seed);
      // Somebody else holds what is now reserved, and is gone: as when both happen at once on two sides.
      const dead = world.node("b");
      const theirs = subnetOf(world, dead)!;
      world.stop(dead);
      world.run(12_000);
      reserve(world, a, null);
      world.run(1000);
      reserve(world, a, c, theirs, true);
      assert.ok(
        world.runUntil(() => subnetOf(world, c) === theirs, 10_000),
        `seed ${seed}: ${subnetOf(world, c)}`,
      );
      assert.ok(world.runUntil(() => world.view(c).own.leaseState === "confirmed", 5000));
      world.start(dead);
      settle(world, seed);
      assert.notEqual(subnetOf(world, dead), theirs);
    }
  },
);

test(
  "Two subnets reserved for one node at once, to move to both: it moves to one of them, once",
  LONG,
  () => {
    for (const seed of seeds(3)) {
      const world = meshOf(seed, ["a", "b", "c"]);
      const [a, b, c] = ["a", "b", "c"].map((n) => world.node(n)) as [SimNode, SimNode, SimNode];
      reserve(world, a, c, "10.42.200.0/24", true);
      reserve(world, b, c, "10.42.201.0/24", true);
      const moved = () => ["10.42.200.0/24", "10.42.201.0/24"].includes(subnetOf(world, c) ?? "");
      assert.ok(world.runUntil(() => moved() && oneMesh(world), 10_000), `seed ${seed}`);
      world.run(5000);
      const { length } = c.leases;
      world.run(20_000);
      assert.equal(c.leases.length, length, `seed ${seed}: ${JSON.stringify(c.leases.slice(-4))}`);
      assert.ok(moved());
    }
  },
);

test("What no lease looks like is not reserved, whoever says so", () => {
  const world = meshOf(1, ["a", "b"]);
  for (const subnet of ["10.42.0.0/16", "10.42.200.0/25", "10.43.1.0/24", "fd42::/64"]) {
    reserve(world, world.node("a"), world.node("b"), subnet);
  }
  world.run(3000);
  assert.deepEqual(world.nodes.map((n) => world.view(n).reservations), [undefined, undefined]);
});
