/**
 * The life of leases in simulated networks: restarts, conflicts after a partition, exhaustion, release, clones, and
 * that no two hosts use one subnet for long.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import type { SimNode } from "./sim_node.ts";
import { doubleUse, oneMesh, whyNotOneMesh, World } from "./world.ts";
import { seeds } from "../made/seeds.ts";
import { prefix } from "../../src/wire/prefix.ts";
import { NOTHING_ASKED } from "../../src/control/mesh/mesh_config.ts";

const LONG = { timeout: 120_000 };
const WISH = "10.42.7.0/24";

function subnetOf(world: World, node: SimNode): string | null {
  return world.view(node).own.subnet?.text ?? null;
}

/** Two halves of one mesh, cut off from one another. */
function cut(world: World, left: readonly string[]): void {
  const side = new Set(left.map((n) => world.node(n).endpoint));
  world.network.partition((endpoint) => (side.has(endpoint) ? 0 : 1));
}

test("Two founders with one configuration and one subnet settle it within 10 s of meeting", () => {
  for (const seed of seeds(30)) {
    const world = new World(seed, { loss: seed % 2 === 0 ? 0.2 : 0 });
    const mesh = { network: prefix("10.42.0.0/16"), subnet: prefix(WISH), found: true };
    const alpha = world.add("alpha", ["beta"], mesh);
    const beta = world.add("beta", ["alpha"], mesh);
    cut(world, ["alpha"]);
    for (const node of world.nodes) world.start(node);
    world.run(30_000);
    assert.equal(subnetOf(world, alpha), WISH);
    assert.equal(subnetOf(world, beta), WISH);
    const [winner, loser] = alpha.identity.id < beta.identity.id ? [alpha, beta] : [beta, alpha];
    world.network.partition(null);
    const healed = world.clock.now();
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    assert.equal(subnetOf(world, winner), WISH);
    assert.notEqual(subnetOf(world, loser), WISH);
    assert.ok(loser.leases.some((l) => l.from === WISH && l.to === null));
    assert.equal(winner.leases.filter((l) => l.at > healed).length, 0, "the winner is undisturbed");
    assert.ok(loser.logs.some((l) => l.message.startsWith(`Lost ${WISH}`)));
    const told = `${loser.name} also claimed ${WISH} while we were apart; our claim is earlier, so it yields`;
    const heard = winner.logs.filter((l) => l.level === "warning" && l.message === told).length;
    assert.equal(heard, 1, `seed ${seed}`);
  }
});

test(
  "A mesh split for minutes, with claims on both sides, heals within 10 s and tells only the losers",
  LONG,
  () => {
    for (const seed of seeds(10)) {
      const world = new World(seed, { loss: 0.05 });
      world.add("a", [], { network: prefix("10.42.0.0/22"), subnetMin: "10.42.0.0", subnetLen: 25 });
      for (const name of ["b", "c", "d"]) world.add(name, ["a"]);
      for (const name of ["e", "f"]) world.add(name, [name === "e" ? "b" : "d"]);
      for (const node of world.nodes.slice(0, 4)) world.start(node);
      assert.ok(world.runUntil(() => oneMesh(world), 15_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
      cut(world, ["a", "b", "e"]);
      world.run(60_000);
      world.start(world.node("e"));
      world.start(world.node("f"));
      world.run(60_000);
      const clash = subnetOf(world, world.node("e")) === subnetOf(world, world.node("f"));
      const settled = world.nodes.slice(0, 4).map((n) => n.leases.length);
      world.network.partition(null);
      assert.ok(
        world.runUntil(() => oneMesh(world), 10_000),
        `seed ${seed} (${clash}): ${whyNotOneMesh(world)}`,
      );
      assert.deepEqual(world.nodes.slice(0, 4).map((n) => n.leases.length), settled);
    }
  },
);

test("A restart keeps subnet and stamp, is heard of at once, and tells nobody of a change", () => {
  for (const seed of seeds(10)) {
    const world = new World(seed, { loss: seed % 2 === 0 ? 0.2 : 0 });
    world.add("alpha");
    const beta = world.add("beta", ["alpha"]);
    world.add("gamma", ["alpha"]);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 15_000));
    const before = subnetOf(world, beta);
    const claim = JSON.parse(beta.disk!).claim;
    const changes = beta.leases.length;
    world.stop(beta);
    world.run([100, 20_000][seed % 2]!);
    world.start(beta);
    world.run(0);
    assert.equal(world.view(beta).own.leaseState, "confirmed");
    assert.ok(world.runUntil(() => oneMesh(world), 8000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    assert.equal(subnetOf(world, beta), before);
    assert.deepEqual(JSON.parse(beta.disk!).claim, claim);
    assert.equal(beta.leases.length, changes);
  }
});

test("A restart at another address keeps the subnet", () => {
  const world = new World(3);
  world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 5000));
  const before = subnetOf(world, beta);
  world.stop(beta);
  Object.assign(beta, { endpoint: "172.16.0.5:8473" });
  beta.settings = { ...beta.settings, ownEndpoints: ["172.16.0.5:8473"] };
  world.start(beta);
  assert.ok(world.runUntil(() => oneMesh(world), 5000), whyNotOneMesh(world) ?? "");
  assert.equal(subnetOf(world, beta), before);
  assert.equal(world.view(world.node("alpha")).peers[0]!.endpoint, "172.16.0.5:8473");
});

