/**
 * Hosts that start, stop, restart, lose datagrams and are cut from one another at random; afterwards, left in peace, they
 * are one mesh again within 10 s, everybody with a subnet of its own, and nobody has lost a lease.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";
import { seeds } from "../made/seeds.ts";
import { prefix } from "../../src/wire/prefix.ts";

const SEEDS = 12;
const N = 7;

function disturb(world: World): void {
  const node = world.nodes[world.random.below(N)]!;
  switch (world.random.below(6)) {
    case 0:
      return world.stop(node);
    case 1:
      world.event(node, { kind: "leave" });
      return world.stop(node);
    case 2: {
      const side = new Set(world.nodes.filter(() => world.random.below(2) === 0).map((n) => n.endpoint));
      return world.network.partition((endpoint) => (side.has(endpoint) ? 0 : 1));
    }
    case 3:
      return world.network.partition(null);
    default:
      if (node.plane === null) world.start(node);
  }
}

test(
  "A mesh of seven disturbed for minutes is whole again within 10 s of peace",
  { timeout: 120_000 },
  () => {
    for (const seed of seeds(SEEDS)) {
      const world = new World(seed, { loss: [0, 0.1, 0.2][seed % 3]!, latency: [0.5, 30] });
      world.add("n0", [], { network: prefix("10.42.0.0/20"), subnetLen: 24, subnetMin: "10.42.1.0" });
      for (let i = 1; i < N; i++) world.add(`n${i}`, ["n0", `n${world.random.below(i)}`]);
      for (const node of world.nodes) world.start(node);
      assert.ok(world.runUntil(() => oneMesh(world), 20_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
      world.run(6000);
      const settled = world.nodes.map((n) => n.leases.length);
      for (let i = 0; i < 60; i++) {
        disturb(world);
        world.run(world.random.below(8000));
      }
      world.network.partition(null);
      for (const node of world.nodes) if (node.plane === null) world.start(node);
      world.network.conditions = { loss: 0 };
      assert.ok(world.runUntil(() => oneMesh(world), 10_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
      for (const node of world.nodes) {
        assert.equal(node.refusal, null, `seed ${seed}: ${node.name}: ${node.refusal}`);
      }
      assert.deepEqual(world.nodes.map((n) => n.leases.length), settled, `seed ${seed}: a lease changed`);
    }
  },
);
