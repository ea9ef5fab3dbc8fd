/**
 * A path counts by its own way: whatever swallows one way and leaves the others shows in the path, on both sides, within
 * seconds, and so does its end. How much passes is found out without a word from anybody.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import type { Settings } from "../../src/control/mesh/mesh_config.ts";
import type { HostFacts } from "../../src/control/paths/tunnels.ts";
import { encodeWayProbe, PROBE_LEN, PROBE_READY, PROBE_WAY_ASK } from "../../src/wire/datagram.ts";
import { addSealed } from "./sealed.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

const HOST: HostFacts = { underlayMtu: 1500, pathMtu: () => 1500, nextHop: () => ({ iface: 3 }) };
const SOON_MS = 8000;
const AGAIN_MS = 20_000;

function pair(
  seed: number,
  change: Partial<Settings>,
  sealed = false,
): { world: World; nodes: [SimNode, SimNode] } {
  const world = new World(seed, { latency: [1, 5] });
  world.host = HOST;
  const add = (name: string, seeds: readonly string[]) => {
    if (!sealed) return world.add(name, seeds, change);
    const node = addSealed(world, name, seeds);
    node.settings = { ...node.settings, ...change };
    return node;
  };
  const nodes: [SimNode, SimNode] = [add("a", []), add("b", ["a"])];
  for (const node of nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  return { world, nodes };
}

function pathsOf(world: World, [a, b]: readonly [SimNode, SimNode]): string[] {
  const one = world.wanted(a).paths.get(b.identity.id)!.path;
  return [one, world.wanted(b).paths.get(a.identity.id)!.path];
}

function waitFor(world: World, nodes: [SimNode, SimNode], paths: string, ms: number): void {
  const done = world.runUntil(() => pathsOf(world, nodes).join(" ") === paths, ms);
  assert.ok(done, `${pathsOf(world, nodes)} after ${ms / 1000} s, not ${paths}`);
}

for (
  const [backend, sealed, without] of [
    ["udp", false, "tunnel"],
    ["udp", true, "tunnel"],
    ["host-gw", false, "none"],
    ["host-gw", true, "none"],
  ] as const
) {
  test(`A direct route goes on both sides when one direction swallows it, and comes back: ${backend}${sealed ? " sealed" : ""}`, () => {
    for (const blocked of ["a", "b"]) {
      const flags = { backend, directRouting: backend === "udp", allowPlainDirect: true } as const;
      const { world, nodes } = pair(11, flags, sealed);
      waitFor(world, nodes, "direct-route direct-route", SOON_MS);
      world.swallows = (from, by) => by === "direct" && from.name === blocked;
      waitFor(world, nodes, `${without} ${without}`, SOON_MS);
      world.run(60_000);
      assert.deepEqual(pathsOf(world, nodes), [without, without]);
      world.swallows = () => false;
      waitFor(world, nodes, "direct-route direct-route", AGAIN_MS);
    }
  });
}

test("A direct route that never answers is asked now and then for ever, not every second", () => {
  const { world, nodes } = pair(12, { directRouting: true });
  let asked = 0;
  world.swallows = (_from, by) => by === "direct" && ++asked > 0;
  waitFor(world, nodes, "tunnel tunnel", SOON_MS);
  asked = 0;
  world.run(600_000);
  assert.ok(asked > 2 * 10 && asked < 2 * 60, `${asked} in ten minutes`);
});

test("VXLAN that one direction swallows gives way to our own port, on the side that gets no answer, and comes back", () => {
  const { world, nodes } = pair(13, { backend: "vxlan" });
  const encapsulations = () =>
    nodes.map((node, i) => world.wanted(node).tunnels.get(nodes[1 - i]!.identity.id)!.encapsulation).join(
      " ",
    );
  waitFor(world, nodes, "tunnel tunnel", SOON_MS);
  assert.equal(encapsulations(), "vxlan vxlan");
  world.swallows = (from, by) => by === "vxlan" && from.name === "a";
  assert.ok(world.runUntil(() => encapsulations() === "data data", 2 * AGAIN_MS), encapsulations());
  assert.deepEqual(pathsOf(world, nodes), ["tunnel", "tunnel"]);
  world.swallows = () => false;
  assert.ok(world.runUntil(() => encapsulations() === "vxlan vxlan", AGAIN_MS), encapsulations());
});

for (const sealed of [false, true]) {
  test(`What passes of a ${sealed ? "sealed" : "plain"} tunnel is found within seconds, with few probes, and again when told`, () => {
    const { world, nodes: [a, b] } = pair(14, {}, sealed);
    let large = 0;
    const narrow = (limit: number) => {
      world.swallows = (_from, by, payload) => {
        if (by === "own" && payload.length > 500) large++;
        return by === "own" && payload.length + 28 > limit;
      };
    };
    const mtu = () => world.wanted(a).tunnels.get(b.identity.id)!.mtu;
    const overhead = sealed ? 60 : 44;
    world.run(3000);
    assert.equal(mtu(), 1500 - overhead);
    narrow(1400);
    large = 0;
    world.run(60_000);
    assert.ok(large < 40, `${large} large datagrams a minute while idle`);
    world.event(a, { kind: "checkWays", id: b.identity.id });
    assert.ok(world.runUntil(() => mtu() === 1400 - overhead, 5000), `${mtu()}`);
    assert.ok(large < 80, `${large}`);
    narrow(1500);
    assert.ok(world.runUntil(() => mtu() === 1500 - overhead, 660_000), `${mtu()}`);
  });
}

test("Questions by a direct route that anybody can send take it from nobody, and give it to nobody", () => {
  const { world, nodes } = pair(15, { directRouting: true });
  const [a, b] = nodes;
  waitFor(world, nodes, "direct-route direct-route", SOON_MS);
  const from = `${world.view(b).own.address}:8473`;
  const forged = (flags: number) => {
    const bytes = new Uint8Array(PROBE_LEN);
    encodeWayProbe(bytes, 0, PROBE_WAY_ASK, flags, 1, 2);
    world.event(a, { kind: "datagram", bytes, from, at: world.clock.now() });
  };
  for (let i = 0; i < 100; i++) {
    forged(0);
    assert.deepEqual(pathsOf(world, nodes), ["direct-route", "direct-route"]);
    world.run(100);
  }
  world.swallows = (_from, by) => by === "direct";
  waitFor(world, nodes, "tunnel tunnel", SOON_MS);
  for (let i = 0; i < 100; i++) {
    forged(PROBE_READY);
    assert.deepEqual(pathsOf(world, nodes), ["tunnel", "tunnel"]);
    world.run(100);
  }
});