test("A whole mesh started again from its disks keeps every subnet", () => {
  const world = new World(4);
  world.add("alpha");
  for (const name of ["beta", "gamma", "delta"]) world.add(name, ["alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 5000));
  world.run(6000);
  const before = world.nodes.map((n) => subnetOf(world, n));
  for (const node of world.nodes) world.stop(node);
  world.run(60_000);
  for (const node of world.nodes.slice(1)) world.start(node); // without the founder
  assert.ok(world.runUntil(() => oneMesh(world), 8000), whyNotOneMesh(world) ?? "");
  world.start(world.nodes[0]!);
  assert.ok(world.runUntil(() => oneMesh(world), 8000), whyNotOneMesh(world) ?? "");
  assert.deepEqual(world.nodes.map((n) => subnetOf(world, n)), before);
});

test("A state directory from an old backup catches up with the node's later life", () => {
  const world = new World(5);
  world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 5000));
  const backup = beta.disk!;
  const later = subnetOf(world, beta)!;
  for (let i = 0; i < 3; i++) {
    world.stop(beta);
    world.start(beta);
    assert.ok(world.runUntil(() => oneMesh(world), 5000));
  }
  world.stop(beta);
  const edited = JSON.parse(backup);
  edited.claim = { subnet: edited.mesh.network.replace("0.0/16", "250.0/24"), stamp: 1, incarnation: 1 };
  beta.disk = JSON.stringify(edited);
  world.start(beta);
  assert.ok(world.runUntil(() => oneMesh(world), 8000), whyNotOneMesh(world) ?? "");
  assert.equal(subnetOf(world, beta), later);
  assert.equal(beta.refusal, null);
});

test("A backup of the life in which the lease was given back takes it from nobody", () => {
  for (const seed of seeds(24, 20)) {
    const world = new World(seed);
    world.add("alpha");
    const beta = world.add("beta", ["alpha"]);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 5000));
    world.run(2000);
    const backup = beta.disk;
    const held = subnetOf(world, beta)!;
    world.event(beta, { kind: "release" });
    assert.ok(world.runUntil(() => beta.released, 2000));
    world.stop(beta);
    const gamma = world.add("gamma", ["alpha"], { subnet: prefix(held) });
    world.start(gamma);
    assert.ok(world.runUntil(() => subnetOf(world, gamma) === held, 8000), `seed ${seed}`);
    beta.disk = backup;
    world.start(beta);
    assert.ok(world.runUntil(() => oneMesh(world), 8000), whyNotOneMesh(world) ?? "");
    assert.equal(subnetOf(world, gamma), held);
    assert.notEqual(subnetOf(world, beta), held);
    assert.equal(beta.refusal, null);
  }
});

test("With the state lost and the identity kept, the lease comes back from the mesh", () => {
  const world = new World(6);
  world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 5000));
  const before = subnetOf(world, beta);
  world.stop(beta);
  beta.disk = null;
  world.start(beta);
  assert.ok(world.runUntil(() => oneMesh(world), 8000), whyNotOneMesh(world) ?? "");
  assert.equal(subnetOf(world, beta), before);
});

