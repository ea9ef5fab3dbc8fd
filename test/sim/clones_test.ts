/**
 * A copied identity in a sealed mesh: each of the two hosts that run with it hears of the other, and nobody else does.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { addSealed } from "./sealed.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";
import { seeds } from "../made/seeds.ts";

const REPORTED_MS = 10_000;
/** A host that takes a dead link for up looks for the others again after 30 s. */
const ENDED_MS = 45_000;

/** Sealed nodes a, b and as many more in one mesh, and `copy`, which has the identity and the disk of b. */
function withCopy(seed: number, others: number, conditions = {}) {
  const world = new World(seed, conditions);
  const a = addSealed(world, "a");
  const b = addSealed(world, "b", ["a"]);
  for (let i = 0; i < others; i++) addSealed(world, `n${i}`, ["a"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  const copy = addSealed(world, "copy", ["a"]);
  copy.identity = b.identity;
  copy.disk = b.disk;
  return { world, a, b, copy };
}

/** Lines by which a host hears of its clone, also as the last thing before it ends. */
function told(node: SimNode): string[] {
  const lines = node.logs.filter(({ message }) =>
    /sees another host with this node's identity/.test(message)
  );
  return [...lines.map(({ message }) => message), ...node.refusal === null ? [] : [node.refusal]];
}

function bothTold(world: World, nodes: readonly SimNode[], seed: number): void {
  const done = world.runUntil(() => nodes.every((node) => told(node).length > 0), REPORTED_MS);
  assert.ok(done, `seed ${seed}: ${nodes.map((node) => `${node.name} ${told(node).length}`)}`);
  world.run(60_000); // until one of them has ended, and long after
  const ended = nodes.filter(({ refusal }) => refusal !== null);
  assert.equal(ended.length, 1, `seed ${seed}: ${ended.map(({ name }) => name)}`);
  const survivor = nodes.find(({ refusal }) => refusal === null)!;
  assert.equal(told(survivor).length, 1, `seed ${seed}: one line, not ${told(survivor).length}`);
  const [warning] = world.view(survivor).own.warnings.filter((w) => /sees another host/.test(w));
  assert.match(warning ?? "", new RegExp(`at ${ended[0]!.endpoint}: was a state directory copied`));
}

for (const others of [0, 6]) {
  const hosts = others === 0 ? "one other host" : `${others + 1} other hosts`;

  test(`Two hosts with one identity that start together are both told, with ${hosts}`, () => {
    for (const seed of seeds(15)) {
      const { world, b, copy } = withCopy(seed, others, {
        loss: seed % 3 === 0 ? 0.05 : 0,
        latency: [1, 20],
      });
      world.stop(b);
      world.start(b);
      world.startAt(copy, world.clock.now() + world.random.below(1500));
      bothTold(world, [b, copy], seed);
    }
  });

  test(`A copy that starts while its original runs and the original are both told, with ${hosts}`, () => {
    for (const seed of seeds(15)) {
      const { world, b, copy } = withCopy(seed, others, { loss: seed % 3 === 0 ? 0.05 : 0 });
      world.run(world.random.below(60_000));
      world.start(copy);
      bothTold(world, [b, copy], seed);
    }
  });
}

test("A host that was cut off while its copy was let in is heard when it is back, and exactly one of them ends", () => {
  for (const seed of seeds(6)) {
    const { world, b, copy } = withCopy(seed, seed % 2 === 0 ? 0 : 3);
    const away = seed % 3 === 0 ? 40_000 : 5000;
    world.run(world.random.below(20_000));
    world.filter = (from, to) => from !== b.endpoint && to !== b.endpoint;
    // What the copy says of itself is newer than what is known of the host: its life counts as over.
    world.start(copy);
    world.run(away);
    assert.deepEqual([b.refusal, copy.refusal], [null, null], `seed ${seed}`);
    world.filter = null;
    const ended = () => [b, copy].filter(({ refusal }) => refusal !== null);
    assert.ok(world.runUntil(() => ended().length > 0, ENDED_MS), `seed ${seed}: both stay`);
    world.run(60_000);
    assert.equal(ended().length, 1, `seed ${seed}`);
  }
});

test("Of two hosts with one identity exactly one ends, whatever is lost and however long their hosts stand still", () => {
  for (const seed of seeds(16)) {
    const { world, a, b, copy } = withCopy(seed, 0, { loss: seed % 2 === 0 ? 0 : 0.2 });
    world.stop(b);
    world.start(b);
    world.startAt(copy, world.clock.now() + world.random.below(600));
    for (let step = 0; step < 16; step++) {
      world.run(world.random.below(500));
      if (seed % 2 !== 0) continue;
      for (const node of [a, b, copy]) {
        if (world.random.below(4) === 0) world.standStill(node, 200 + world.random.below(2500));
      }
    }
    const ended = () => [b, copy].filter(({ refusal }) => refusal !== null);
    assert.ok(world.runUntil(() => ended().length > 0, 2 * ENDED_MS), `seed ${seed}: both stay`);
    world.run(60_000);
    assert.equal(ended().length, 1, `seed ${seed}`);
  }
});

for (const security of ["plain", "sealed"] as const) {
  test(`In a ${security} mesh third members warn of two hosts with one identity until 5 minutes after the last sign`, () => {
    for (const seed of seeds(4)) {
      const world = new World(seed);
      const add = (name: string, seeds: readonly string[] = []) =>
        security === "sealed" ? addSealed(world, name, seeds) : world.add(name, seeds);
      const thirds = [add("a"), add("b", ["a"])];
      const c = add("c", ["a"]);
      for (const node of world.nodes) world.start(node);
      assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
      world.run(60_000);
      const copy = add("copy", ["a"]);
      copy.identity = c.identity;
      copy.disk = c.disk;
      const warned = () =>
        thirds.map((node) =>
          world.view(node).own.warnings.filter((w) => /^Two hosts are running with the identity/.test(w))
            .length
        );
      const lines = () =>
        thirds.map((node) => node.logs.filter((l) => /^Two hosts are running/.test(l.message)).length);
      // The copy ends within seconds; where it is started again, all begins anew.
      for (let run = 1; run <= 2; run++) {
        world.start(copy);
        assert.ok(world.runUntil(() => copy.refusal !== null, REPORTED_MS), `seed ${seed}`);
        assert.deepEqual(warned(), [1, 1], `seed ${seed}`);
        // What it left behind is no sign of it, however often the other answers for that; nor is a restart.
        world.run(120_000);
        world.stop(c);
        world.start(c);
        world.run(170_000);
        assert.deepEqual(warned(), [1, 1], `seed ${seed}`);
        world.run(20_000);
        for (let minute = 0; minute < 10; minute++) {
          assert.deepEqual(warned(), [0, 0], `seed ${seed}, minute ${minute}`);
          world.run(60_000);
        }
        assert.deepEqual(lines(), [run, run], `seed ${seed}`);
      }
    }
  });
}

test("A restart is no clone, also when somebody held back what was said before it", () => {
  const { world, a, b } = withCopy(3, 2);
  // The last words of b to a come after the first of its next life: on their session, and never seen before.
  const held: { to: string; bytes: Uint8Array }[] = [];
  world.network.rewrite = ({ from, to, bytes }) => {
    if (from !== b.endpoint || to !== a.endpoint || bytes[0] !== 0x10) return bytes;
    held.push({ to, bytes: bytes.slice() });
    return new Uint8Array(0);
  };
  world.run(1500);
  assert.ok(held.length > 2);
  world.network.rewrite = null;
  world.stop(b);
  world.start(b);
  assert.ok(world.runUntil(() => oneMesh(world, world.running), 10_000));
  world.run(2000);
  for (const { to, bytes } of held) world.network.send(world.clock.now(), b.endpoint, to, bytes);
  world.run(10_000);
  for (const node of world.running) {
    assert.deepEqual(world.view(node).own.warnings, [], node.name);
    assert.deepEqual(told(node), [], node.name);
  }
});
