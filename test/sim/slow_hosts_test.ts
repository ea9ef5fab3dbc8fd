/** Hosts whose processors are slow: what is late there must not look like death elsewhere. */

import { test } from "node:test";
import assert from "node:assert/strict";
import { GOSSIP_WAITS_MAX } from "../../src/dataplane/tables/backlog.ts";
import { TYPE_GOSSIP_PLAIN } from "../../src/wire/datagram.ts";
import { seeds } from "../made/seeds.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

const LONG = { timeout: 120_000 };
const N = 16;

function meshOf(seed: number, cost: number): World {
  const world = new World(seed, { loss: 0.01 });
  for (let i = 0; i < N; i++) world.add(`n${i}`, i === 0 ? [] : ["n0"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  world.run(5000);
  for (const node of world.nodes) node.cost = () => cost;
  return world;
}

test(
  "With 20 ms of processor for each event, a split in halves heals within 30 s, and nobody is called dead meanwhile",
  LONG,
  () => {
    for (const seed of seeds(3)) {
      const world = meshOf(seed, 20);
      const half = new Map(world.nodes.map(({ endpoint }, i) => [endpoint, i % 2]));
      world.network.partition((endpoint) => half.get(endpoint)!);
      world.run(20_000);
      world.network.partition(null);
      const since = world.clock.now();
      assert.ok(world.runUntil(() => oneMesh(world), 30_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
      const dead = world.nodes.flatMap(({ logs }) =>
        logs.filter((l) => l.at > since && / is dead$/.test(l.message))
      );
      assert.deepEqual(dead, [], `seed ${seed}`);
      world.run(5000);
      const waiting = Math.max(...world.nodes.map(({ inbox }) => inbox.size));
      assert.ok(waiting < 20, `seed ${seed}: ${waiting} events wait`);
    }
  },
);

test(
  "A host that stood still for three seconds calls nobody suspect, and is not dead to others",
  LONG,
  () => {
    for (const seed of seeds(6)) {
      const world = meshOf(seed, 0);
      const still = world.node("n3");
      const before = world.clock.now();
      world.standStill(still, 3000);
      const suspected = new Set<string>();
      world.runUntil(() => {
        if (world.clock.now() < before + 3000) return false;
        for (const { state, name } of world.view(still).peers) if (state !== "alive") suspected.add(name);
        return false;
      }, 8000);
      assert.deepEqual([...suspected], [], `seed ${seed}`);
      const dead = world.nodes.flatMap(({ logs }) =>
        logs.filter((l) => l.at > before && / is dead$/.test(l.message))
      );
      assert.deepEqual(dead, [], `seed ${seed}`);
    }
  },
);

test(
  "Of a flood that a slow host cannot take a thousand datagrams wait, and it is well once that is over",
  LONG,
  () => {
    const world = meshOf(1, 0);
    const slow = world.node("n3");
    slow.cost = () => 5;
    const from = world.node("n4").endpoint;
    const flood = (count: number) => {
      for (let i = 0; i < count; i++) {
        world.network.send(world.clock.now(), from, slow.endpoint, Uint8Array.of(TYPE_GOSSIP_PLAIN, i));
      }
    };
    flood(4000);
    world.run(100);
    const { longest } = slow.inbox; // a few that are no datagrams wait, too
    assert.ok(longest >= GOSSIP_WAITS_MAX && longest < GOSSIP_WAITS_MAX + 10, `${longest}`);
    assert.ok(slow.inbox.dropped >= 2500, `${slow.inbox.dropped}`);
    assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
  },
);