test("When nothing is free a host says so, uses nothing, and takes what is given back", () => {
  const world = new World(7);
  const small = { network: prefix("10.42.0.0/22"), subnetMin: "10.42.1.0", subnetMax: "10.42.2.0" };
  world.add("alpha", [], small);
  const beta = world.add("beta", ["alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 5000));
  const gamma = world.add("gamma", ["alpha"]);
  world.start(gamma);
  world.run(5000);
  assert.equal(world.view(gamma).own.leaseState, "exhausted");
  assert.equal(world.view(gamma).own.subnet, null);
  assert.ok(gamma.logs.some((l) => l.message.startsWith("No subnet is free")));
  const freed = subnetOf(world, beta);
  world.event(beta, { kind: "release" });
  assert.ok(world.runUntil(() => beta.released, 2000));
  assert.ok(
    world.runUntil(() => subnetOf(world, gamma) === freed && oneMesh(world), 8000),
    whyNotOneMesh(world) ?? "",
  );
});

test("Release ends after one acknowledgement, and the others forget the node", () => {
  const world = new World(8);
  const alpha = world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 5000));
  const before = world.clock.now();
  world.event(beta, { kind: "release" });
  assert.ok(world.runUntil(() => beta.released, 2000));
  assert.ok(world.clock.now() - before < 500);
  assert.equal(beta.leases.at(-1)!.to, null);
  assert.equal(JSON.parse(beta.disk!).claim, null);
  world.run(500);
  assert.equal(world.view(alpha).peers.length, 0);
  assert.equal(world.view(alpha).leases.length, 1);
});

test("Release without anybody alive ends after 1.5 s at the latest", () => {
  const world = new World(9);
  world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 5000));
  world.stop(world.node("alpha"));
  world.event(beta, { kind: "release" });
  world.run(1700);
  assert.equal(beta.released, true);
});

/** Everything that a node has logged of another since `at`. */
function saidOf(node: SimNode, name: string, at: number): string[] {
  return node.logs.filter((l) => l.at > at && l.level !== "debug" && l.message.includes(name)).map((l) =>
    l.message
  );
}

test("The others log that a node gave its lease back, and nothing else, for as long as they run", () => {
  const world = new World(15);
  world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  const gamma = world.add("gamma", ["alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 5000));
  const held = subnetOf(world, beta);
  const at = world.clock.now();
  world.event(beta, { kind: "release" });
  world.run(60_000);
  for (const node of [world.node("alpha"), gamma]) {
    assert.deepEqual(saidOf(node, "beta", at), [`beta released ${held} and left the mesh`]);
    assert.deepEqual(saidOf(node, beta.endpoint, at), []);
    assert.deepEqual(world.view(node).peers.map((p) => p.state), ["alive"]);
  }
});

test("A lease given back after a crash is told in the name of its node, without a sign of life before", () => {
  for (const crashedFor of [500, 20_000]) {
    const world = new World(16);
    const alpha = world.add("alpha");
    const beta = world.add("beta", ["alpha"]);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 5000));
    world.run(2000);
    const held = subnetOf(world, beta);
    world.stop(beta);
    assert.equal(JSON.parse(beta.disk!).name, "beta");
    world.run(crashedFor);
    const at = world.clock.now();
    beta.settings = { ...beta.settings, peers: [], ownEndpoints: [] };
    Object.assign(beta, { endpoint: "192.168.0.3:40001" });
    world.start(beta, { kind: "release", meetMs: 1500 });
    assert.ok(world.runUntil(() => beta.released, 2500), `${crashedFor}`);
    world.run(60_000);
    assert.deepEqual(saidOf(alpha, "beta", at), [`beta released ${held} and left the mesh`]);
    assert.deepEqual([world.view(alpha).peers.length, world.view(alpha).leases.length], [0, 1]);
  }
});

test("A lease given back by an old copy of the state is given back all the same", () => {
  for (const seed of seeds(19, 10)) {
    const world = new World(seed);
    const alpha = world.add("alpha");
    const beta = world.add("beta", ["alpha"]);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 5000));
    world.run(2000);
    const backup = beta.disk;
    for (let i = 0; i < 3; i++) {
      world.stop(beta);
      world.start(beta);
      assert.ok(world.runUntil(() => oneMesh(world), 5000));
    }
    world.stop(beta);
    beta.disk = backup;
    world.start(beta, { kind: "release", meetMs: 1500 });
    assert.ok(world.runUntil(() => beta.released, 4000));
    assert.deepEqual(
      [world.view(alpha).peers.length, world.view(alpha).leases.length],
      [0, 1],
      `seed ${seed}`,
    );
  }
});

