/** How long after a healed split the first two hosts of both sides have found one another. */

import { test } from "node:test";
import assert from "node:assert/strict";
import { RETRY_MAX_MS } from "../../src/control/links/targets.ts";
import { seeds } from "../made/seeds.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

const LONG = { timeout: 120_000 };

test(
  "After a split healed, however long it was, first contact takes no longer than the wait for the dead, and all follow",
  LONG,
  () => {
    for (const seed of seeds(8)) {
      const world = new World(seed);
      const n = seed % 2 === 0 ? 3 : 8;
      for (let i = 0; i < n; i++) world.add(`n${i}`, i === 0 ? [] : ["n0"]);
      for (const node of world.nodes) world.start(node);
      assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
      const half = new Map(world.nodes.map(({ endpoint }, i) => [endpoint, i % 2]));
      world.network.partition((endpoint) => half.get(endpoint)!);
      world.run(20_000 + world.random.below(30_000));
      world.network.partition(null);
      const healed = world.clock.now();
      const contact = () =>
        world.nodes.some((node, i) =>
          world.view(node).peers.some(({ endpoint }) => endpoint !== null && half.get(endpoint) !== i % 2)
        );
      assert.ok(
        world.runUntil(contact, 1.25 * RETRY_MAX_MS),
        `seed ${seed}: none after ${world.clock.now() - healed} ms`,
      );
      assert.ok(world.runUntil(() => oneMesh(world), 2000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    }
  },
);
