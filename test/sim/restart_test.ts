/**
 * Starts from the disk, mixed with fresh joiners and with seeds that never come up: whatever the mix, those who can reach
 * one another become one mesh, and nobody who had a lease gets another.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { decodeGossip } from "../../src/wire/gossip.ts";
import type { SimNode } from "./sim_node.ts";
import { doubleUse, oneMesh, whyNotOneMesh, World } from "./world.ts";
import { seeds } from "../made/seeds.ts";

const LONG = { timeout: 120_000 };
const NEVER = "10.0.0.99:8473";

function giveSeeds(node: SimNode, seeds: readonly string[]): void {
  node.seeds = seeds;
  node.settings = { ...node.settings, peers: seeds };
}

function claimOf(node: SimNode): unknown {
  return JSON.parse(node.disk!).claim;
}

/** Founds a mesh, stops all of it and returns the claims that are on the disks. */
function formAndStop(world: World, nodes: readonly SimNode[]): unknown[] {
  for (const node of nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world, nodes as SimNode[]), 20_000), whyNotOneMesh(world) ?? "");
  world.run(4000);
  for (const node of nodes) world.stop(node);
  world.run(5000);
  return nodes.map(claimOf);
}

/** Configurations arrive, and no answer to a sync: who joins learns the mesh and no record. */
function loseDigests(world: World): void {
  const kinds = ["same", "tree", "digest"];
  world.network.rewrite = (d) =>
    kinds.includes(decodeGossip(d.bytes)?.body.kind ?? "") ? new Uint8Array(0) : d.bytes;
}

