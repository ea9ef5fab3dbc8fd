/**
 * A mesh that is too large for links with everybody, made small: links with all up to 8 members, and with 5 on average above
 * that. All know of all, few have links, and packets bring more for as long as they pass.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import type { NodeView, PeerView } from "../../src/control/paths/view.ts";
import { wantedFrom } from "../../src/control/paths/paths.ts";
import { NatRouter } from "../fakes/nat_router.ts";
import { addSealed } from "./sealed.ts";
import type { SimNode } from "./sim_node.ts";
import { World } from "./world.ts";

const SIZE = 20;
const HOST = { underlayMtu: 1500, pathMtu: () => 1500, nextHop: () => ({ why: "it is far away" }) };

function largeMesh(sealed: boolean, change: (world: World) => void = () => {}): World {
  const world = new World(11, { latency: [0.5, 3], loss: 0.01 });
  world.density = { fullMesh: 8, degree: 5 };
  for (let i = 0; i < SIZE; i++) {
    const seeds = i === 0 ? [] : ["n0"];
    if (sealed) addSealed(world, `n${i}`, seeds);
    else world.add(`n${i}`, seeds);
  }
  change(world);
  world.nodes.forEach((node, i) => world.startAt(node, i === 0 ? 0 : 500 + 20 * i));
  world.run(10_000);
  assert.ok(
    world.nodes.every((node) => isWhole(world.view(node))),
    "all have a lease and know all others alive",
  );
  world.run(60_000);
  assert.ok(world.nodes.every((node) => linksOf(world, node) <= 14), "links are let go");
  return world;
}

const isWhole = ({ own, peers }: NodeView) =>
  own.leaseState === "confirmed" && peers.length === SIZE - 1 &&
  peers.every(({ state }) => state === "alive");
const linksOf = (world: World, node: SimNode) =>
  world.view(node).peers.filter((peer) => peer.endpoint !== null).length;

function between(world: World, a: SimNode, b: SimNode): PeerView {
  return world.view(a).peers.find(({ id }) => id === b.identity.id)!;
}

/** Two nodes that neither needs a link with the other. */
function strangers(world: World, among = world.nodes): [SimNode, SimNode] {
  for (const a of among) {
    for (const b of among) {
      if (a !== b && between(world, a, b).onDemand === "idle" && between(world, b, a).onDemand === "idle") {
        return [a, b];
      }
    }
  }
  throw new Error("all are neighbours");
}

const call = (world: World, a: SimNode, b: SimNode) =>
  world.event(a, { kind: "sessionWanted", id: b.identity.id });
const warnings = (world: World) =>
  world.nodes.flatMap(({ name, logs }) =>
    logs.filter((l) => l.level === "warning").map((l) => `${name}: ${l.message}`)
  );

for (const sealed of [false, true]) {
  const kind = sealed ? "sealed" : "plain";

  test(`In a large mesh each node has a few links, all know all, and nobody is suspected, ${kind}`, () => {
    const world = largeMesh(sealed);
    let changes = 0;
    for (let n = 0; n < 30; n++) {
      world.run(2000);
      for (const node of world.nodes) {
        const { peers } = world.view(node);
        changes += peers.filter(({ state }) => state !== "alive").length;
      }
    }
    assert.ok(changes < 5, `${changes} times somebody held somebody for not alive`);
    const links = world.nodes.map((node) => linksOf(world, node));
    const mean = links.reduce((sum, n) => sum + n, 0) / SIZE;
    assert.ok(mean >= 4 && mean <= 9, `${mean} links on average`);
    assert.deepEqual(warnings(world), []);
    for (const node of world.nodes) {
      const wanted = wantedFrom(world.view(node), node.settings, HOST);
      for (const path of wanted.paths.values()) assert.notEqual(path.path, "none", path.why);
      assert.equal(wanted.routes.length, SIZE - 1, "every lease is routed");
    }
  });

  test(`Packets bring a link within a second, which ends three minutes after the last one, ${kind}`, () => {
    const world = largeMesh(sealed);
    const [a, b] = strangers(world);
    call(world, a, b);
    assert.ok(["calling", undefined].includes(between(world, a, b).onDemand));
    assert.ok(world.runUntil(() => between(world, a, b).endpoint !== null, 1000));
    for (let n = 0; n < 2; n++) { // more than three minutes of traffic
      world.run(100_000);
      world.event(a, { kind: "traffic", ids: [b.identity.id] });
      assert.notEqual(between(world, a, b).endpoint, null, `after ${100 * n} s`);
    }
    world.run(150_000);
    assert.notEqual(between(world, a, b).endpoint, null, "not yet");
    world.run(90_000);
    assert.deepEqual([between(world, a, b).onDemand, between(world, b, a).onDemand], ["idle", "idle"]);
    call(world, b, a);
    assert.ok(world.runUntil(() => between(world, b, a).endpoint !== null, 1000), "and there is another one");
    assert.deepEqual(warnings(world), []);
  });

  test(`Who dies in a large mesh is dead for all within 20 s, and alive again after a start, ${kind}`, () => {
    const world = largeMesh(sealed);
    const dies = world.nodes[7]!;
    world.stop(dies);
    const others = world.running;
    assert.ok(
      world.runUntil(() => others.every((node) => between(world, node, dies).state === "dead"), 20_000),
    );
    assert.ok(
      others.every((node) => world.view(node).peers.filter(({ state }) => state === "dead").length === 1),
    );
    world.start(dies);
    assert.ok(world.runUntil(() => world.running.every((node) => isWhole(world.view(node))), 20_000));
  });

  test(`A large mesh that was split is whole within ten seconds after it heals, ${kind}`, () => {
    const world = largeMesh(sealed);
    const half = new Map(world.nodes.map(({ endpoint }, n) => [endpoint, n % 2]));
    world.filter = (from, to) => half.get(from) === half.get(to);
    const apart = (node: SimNode) =>
      world.view(node).peers.filter(({ state }) => state === "dead").length === SIZE / 2;
    assert.ok(world.runUntil(() => world.nodes.every(apart), 60_000));
    world.run(60_000);
    world.filter = null;
    assert.ok(world.runUntil(() => world.nodes.every((node) => isWhole(world.view(node))), 10_000));
  });

  test(`Two hosts behind NAT that nobody else has a reason to link meet when packets wait, ${kind}`, () => {
    const world = largeMesh(sealed, (made) => {
      made.nodes.slice(10).forEach((node, i) => {
        made.network.routers.push(new NatRouter(`203.0.113.${i + 1}`, node.endpoint, false, made.random));
      });
    });
    world.run(130_000); // routers forget who was linked at first
    const hidden = world.nodes.slice(10);
    const [a, b] = strangers(world, hidden);
    call(world, a, b);
    assert.ok(
      world.runUntil(() => between(world, a, b).endpoint !== null, 5000),
      "b was told, and called, too",
    );
    const open = world.nodes.slice(1, 10);
    const from = open.find((node) => between(world, node, a).onDemand === "idle")!;
    call(world, from, a);
    assert.ok(world.runUntil(() => between(world, from, a).endpoint !== null, 5000), "from outside");
  });
}
