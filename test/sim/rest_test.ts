/** What a mesh at rest costs: how often its nodes have something to do. Counted, for times differ from host to host. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ControlEvent } from "../../src/control/outbox/events.ts";
import { LocalHealth } from "../../src/control/members/health.ts";
import { prefix } from "../../src/wire/prefix.ts";
import { addSealed } from "./sealed.ts";
import { oneMesh, World } from "./world.ts";

const HOSTS = 12;
const SECONDS = 60;

/** How late the latest tick was that any node saw meanwhile, ms. */
function lateness(run: () => void): number {
  const { ticks } = LocalHealth.prototype;
  let latest = 0;
  LocalHealth.prototype.ticks = function (now, dueAt = now) {
    latest = Math.max(latest, now - dueAt);
    return ticks.call(this, now, dueAt);
  };
  try {
    run();
  } finally {
    LocalHealth.prototype.ticks = ticks;
  }
  return latest;
}

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

test("What wakes a node at rest does not make its next tick a late one: it is no slow host for that", () => {
  const world = new World(7);
  world.add("n0", [], { network: prefix("10.42.0.0/16") });
  for (const name of ["n1", "n2"]) world.add(name, ["n0"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000));
  world.run(10_000);
  const [first, second, third] = world.nodes;
  const woken = lateness(() => {
    for (let n = 0; n < 8; n++) {
      const subnet = prefix(`10.42.${200 + n}.0/24`);
      world.event(first!, { kind: "reserve", subnet, holder: second!.identity.id, moves: false });
      world.run(5130);
    }
    assert.equal(world.view(third!).reservations?.length, 8);
  });
  assert.ok(woken < 200, `${woken} ms late`);
  const stood = lateness(() => {
    world.standStill(third!, 5000);
    world.run(7000);
  });
  assert.ok(stood > 3000, "one that stood still is late");
});

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
