/**
 * Paths in the clear in a sealed mesh: only between two nodes whose users both allowed them, as their records say; and a
 * mesh that has no other paths takes no joiner whose user did not.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import type { Settings } from "../../src/control/mesh/mesh_config.ts";
import { wantedFrom } from "../../src/control/paths/paths.ts";
import type { HostFacts } from "../../src/control/paths/tunnels.ts";
import { addSealed } from "./sealed.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

const HOST: HostFacts = { underlayMtu: 1500, pathMtu: () => 1500, nextHop: () => ({ iface: 3 }) };

function add(world: World, name: string, seeds: readonly string[], change: Partial<Settings>): SimNode {
  const node = addSealed(world, name, seeds);
  node.settings = { ...node.settings, ...change };
  return node;
}

/** The path from one node to another as its daemon decides once probes had time to come back. */
function pathOf(world: World, from: SimNode, to: SimNode): string {
  const wanted = wantedFrom(world.view(from), from.settings, HOST);
  const { path } = wanted.paths.get(to.identity.id)!;
  assert.equal(wanted.directRoutes.length, Number(path === "direct-route"));
  return path;
}

function meshed(world: World): void {
  assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  world.run(4000);
}

function worldOf(seed: number): World {
  const world = new World(seed);
  world.host = HOST;
  return world;
}

test("Direct routes of a sealed mesh are there when both nodes allow them, and go when one is restarted without", () => {
  const world = worldOf(1);
  const direct = { directRouting: true, allowPlainDirect: true };
  const a = add(world, "a", [], direct);
  const b = add(world, "b", ["a"], { directRouting: false });
  for (const node of world.nodes) world.start(node);
  meshed(world);
  assert.deepEqual([pathOf(world, a, b), pathOf(world, b, a)], ["tunnel", "tunnel"]);
  for (const [change, path] of [[direct, "direct-route"], [{ allowPlainDirect: false }, "tunnel"]] as const) {
    world.stop(b);
    b.settings = { ...b.settings, ...change };
    world.start(b);
    world.run(3000);
    meshed(world);
    assert.deepEqual([pathOf(world, a, b), pathOf(world, b, a)], [path, path]);
  }
});

test("A node of an older version, which asks nothing by a direct route, is reached by the tunnel", () => {
  const world = worldOf(4);
  const a = add(world, "a", [], { directRouting: true, allowPlainDirect: true });
  const b = add(world, "b", ["a"], {
    directRouting: true,
    allowPlainDirect: undefined as unknown as boolean,
  });
  for (const node of world.nodes) world.start(node);
  meshed(world);
  assert.equal(pathOf(world, a, b), "tunnel");
});

test("A joiner of a sealed host-gw mesh whose user allows no path in the clear is refused, and the flag named", () => {
  const world = worldOf(2);
  const a = add(world, "a", [], { backend: "host-gw", allowPlainDirect: true });
  const b = add(world, "b", ["a"], {});
  for (const node of world.nodes) world.start(node);
  world.run(5000);
  assert.match(b.refusal ?? "", /sealed.*host-gw.*without --allow-plain-direct this node can reach no other/);
  assert.deepEqual(world.view(a).leases.map(({ nodeId }) => nodeId), [a.identity.id]);

  b.settings = { ...b.settings, allowPlainDirect: true };
  world.start(b);
  meshed(world);
  assert.deepEqual([pathOf(world, a, b), pathOf(world, b, a)], ["direct-route", "direct-route"]);
});

test("A member of a sealed host-gw mesh that is started without the flag stays, warns, and has no path", () => {
  const world = worldOf(3);
  const flags = { backend: "host-gw", allowPlainDirect: true } as const;
  const a = add(world, "a", [], flags);
  const b = add(world, "b", ["a"], flags);
  for (const node of world.nodes) world.start(node);
  meshed(world);
  const { subnet } = world.view(b).own;
  world.stop(b);
  b.settings = { ...b.settings, backend: null, allowPlainDirect: false };
  world.start(b);
  world.run(3000);
  meshed(world);
  const { own } = world.view(b);
  assert.deepEqual(own.subnet, subnet);
  assert.match(own.warnings.join("\n"), /without --allow-plain-direct this node can reach no other/);
  assert.ok(b.logs.some(({ level, message }) => level === "warning" && message === own.warnings[0]));
  assert.deepEqual([pathOf(world, a, b), pathOf(world, b, a)], ["none", "none"]);
});