test("Who was stopped is shown as stopped, and is alive at once when it comes back", () => {
  for (const seed of seeds(5)) {
    const world = new World(seed);
    world.add("alpha");
    const beta = world.add("beta", ["alpha"]);
    world.add("gamma", ["alpha"]);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 5000));
    world.run(2000);
    const at = world.clock.now();
    world.event(beta, { kind: "leave" });
    world.stop(beta);
    world.run(15_000);
    for (const node of world.running) {
      const peer = world.view(node).peers.find((p) => p.name === "beta")!;
      assert.deepEqual([peer.state, peer.stopped], ["dead", true]);
      assert.deepEqual(peer.tried.map((t) => t.outcome.kind), ["stopped"]);
      assert.deepEqual(saidOf(node, "beta", at), ["beta was stopped"]);
    }
    world.start(beta);
    assert.ok(world.runUntil(() => oneMesh(world), 1000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    for (const node of world.running) assert.ok(world.view(node).peers.every((p) => !p.stopped));
  }
});

test("An address a node is no longer seen at is forgotten, and what was never tried is no failure", () => {
  const world = new World(18);
  const alpha = world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  beta.settings = { ...beta.settings, ownEndpoints: ["10.1.1.1:8473"] };
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 5000));
  for (const port of [56671, 56672, 56673]) {
    Object.assign(beta, { endpoint: `192.168.1.50:${port}` }); // a NAT that forgets
    world.run(60_000);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  }
  const peer = world.view(alpha).peers[0]!;
  assert.deepEqual(peer.endpoints, ["10.1.1.1:8473", "192.168.1.50:56673"]);
  assert.equal(peer.endpoint, "192.168.1.50:56673");
  assert.ok(peer.tried.every((t) => t.outcome.kind !== "untried"), JSON.stringify(peer.tried));
  assert.deepEqual(peer.tried[0], {
    ...peer.tried[0]!,
    endpoint: "192.168.1.50:56673",
    outcome: { kind: "answered" },
  });
});

test("Leaving is seen at once, and keeps the lease taken", () => {
  const world = new World(10);
  const alpha = world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 5000));
  const held = subnetOf(world, beta);
  world.event(beta, { kind: "leave" });
  world.stop(beta);
  world.run(300);
  assert.equal(world.view(alpha).peers[0]!.state, "dead");
  assert.ok(world.view(alpha).leases.some((l) => l.subnet.text === held && l.state === "dead"));
  world.start(beta);
  assert.ok(world.runUntil(() => oneMesh(world), 5000), whyNotOneMesh(world) ?? "");
});

test("A dead host is declared dead within 10 s, and its lease stays taken", () => {
  for (const seed of seeds(5)) {
    const world = new World(seed, { loss: 0.1 });
    world.add("alpha");
    for (const name of ["beta", "gamma", "delta"]) world.add(name, ["alpha"]);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 15_000));
    const gamma = world.node("gamma");
    const held = subnetOf(world, gamma);
    world.stop(gamma);
    const dead = () =>
      world.running.every((n) => world.view(n).peers.find((p) => p.name === "gamma")!.state === "dead");
    assert.ok(world.runUntil(dead, 11_000), `seed ${seed}`);
    for (const n of world.running) assert.ok(world.view(n).leases.some((l) => l.subnet.text === held));
  }
});