test("A founder restarted with a peer that is not up is joined by a fresh host that knows only the founder", () => {
  for (const seed of seeds(20)) {
    const world = new World(seed, { loss: seed % 2 === 0 ? 0.1 : 0 });
    const alpha = world.add("alpha");
    const before = formAndStop(world, [alpha]);
    giveSeeds(alpha, [NEVER]);
    world.start(alpha);
    world.start(world.add("beta", ["alpha"]));
    assert.ok(world.runUntil(() => oneMesh(world), 6000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    assert.deepEqual([claimOf(alpha)], before);
    assert.equal(alpha.logs.filter((l) => l.message.startsWith("Founded")).length, 1);
  }
});

test("Two restarted members that never heard of one another become one mesh", () => {
  for (const seed of seeds(20)) {
    const world = new World(seed, { loss: seed % 2 === 0 ? 0.1 : 0 });
    const alpha = world.add("alpha");
    const [beta, gamma] = [world.add("beta", ["alpha"]), world.add("gamma", ["alpha"])];
    // Each met the founder alone, and the founder is gone.
    world.start(alpha);
    world.start(beta);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000));
    world.run(3000);
    world.stop(beta);
    const disk = alpha.disk;
    world.stop(alpha);
    alpha.disk = JSON.stringify({ ...JSON.parse(disk!), peers: [] });
    world.start(alpha);
    world.start(gamma);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    world.run(3000);
    world.stop(gamma);
    world.stop(alpha);
    gamma.disk = JSON.stringify({ ...JSON.parse(gamma.disk!), peers: [] });
    giveSeeds(beta, ["gamma", "alpha"]);
    giveSeeds(gamma, ["beta", NEVER]);
    const apart = claimOf(beta) !== claimOf(gamma);
    world.start(beta);
    world.start(gamma);
    assert.ok(world.runUntil(() => oneMesh(world), 8000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    assert.ok(apart);
  }
});

test("Members restarted before they held a lease tell one another what they know, and claim", () => {
  const world = new World(3);
  const alpha = world.add("alpha");
  const [beta, gamma] = [world.add("beta", ["alpha"]), world.add("gamma", ["alpha"])];
  formAndStop(world, [alpha, beta, gamma]);
  for (const node of [beta, gamma]) {
    node.disk = JSON.stringify({ ...JSON.parse(node.disk!), claim: null });
  }
  giveSeeds(beta, ["gamma", "alpha"]);
  giveSeeds(gamma, ["beta", "alpha"]);
  world.start(beta);
  world.start(gamma);
  const fresh = world.add("delta", ["beta"]);
  world.start(fresh);
  assert.ok(world.runUntil(() => oneMesh(world), 6000), whyNotOneMesh(world) ?? "");
  const taken = world.running.map((n) => world.view(n).own.subnet?.text);
  assert.ok(
    !taken.includes((claimOf(alpha) as { subnet: string }).subnet),
    "the absent founder keeps its lease",
  );
});

test("A joiner stopped between the configuration and the records starts as a joiner again", () => {
  const world = new World(4);
  const alpha = world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  world.start(alpha);
  world.run(1000);
  loseDigests(world);
  world.start(beta);
  world.run(5000);
  assert.notEqual(world.view(beta).own.mesh, null);
  assert.equal(world.view(beta).own.leaseState, "joining");
  assert.equal(beta.disk === null ? null : JSON.parse(beta.disk).mesh, null);
});

test("Joiners whose only member went away before it told its records found with its configuration", () => {
  const world = new World(5);
  const alpha = world.add("alpha");
  const beta = world.add("beta", ["alpha", "gamma"]);
  const gamma = world.add("gamma", ["alpha", "beta"]);
  world.start(alpha);
  world.run(1000);
  loseDigests(world);
  world.start(beta);
  world.start(gamma);
  world.run(1000);
  const { network } = world.view(beta).own.mesh!;
  world.stop(alpha);
  world.network.rewrite = null;
  assert.ok(world.runUntil(() => oneMesh(world), 40_000), whyNotOneMesh(world) ?? "");
  assert.deepEqual(world.view(beta).own.mesh!.network, network);
});

for (const loss of [0, 0.1, 0.2]) {
  test(`Three members after a power cut, ${loss * 100} % lost, are one mesh with their leases`, LONG, () => {
    for (const seed of seeds(40)) {
      const world = new World(seed, { loss, latency: seed % 2 === 0 ? [5, 40] : [0.2, 2] });
      const nodes = [world.add("a"), world.add("b", ["a"]), world.add("c", [seed % 3 === 0 ? "b" : "a"])];
      const before = formAndStop(world, nodes);
      if (seed % 2 === 0) giveSeeds(nodes[0]!, ["b", NEVER]);
      const start = world.clock.now();
      for (const node of nodes) world.startAt(node, start + 1 + world.random.below(300));
      const whole = () => world.running.length === 3 && oneMesh(world);
      assert.ok(world.runUntil(whole, loss === 0 ? 6000 : 10_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
      assert.deepEqual(nodes.map(claimOf), before);
    }
  });
}

for (const loss of [0, 0.1]) {
  test(
    `Any mix of restarts and fresh joiners, ${loss * 100} % lost, becomes one mesh within seconds`,
    LONG,
    () => {
      for (const seed of seeds(120)) mix(seed, loss);
    },
  );
}

function mix(seed: number, loss: number): void {
  const world = new World(seed, { loss, latency: seed % 2 === 0 ? [5, 40] : [0.2, 2] });
  const n = 2 + world.random.below(4);
  for (let i = 0; i < n; i++) world.add(`n${i}`, i === 0 ? [] : [`n${world.random.below(i)}`]);
  formAndStop(world, world.nodes);
  // Of those who come back some know of nobody, or hold no lease yet; the others stay away.
  const back = world.nodes.filter((_, i) => i === 0 || world.random.below(3) > 0).slice(
    world.random.below(2),
  );
  if (back.length === 0) back.push(world.nodes[0]!);
  for (const node of back) {
    const state = JSON.parse(node.disk!);
    if (world.random.below(4) === 0) state.peers = [];
    if (world.random.below(5) === 0) state.claim = null;
    node.disk = JSON.stringify(state);
  }
  if (back.every((node) => claimOf(node) === null)) return; // whoever holds the leases is away
  for (let i = world.random.below(4); i > 0; i--) world.add(`fresh${i}`);
  const up = [...back, ...world.nodes.slice(n)];
  const symmetric = world.random.below(2) === 0;
  for (const [i, node] of up.entries()) {
    const seeds = symmetric ? up.filter((o) => o !== node) : i === 0 ? [] : [up[world.random.below(i)]!];
    const absent = world.random.below(2) === 0 || i === 0 ? [NEVER] : [];
    giveSeeds(node, [...seeds.map((s) => s.name), ...absent]);
  }
  const held = new Map(back.map((node) => [node, claimOf(node)]));
  const start = world.clock.now() + 1;
  for (const node of up) world.startAt(node, start + world.random.below(200));
  let double: string | null = null;
  const whole = () => {
    double ??= doubleUse(world);
    return world.running.length === up.length && oneMesh(world);
  };
  assert.ok(world.runUntil(whole, loss === 0 ? 6500 : 12_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
  assert.equal(double, null, `seed ${seed}`);
  for (const [node, claim] of held) {
    if (claim !== null) assert.deepEqual(claimOf(node), claim, `seed ${seed}`);
  }
}

test("A plain node that moves to another address is followed within a few seconds, without knowing that it moved", () => {
  for (const seed of seeds(5)) {
    const world = new World(seed);
    const [a, b] = [world.add("a"), world.add("b", ["a"])];
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000));
    b.endpoint = "172.16.9.9:8473"; // as a NAT that maps anew
    const followed = () => world.view(a).peers[0]!.endpoint === b.endpoint;
    assert.ok(world.runUntil(followed, 4000), `seed ${seed}`);
    world.run(30_000);
    assert.ok(oneMesh(world), whyNotOneMesh(world) ?? "");
    assert.ok(followed());
  }
});
