/**
 * Joining and founding, in simulated networks: whatever the order of starts, the losses and the lists of peers, one
 * mesh comes out, and nobody claims before it may.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";
import { seeds } from "../made/seeds.ts";
import { prefix } from "../../src/wire/prefix.ts";

const LONG = { timeout: 120_000 };
const N = 5;
const name = (i: number) => `n${i}`;
const TOPOLOGIES: Record<string, (i: number) => string[]> = {
  "everybody": (i) => [...Array(N).keys()].filter((j) => j !== i).map(name),
  "the next in a chain": (i) => [i + 1 < N ? name(i + 1) : name(i - 1)],
  "the one before in a chain": (i) => [i === 0 ? name(1) : name(i - 1)],
  "the next in a ring": (i) => [name((i + 1) % N)],
  "the middle of a star": (i) => [i === 0 ? name(1) : name(0)],
};

for (const [label, peersOf] of Object.entries(TOPOLOGIES)) {
  test(`Five hosts started together, each given ${label}, form one mesh`, LONG, () => {
    for (const seed of seeds(24)) {
      const loss = [0, 0.05, 0.2][seed % 3]!;
      const world = new World(seed, { loss, latency: seed % 2 === 0 ? [5, 40] : [0.2, 2] });
      for (let i = 0; i < N; i++) world.add(name(i), peersOf(i));
      const spread = [0, 1000, 2500][seed % 3]!;
      for (const node of world.nodes) world.startAt(node, 1000 + world.random.below(spread + 1));
      const whole = () => world.running.length === N && oneMesh(world);
      assert.ok(world.runUntil(whole, 30_000), `seed ${seed}, loss ${loss}: ${whyNotOneMesh(world)}`);
      const founders = world.nodes.filter((n) => n.logs.some((l) => l.message.startsWith("Founded")));
      assert.equal(founders.length, 1, `seed ${seed}: ${founders.map((n) => n.name)}`);
    }
  });
}

test("Three hosts, one founder, are one mesh within a second", () => {
  const world = new World(7);
  world.add("alpha");
  world.add("beta", ["alpha"]);
  world.add("gamma", ["alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 1000), whyNotOneMesh(world) ?? "");
});

test("Joiners found within two seconds when every peer answers", () => {
  const world = new World(8);
  for (let i = 0; i < 3; i++) world.add(name(i), [0, 1, 2].filter((j) => j !== i).map(name));
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 2000), whyNotOneMesh(world) ?? "");
});

test("Joiners found without a peer that never starts, after a longer wait", () => {
  const world = new World(9);
  world.add("alpha", ["beta", "10.0.0.99:8473"]);
  world.add("beta", ["alpha", "10.0.0.99:8473"]);
  for (const node of world.nodes) world.start(node);
  world.run(3000);
  assert.equal(world.view(world.node("alpha")).own.mesh, null);
  assert.ok(world.runUntil(() => oneMesh(world), 4000), whyNotOneMesh(world) ?? "");
});

test("A host whose peer is down waits, says for whom, and joins when it comes", () => {
  const world = new World(10);
  const alpha = world.add("alpha");
  const beta = world.add("beta", ["192.168.0.2:8473"]);
  world.start(beta);
  world.run(15_000);
  const { own } = world.view(beta);
  assert.equal(own.leaseState, "joining");
  assert.equal(own.mesh, null);
  assert.match(
    own.waitingFor[0]!.message,
    /^waiting for 192\.168\.0\.2:8473: no answer for 15 s \(firewall/,
  );
  assert.equal(own.waitingFor[0]!.hint, "firewall? wrong network name? not started?");
  const said = beta.logs.filter((l) => l.message.startsWith("Waiting for 192.168.0.2:8473"));
  assert.ok(said.length >= 2 && said.length <= 3, `${said.length}`);
  world.start(alpha);
  assert.ok(world.runUntil(() => oneMesh(world), 6000), whyNotOneMesh(world) ?? "");
  assert.deepEqual(world.view(beta).own.waitingFor, []);
});

test("Who is waited for is shown with its port, also where the user gave none", () => {
  const world = new World(22);
  const beta = world.add("beta", ["192.168.0.9"]);
  world.start(beta);
  const endpoints = ["192.168.0.9:8474", "[fd00::9]:8474", "[fd00::10]:8474"];
  world.event(beta, { kind: "seeds", seeds: [{ text: "192.168.0.9", endpoints: endpoints.slice(0, 1) }] });
  world.run(3000);
  assert.match(
    world.view(beta).own.waitingFor[0]!.message,
    /^waiting for 192\.168\.0\.9 \(192\.168\.0\.9:8474\): no answer for 3 s \(firewall/,
  );
  world.event(beta, { kind: "seeds", seeds: [{ text: "many.example", endpoints }] });
  const { message } = world.view(beta).own.waitingFor[0]!;
  assert.ok(message.startsWith("waiting for many.example (192.168.0.9:8474, [fd00::9]:8474, …): "), message);
});

test("A seed whose name does not resolve is waited for by its name", () => {
  const world = new World(11);
  const beta = world.add("beta", ["nowhere.example"]);
  world.start(beta);
  world.event(beta, { kind: "seeds", seeds: [{ text: "nowhere.example", endpoints: [] }] });
  world.run(3000);
  const [waiting] = world.view(beta).own.waitingFor;
  assert.match(waiting!.message, /nowhere\.example: the name does not resolve/);
  assert.match(waiting!.hint, /^the name does not resolve/);
});

test("--found founds although peers were given", () => {
  const world = new World(12);
  const alpha = world.add("alpha", ["10.0.0.99:8473"], { found: true });
  world.start(alpha);
  world.run(500);
  assert.equal(world.view(alpha).own.leaseState, "confirmed");
});

test("A host that lists itself among its peers joins through the others", () => {
  const world = new World(13);
  world.add("alpha");
  world.add("beta", ["beta", "alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 2000), whyNotOneMesh(world) ?? "");
  assert.deepEqual(world.view(world.node("beta")).own.warnings, []);
});

test("A joiner whose flags contradict the mesh refuses, naming both values and the flag", () => {
  const world = new World(14);
  world.add("alpha", [], { subnetLen: 24, network: prefix("10.150.0.0/16") });
  world.add("beta", ["alpha"], { network: prefix("10.151.0.0/16") });
  world.add("gamma", ["alpha"], { backend: "vxlan" });
  for (const node of world.nodes) world.start(node);
  world.run(3000);
  assert.match(world.node("beta").refusal ?? "", /--network says "10\.151\.0\.0\/16".*"10\.150\.0\.0\/16"/);
  assert.match(world.node("gamma").refusal ?? "", /--backend says "vxlan".*"udp"/);
  assert.equal(world.view(world.node("alpha")).own.leaseState, "confirmed");
});

test("A wrong network name is refused and logged on both sides, rarely", () => {
  const world = new World(15);
  const alpha = world.add("alpha");
  const beta = world.add("beta", ["alpha"], { networkName: "other" });
  for (const node of world.nodes) world.start(node);
  world.run(20_000);
  const lines = (n: typeof alpha) =>
    n.logs.filter((l) => /another network/.test(l.message) && /efuse/.test(l.message));
  assert.equal(lines(alpha).length, 1);
  assert.equal(lines(beta).filter((l) => l.message.includes("refused us")).length, 1);
  assert.match(world.view(beta).own.waitingFor[0]!.message, /refused: it belongs to another network/);
});

test("Two meshes of one name and different configuration refuse one another, naming both values", () => {
  const world = new World(16);
  const alpha = world.add("alpha", [], { network: prefix("10.150.0.0/16") });
  const beta = world.add("beta", ["alpha"], { network: prefix("10.151.0.0/16"), found: true });
  for (const node of world.nodes) world.start(node);
  world.run(5000);
  for (const node of [alpha, beta]) {
    const { own, peers } = world.view(node);
    assert.equal(own.leaseState, "confirmed");
    assert.equal(peers.length, 0);
    assert.match(own.warnings.join(), /10\.15[01]\.0\.0\/16 here, 10\.15[01]\.0\.0\/16 there/);
    const said = node.logs.filter((l) => l.level === "error" && l.message.includes("a different mesh"));
    assert.equal(said.length, 1, node.name);
  }
});

test("A lone founder later given a peer of another mesh is told how to join it, and so is the peer", () => {
  const world = new World(20);
  const alpha = world.add("alpha", [], { network: prefix("10.150.0.0/16") });
  const other = world.add("other", ["alpha"]);
  const beta = world.add("beta", [], { network: prefix("10.151.0.0/16") });
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world, [alpha, other]), 3000));
  world.stop(beta);
  beta.seeds = ["alpha"];
  beta.settings = { ...beta.settings, network: null, peers: ["a"] };
  world.start(beta);
  world.run(5000);
  const said = (node: typeof alpha) =>
    node.logs.filter((l) =>
      l.level === "error" && /belongs to a different mesh of the same name/.test(l.message)
    );
  assert.equal(said(beta).length, 1);
  assert.match(
    said(beta)[0]!.message,
    /This node is alone in its mesh: run ovltun down --purge here, then start/,
  );
  assert.equal(said(alpha).length, 1);
  assert.match(said(alpha)[0]!.message, /Run ovltun down --purge on one of the two/);
  assert.equal(world.view(beta).own.leaseState, "confirmed");
});

test("The log counts the nodes it speaks of", () => {
  const world = new World(21);
  const alpha = world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  world.start(alpha);
  world.run(300);
  assert.ok(alpha.logs.some((l) => /^Lease .* confirmed: no other node to ask$/.test(l.message)));
  world.start(beta);
  assert.ok(world.runUntil(() => oneMesh(world), 3000));
  assert.ok(beta.logs.some((l) => l.message === "Synchronised with alpha: 1 other node known"));
  assert.ok(beta.logs.some((l) => l.message.endsWith("confirmed: acknowledged by every live member")));
});

test("Fifty hosts join one founder at once, under 5 % loss, each with a subnet of its own", LONG, () => {
  const world = new World(17, { loss: 0.05 });
  world.add("n0");
  for (let i = 1; i < 50; i++) world.add(name(i), ["n0"]);
  for (const node of world.nodes) world.startAt(node, 1000 + world.random.below(500));
  const whole = () => world.running.length === 50 && oneMesh(world);
  assert.ok(world.runUntil(whole, 30_000), whyNotOneMesh(world) ?? "");
  assert.ok(world.network.largest <= 1200, `${world.network.largest}`);
});

test("A host of another protocol version is refused by name on both sides", () => {
  const world = new World(18);
  const alpha = world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  for (const node of world.nodes) world.start(node);
  // Each sees the other's hellos as those of version 2.
  world.network.rewrite = (d) => {
    if (d.bytes[0] !== 3) return d.bytes;
    const bytes = d.bytes.slice();
    bytes[1] = 2;
    return bytes;
  };
  world.run(12_000);
  assert.equal(world.view(beta).own.leaseState, "joining");
  assert.equal(
    alpha.logs.filter((l) => /Refused .* protocol version 2, we speak 1/.test(l.message)).length,
    1,
  );
  assert.equal(beta.logs.filter((l) => /refused us: it speaks protocol version 2/.test(l.message)).length, 1);
});

test("Nonsense, cut short or changed in a few bits, leaves a mesh as it was", () => {
  const world = new World(19);
  const alpha = world.add("alpha");
  const beta = world.add("beta", ["alpha"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 2000));
  const seen: Uint8Array[] = [];
  world.network.rewrite = (d) => {
    if (seen.length < 200) seen.push(d.bytes.slice());
    return d.bytes;
  };
  world.run(20_000);
  const subnets = world.nodes.map((n) => world.view(n).own.subnet);
  for (let i = 0; i < 20_000; i++) {
    const bytes = i % 3 === 0 ? world.random.bytes(world.random.below(200)) : seen[i % seen.length]!.slice();
    if (i % 3 === 1 && bytes.length > 0) bytes[world.random.below(bytes.length)] = world.random.below(256);
    const cut = i % 3 === 2 ? bytes.slice(0, world.random.below(bytes.length)) : bytes;
    const from = i % 2 === 0 ? beta.endpoint : "203.0.113.7:1234";
    world.event(alpha, { kind: "datagram", bytes: cut, from, at: world.clock.now() });
  }
  world.run(5000);
  assert.equal(whyNotOneMesh(world), null);
  assert.deepEqual(world.nodes.map((n) => world.view(n).own.subnet), subnets);
  assert.equal(alpha.refusal, null);
});

test("Whoever founds, joins or restarts in a mesh of public addresses is warned, once, and nobody in another", () => {
  for (const [network, times] of [["8.8.0.0/16", 1], ["10.42.0.0/16", 0]] as const) {
    const world = new World(1);
    const a = world.add("a", [], { network: prefix(network) });
    const b = world.add("b", ["a"]);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    world.stop(b);
    b.logs.length = 0;
    world.start(b);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    for (const node of [a, b]) {
      const told = node.logs.filter(({ message }) => message.includes("public address space"));
      assert.equal(told.length, times, node.name);
      assert.deepEqual(world.view(node).own.warnings, told.map(({ message }) => message));
    }
  }
});