test("Under 20 % loss a mesh of six stays whole for five minutes", () => {
  const world = new World(11, { loss: 0.2, latency: [1, 60] });
  world.add("n0");
  for (let i = 1; i < 6; i++) world.add(`n${i}`, ["n0"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
  let deaths = 0;
  world.onAction = (_, action) => {
    if (action.kind === "log" && action.message.endsWith("is dead")) deaths++;
  };
  world.run(300_000);
  assert.ok(deaths <= 2, `${deaths} declared dead`);
  for (const node of world.nodes) assert.equal(node.leases.length, 1);
  assert.equal(doubleUse(world), null);
});

test("A cloned state directory is found out: the same one of the two stops, the other goes on", () => {
  for (const seed of seeds(10)) {
    const world = new World(seed);
    const alpha = world.add("alpha");
    const beta = world.add("beta", ["alpha"]);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 5000));
    const subnet = subnetOf(world, beta);
    world.stop(beta);
    const clone = world.add("clone", ["alpha"]);
    clone.identity = beta.identity;
    clone.disk = beta.disk;
    world.start(beta);
    world.start(clone);
    world.run(20_000);
    const stopped = [beta, clone].filter((n) => n.refusal !== null);
    assert.equal(stopped.length, 1, `seed ${seed}: ${stopped.map((n) => n.name)}`);
    assert.match(stopped[0]!.refusal!, /is running with this node's identity/);
    const winner = stopped[0] === beta ? clone : beta;
    assert.equal(subnetOf(world, winner), subnet);
    assert.match(world.view(alpha).own.warnings.join(), /Two hosts are running with the identity/);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  }
});

test("A copy of the state of a host that has run for a while ends, not the host; directly or through others", () => {
  for (const seed of seeds(20)) {
    const world = new World(seed, { loss: seed % 4 === 0 ? 0.05 : 0 });
    world.add("alpha");
    const beta = world.add("beta", ["alpha"]);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 8000));
    world.run(30_000 + 5000 * seed);
    const subnet = subnetOf(world, beta);
    const copy = world.add("copy", ["alpha"]);
    copy.identity = beta.identity;
    copy.disk = beta.disk;
    // In every second world the two hear of one another by their records alone.
    if (seed % 2 === 0) {
      world.network.rewrite = ({ from, to, bytes }) =>
        [from, to].includes(beta.endpoint) && [from, to].includes(copy.endpoint) ? new Uint8Array(0) : bytes;
    }
    world.start(copy);
    world.run(25_000);
    assert.equal(beta.refusal, null, `seed ${seed}`);
    assert.match(copy.refusal ?? "", /this host is a COPY.*NOT with down --purge/, `seed ${seed}`);
    assert.equal(subnetOf(world, beta), subnet);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  }
});

test("Of two hosts with one identity exactly one ends, however far apart they were started", LONG, () => {
  for (const seed of seeds(60)) {
    const world = new World(seed, { latency: [5, 40] });
    world.start(world.add("alpha"));
    const beta = world.add("beta", ["alpha"]);
    const copy = world.add("copy", ["alpha"]);
    world.start(beta);
    assert.ok(world.runUntil(() => oneMesh(world), 8000));
    copy.identity = beta.identity;
    copy.disk = beta.disk;
    world.stop(beta);
    world.start(beta);
    // The two meet later than they were started, around the difference from which on age decides.
    world.run(19_000 + 50 * seed);
    world.start(copy);
    world.run(40_000);
    const ended = [beta, copy].filter((n) => n.refusal !== null).map((n) => n.name);
    assert.equal(ended.length, 1, `seed ${seed}: ${ended}`);
  }
});

test("A clone that calls its original gives way to it", () => {
  const world = new World(12);
  const alpha = world.add("alpha");
  world.start(alpha);
  world.run(1000);
  const clone = world.add("clone", ["alpha"]);
  clone.identity = alpha.identity;
  world.start(clone);
  world.run(3000);
  assert.match(clone.refusal ?? "", /192\.168\.0\.2:8473 had this node's identity first/);
  assert.equal(world.view(alpha).own.leaseState, "confirmed");
});

test("Flags that contradict the stored mesh refuse to start", () => {
  const world = new World(13);
  const alpha = world.add("alpha");
  world.start(alpha);
  world.run(1000);
  world.stop(alpha);
  alpha.settings = { ...alpha.settings, subnetLen: 26 };
  world.start(alpha);
  assert.match(alpha.refusal ?? "", /--subnet-len says "26", but the mesh has "24"/);
});

test("A claim is on disk before it is told", () => {
  const world = new World(14, { loss: 0.1 });
  world.add("alpha");
  for (let i = 0; i < 4; i++) world.add(`n${i}`, ["alpha"]);
  const stored = new Map<string, number>(); // BOUNDED: one per node
  world.onAction = (node, action) => {
    if (action.kind === "persist") {
      assert.ok(action.state.incarnation * 1e6 + action.state.epoch >= (stored.get(node.name) ?? 0));
      stored.set(node.name, action.state.incarnation * 1e6 + action.state.epoch);
    }
    if (action.kind === "leaseChanged" && action.to !== null) {
      assert.equal(JSON.parse(node.disk!).claim.subnet, action.to);
    }
  };
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 15_000), whyNotOneMesh(world) ?? "");
});

