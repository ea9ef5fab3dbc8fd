/** Who is alive, in simulated networks: what others say of a node does not outweigh that we hear it ourselves. */

import { test } from "node:test";
import assert from "node:assert/strict";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";
import { seeds } from "../made/seeds.ts";
import { decodeGossip } from "../../src/wire/gossip.ts";

const LONG = { timeout: 120_000 };

function peerOf(world: World, node: SimNode, other: SimNode) {
  return world.view(node).peers.find((p) => p.id === other.identity.id)!;
}

test("A host that was cut off and comes back breaks no path between the others", LONG, () => {
  for (const seed of seeds(60)) {
    const world = new World(seed, { latency: seed % 2 === 0 ? [5, 40] : [0.2, 2] });
    const alpha = world.add("alpha");
    const [beta, gamma] = [world.add("beta", ["alpha"]), world.add("gamma", ["alpha"])];
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000));
    world.run(3000);
    const before = [alpha, gamma].map((n) => n.logs.length);
    const pairs = [[alpha, gamma], [gamma, alpha]] as const;
    const links = pairs.map(([a, b]) => peerOf(world, a, b).link);
    const well = () => {
      pairs.forEach(([a, b], i) => {
        const peer = peerOf(world, a, b);
        assert.equal(peer.state, "alive", `seed ${seed}: ${a.name} of ${b.name}`);
        assert.deepEqual(peer.link, links[i], `seed ${seed}: ${a.name} to ${b.name}`);
      });
      return false;
    };
    world.network.partition((endpoint) => endpoint === beta.endpoint ? 1 : 0);
    world.runUntil(well, 11_000);
    assert.equal(peerOf(world, alpha, beta).state, "dead");
    assert.equal(peerOf(world, beta, alpha).state, "dead");
    world.network.partition(null);
    let healed = false;
    world.runUntil(() => {
      healed ||= oneMesh(world);
      return well();
    }, 15_000);
    assert.ok(healed, `seed ${seed}`);
    assert.equal(whyNotOneMesh(world), null);
    [alpha, gamma].forEach((node, i) => {
      const other = node === alpha ? "gamma" : "alpha";
      const said = node.logs.slice(before[i]).filter((l) => l.message.startsWith(other));
      assert.deepEqual(said, [], `seed ${seed}`);
    });
  }
});

test("In a larger mesh, whoever comes back takes no link from anybody", LONG, () => {
  for (const seed of seeds(4)) {
    const world = new World(seed, { loss: seed % 2 === 0 ? 0.02 : 0 });
    for (let i = 0; i < 16; i++) world.add(`n${i}`, i === 0 ? [] : ["n0"]);
    const gone = world.node("n9");
    const others = world.nodes.filter((n) => n !== gone);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
    world.run(5000);
    world.network.partition((endpoint) => endpoint === gone.endpoint ? 1 : 0);
    world.run(40_000);
    const before = others.map((n) => n.logs.length);
    world.network.partition(null);
    world.run(20_000);
    assert.equal(whyNotOneMesh(world), null);
    others.forEach((node, i) => {
      const dead = node.logs.slice(before[i]).filter((l) => / is dead$/.test(l.message));
      assert.deepEqual(dead, [], `seed ${seed}: ${node.name}`);
    });
  }
});

test("A host that dies is dead to everybody within ten seconds, and its path with it", LONG, () => {
  for (const seed of seeds(6)) {
    const world = new World(seed);
    for (let i = 0; i < 12; i++) world.add(`n${i}`, i === 0 ? [] : ["n0"]);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
    world.run(5000);
    const gone = world.node("n5");
    world.stop(gone);
    world.run(10_000);
    for (const node of world.running) {
      assert.equal(peerOf(world, node, gone).state, "dead", `seed ${seed}: ${node.name}`);
    }
  }
});

test("Who joins hears no alarm about nodes that were gone before", () => {
  for (const seed of seeds(8)) {
    const world = new World(seed);
    const alpha = world.add("alpha");
    const [beta, gamma] = [world.add("beta", ["alpha"]), world.add("gamma", ["alpha"])];
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 5000));
    world.event(gamma, { kind: "leave" });
    world.stop(gamma);
    world.stop(beta);
    world.run(12_000);
    const delta = world.add("delta", ["alpha"]);
    world.start(delta);
    world.run(8000);
    assert.ok(oneMesh(world, [alpha, delta]));
    const said = delta.logs.filter((l) => l.level !== "debug" && /beta|gamma/.test(l.message));
    assert.deepEqual(said, []);
    assert.equal(peerOf(world, delta, gamma).stopped, true);
  }
});

test(
  "Whom the rumour of a death has missed learns of it with the next synchronisation, though it does not watch that node",
  LONG,
  () => {
    const world = new World(5, { latency: [0.5, 3] });
    world.density = { fullMesh: 8, degree: 5 };
    for (let i = 0; i < 20; i++) world.add(`n${i}`, i === 0 ? [] : ["n0"]);
    world.nodes.forEach((node, i) => world.startAt(node, 20 * i));
    world.run(70_000); // those that need no link have let it go
    const gone = world.node("n3");
    const missed = world.nodes.find((node) =>
      node !== gone && peerOf(world, node, gone).onDemand === "idle"
    )!;
    // No word about anybody's life comes to it but with records.
    world.network.rewrite = ({ to, bytes }) => {
      const body = to === missed.endpoint ? decodeGossip(bytes)?.body : undefined;
      return body !== undefined && "statements" in body && body.statements!.length > 0
        ? new Uint8Array(0)
        : bytes;
    };
    world.stop(gone);
    const dead = (node: SimNode) => peerOf(world, node, gone).state === "dead";
    assert.ok(world.runUntil(() => world.running.every((node) => node === missed || dead(node)), 20_000));
    world.run(3000); // the rumour has ended
    assert.equal(dead(missed), false);
    world.network.rewrite = null;
    assert.ok(world.runUntil(() => dead(missed), 10_000), "it is told");
  },
);
