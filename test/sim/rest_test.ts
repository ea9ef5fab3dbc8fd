/** What a mesh at rest costs: how often its nodes have something to do. Counted, for times differ from host to host. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ControlEvent } from "../../src/control/outbox/events.ts";
import { addSealed } from "./sealed.ts";
import { oneMesh, World } from "./world.ts";

const HOSTS = 12;
const SECONDS = 60;

for (const kind of ["plain", "sealed"] as const) {
  test(`A node of a mesh at rest ticks about once a second, with ${HOSTS - 1} links as with one: ${kind}`, () => {
    const world = new World(5);
    for (let i = 0; i < HOSTS; i++) {
      const seeds = i === 0 ? [] : ["n0"];
      if (kind === "plain") world.add(`n${i}`, seeds);
      else addSealed(world, `n${i}`, seeds);
    }
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 20_000));
    world.run(10_000);
    const events: string[] = [];
    for (const node of world.nodes) {
      node.cost = ({ kind }: ControlEvent) => {
        events.push(kind);
        return 0;
      };
    }
    world.run(SECONDS * 1000);
    const each = events.filter((kind) => kind === "tick").length / HOSTS / SECONDS;
    assert.ok(each >= 0.9 && each <= 2, `${each} ticks a second, of 10 that there may be`);
  });
}

test("A node at rest sees at once that another has died, as one that ticks all the time", () => {
  const world = new World(6);
  for (let i = 0; i < 4; i++) world.add(`n${i}`, i === 0 ? [] : ["n0"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000));
  world.run(30_000);
  const [dead, ...others] = world.nodes;
  world.stop(dead!);
  const knows = () =>
    others.every((node) =>
      world.view(node).peers.find(({ id }) => id === dead!.identity.id)?.state === "dead"
    );
  assert.ok(world.runUntil(knows, 12_000));
});