test(
  "Nobody uses a subnet that another uses, at any moment, while thirty hosts crowd into forty subnets",
  LONG,
  () => {
    for (const seed of seeds(4)) {
      const world = new World(seed, { loss: 0.05 });
      const tight = {
        network: prefix("10.42.0.0/24"),
        subnetLen: 30,
        subnetMin: "10.42.0.0",
        subnetMax: "10.42.0.156",
      };
      world.add("n0", [], tight);
      for (let i = 1; i < 30; i++) world.add(`n${i}`, ["n0"]);
      for (const node of world.nodes) world.startAt(node, 1000 + world.random.below(3000));
      let doubles = 0;
      const whole = () => {
        if (doubleUse(world) !== null) doubles++;
        return world.running.length === 30 && oneMesh(world);
      };
      assert.ok(world.runUntil(whole, 60_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
      assert.equal(doubles, 0, `seed ${seed}: a subnet was in use twice`);
    }
  },
);

test("A double claim of both families has one winner, who keeps both subnets, and a loser with two new ones", () => {
  const ipv6 = { ...NOTHING_ASKED.ipv6, network: prefix("fd42:1:2::/48") };
  for (const seed of seeds(6)) {
    const world = new World(seed, { loss: 0.1 });
    const wish6 = { ...ipv6, subnet: prefix("fd42:1:2:7::/64") };
    const mesh = { network: prefix("10.42.0.0/16"), found: true };
    // They clash in both families, in IPv4 alone, and in IPv6 alone.
    const [one, other] = [
      [{ subnet: prefix(WISH), ipv6: wish6 }, { subnet: prefix(WISH), ipv6: wish6 }],
      [{ subnet: prefix(WISH), ipv6: wish6 }, {
        subnet: prefix(WISH),
        ipv6: { ...ipv6, subnet: prefix("fd42:1:2:8::/64") },
      }],
      [{ subnet: prefix(WISH), ipv6: wish6 }, { subnet: prefix("10.42.8.0/24"), ipv6: wish6 }],
    ][seed % 3]!;
    const alpha = world.add("alpha", ["beta"], { ...mesh, ...one! });
    const beta = world.add("beta", ["alpha"], { ...mesh, ...other! });
    cut(world, ["alpha"]);
    for (const node of world.nodes) world.start(node);
    world.run(5000);
    const held = (node: SimNode) => {
      const { subnet, second } = world.view(node).own;
      return [subnet?.text, second?.text];
    };
    const [winner, loser] = alpha.identity.id < beta.identity.id ? [alpha, beta] : [beta, alpha];
    const [kept, lost] = [held(winner), held(loser)];
    world.network.partition(null);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    assert.deepEqual(held(winner), kept);
    const now = held(loser);
    for (const subnet of now) {
      assert.ok(subnet !== undefined && !kept.includes(subnet), `seed ${seed}: ${now}`);
    }
    const told = loser.logs.filter(({ message }) => message.startsWith(`Lost ${lost.join(" and ")}: `));
    assert.equal(told.length, 1, `seed ${seed}`);
    // Named is what both had, not what the loser had besides.
    const clash = lost.find((one) => kept.includes(one))!;
    assert.ok(told[0]!.message.includes(`: ${winner.name} holds ${clash} with`), told[0]!.message);
    const heard = winner.logs.filter(({ message }) =>
      message.startsWith(`${loser.name} also claimed ${clash} `)
    );
    assert.equal(heard.length, 1, `seed ${seed}`);
    for (const [node, of] of [[winner, loser], [loser, winner]] as const) {
      const seen = world.view(node).peers.find(({ id }) => id === of.identity.id)!;
      assert.deepEqual([seen.subnet?.text, seen.second?.text], held(of));
    }
  }
});
