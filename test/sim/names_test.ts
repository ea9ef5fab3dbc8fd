/** Endpoints that are names, in whole meshes: looked up by whoever has no link, few a minute, and with care. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { addSealed } from "./sealed.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";
import { formatAddress } from "../../src/wire/address.ts";

const HOME = "home.example:8473";

function moved(world: World, node: SimNode, endpoint: string): void {
  node.endpoint = endpoint;
  world.event(node, { kind: "ownEndpoints", endpoints: [HOME, endpoint] });
}

for (const security of ["plain", "sealed"] as const) {
  test(`A laptop finds a ${security} mesh again whose address changed while it was off, by the name in its record`, () => {
    const world = new World(31);
    const add = (name: string, seeds: readonly string[]) =>
      security === "sealed" ? addSealed(world, name, seeds) : world.add(name, seeds);
    const home = add("home", []);
    home.settings = { ...home.settings, ownEndpoints: [HOME, home.endpoint] };
    const laptop = add("laptop", ["home"]);
    world.dns.set(HOME, [home.endpoint]);
    world.start(home);
    world.run(500);
    world.start(laptop);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    world.run(3000);
    world.stop(laptop);
    moved(world, home, "203.0.113.77:8473");
    world.dns.set(HOME, ["203.0.113.77:8473"]);
    world.run(60_000);
    laptop.endpoint = "198.51.100.4:8473"; // home knows neither that nor its old name
    laptop.seeds = [];
    laptop.settings = { ...laptop.settings, peers: [], ownEndpoints: [laptop.endpoint] };
    world.start(laptop);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  });

  test(`A ${security} mesh heals by a name that changes while both run, and not by one that stops resolving`, () => {
    const world = new World(32);
    const add = (name: string, seeds: readonly string[]) =>
      security === "sealed" ? addSealed(world, name, seeds) : world.add(name, seeds);
    const home = add("home", []);
    home.settings = { ...home.settings, ownEndpoints: [HOME] };
    const other = add("other", ["home"]);
    other.settings = { ...other.settings, ownEndpoints: [] };
    world.dns.set(HOME, [home.endpoint]);
    world.start(home);
    world.start(other);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    const before = world.lookups.length;
    world.run(120_000);
    assert.equal(world.lookups.length, before, "nobody looks for whom it has a link with");
    world.network.partition((endpoint) => endpoint === home.endpoint ? 1 : 0);
    world.run(40_000);
    world.dns.delete(HOME); // the resolver fails: what it said counts on
    world.run(120_000);
    assert.ok(world.lookups.length > before);
    world.network.partition(null);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    // The connection is cut, and both sides have other addresses after.
    world.network.partition((endpoint) => endpoint === home.endpoint ? 1 : 0);
    world.run(30_000);
    home.endpoint = "203.0.113.78:8473";
    other.endpoint = "198.51.100.9:8473";
    world.dns.set(HOME, [home.endpoint]);
    world.network.partition(null);
    assert.ok(world.runUntil(() => oneMesh(world), 60_000), whyNotOneMesh(world) ?? "");
  });
}

test("Names of others are looked up seldom: thirty a minute in all, three of a node, none twice within twenty seconds", () => {
  const world = new World(33);
  const a = world.add("a");
  world.start(a);
  world.run(500);
  const others = Array.from({ length: 6 }, (_, i) => {
    const node = world.add(`n${i}`, ["a"]);
    const names = Array.from({ length: 6 }, (_, n) => `h${n}.n${i}.example:8473`);
    node.settings = { ...node.settings, ownEndpoints: [node.endpoint, ...names] };
    return node;
  });
  for (const node of others) world.start(node);
  assert.ok(world.runUntil(() => world.view(a).peers.length === 6, 20_000));
  world.run(2000);
  for (const node of others) world.stop(node);
  const at: { name: string; now: number }[] = [];
  world.onAction = (_, action) => {
    if (action.kind === "resolve") at.push({ name: action.name, now: world.clock.now() });
  };
  world.run(180_000);
  assert.ok(at.length > 30, `${at.length}`);
  assert.ok(at.length <= 16 + 90 + 1, `${at.length} in three minutes`);
  assert.ok(at.every(({ name }) => Number(name[1]) < 3), "three of a node");
  const last = new Map<string, number>();
  for (const { name, now } of at) {
    // One that never resolved is tried sooner the first few times.
    assert.ok(now - (last.get(name) ?? -Infinity) >= 2000, name);
    last.set(name, now);
  }
});

test("A name that leads to this host itself, to everybody or into the mesh makes nobody send there", () => {
  const world = new World(34);
  const a = world.add("a");
  world.start(a);
  world.run(500);
  const b = world.add("b", ["a"]);
  b.settings = { ...b.settings, ownEndpoints: [b.endpoint, "evil.example:8473"] };
  world.start(b);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000));
  world.run(2000);
  const { mesh, subnet } = world.view(a).own;
  const inside = `${formatAddress(subnet!.address)}:8473`;
  assert.ok(mesh !== null);
  const useless = [
    "127.0.0.1:8473",
    "[::1]:8473",
    "0.0.0.0:8473",
    "224.0.0.1:8473",
    "[fe80::1]:8473",
    inside,
  ];
  world.dns.set("evil.example:8473", useless);
  world.stop(b);
  const sent = new Set<string>();
  world.onAction = (_, action) => {
    if (action.kind === "send" || action.kind === "sendSealed") sent.add(action.to);
  };
  world.run(120_000);
  assert.ok(world.lookups.includes("evil.example:8473"));
  assert.deepEqual([...sent], [b.endpoint]);
  world.dns.set("evil.example:8473", [...useless, "203.0.113.9:8473"]);
  world.run(60_000);
  assert.deepEqual([...sent].sort(), [b.endpoint, "203.0.113.9:8473"].sort());
  const { tried } = world.view(a).peers[0]!;
  assert.deepEqual(
    tried.map(({ endpoint }) => endpoint).sort(),
    [b.endpoint, "203.0.113.9:8473", inside].sort(),
  );
  assert.equal(tried.find(({ endpoint }) => endpoint === inside)!.outcome.kind, "inside");
});

test("A member that reaches nobody says so after ten seconds, names whom and what was tried, and says when it is over", () => {
  const world = new World(35);
  const a = world.add("alpha");
  world.start(a);
  world.run(500);
  const b = world.add("beta", ["alpha"]);
  b.settings = { ...b.settings, ownEndpoints: [b.endpoint, "beta.example:8473"] };
  world.start(b);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000));
  world.run(1000);
  const aloneOf = () =>
    a.logs.filter(({ message }) => /No other node of the mesh can be reached/.test(message));
  world.network.partition((endpoint) => endpoint === b.endpoint ? 1 : 0);
  world.run(30_000);
  assert.equal(aloneOf().length, 1);
  assert.equal(aloneOf()[0]!.level, "warning");
  assert.match(
    aloneOf()[0]!.message,
    /beta \(beta\.example:8473 does not resolve, 192\.168\.0\.3:8473: no answer\)/,
  );
  assert.ok(world.view(a).own.warnings.some((warning) => warning.includes("No other node of the mesh")));
  world.run(600_000);
  assert.equal(aloneOf().length, 2);
  world.network.partition(null);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000));
  world.run(5000);
  assert.ok(a.logs.some(({ message }) => /^Reached beta again after \d+ s/.test(message)));
  assert.ok(!world.view(a).own.warnings.some((warning) => warning.includes("No other node of the mesh")));
  assert.equal(aloneOf().length, 2);
  // A peer that was stopped on purpose is not missed.
  world.event(b, { kind: "leave" });
  world.run(30_000);
  assert.equal(aloneOf().length, 2);
});

test("A founder without anybody to wait for does not complain that it is alone", () => {
  const world = new World(36);
  const a = world.add("a");
  world.start(a);
  world.run(60_000);
  assert.deepEqual(a.logs.filter(({ level }) => level === "warning"), []);
});

test("Names that lead nowhere, more of them than may be looked up, keep no other name from being looked up", () => {
  const world = new World(35);
  const a = world.add("a");
  world.start(a);
  world.run(500);
  const gone = Array.from({ length: 20 }, (_, i) => {
    const node = world.add(`gone${i}`, ["a"]);
    node.settings = { ...node.settings, ownEndpoints: [node.endpoint, `gone${i}.example:8473`] };
    return node;
  });
  for (const node of gone) world.start(node);
  assert.ok(world.runUntil(() => world.view(a).peers.length === gone.length, 30_000));
  const home = world.add("home", ["a"]);
  home.settings = { ...home.settings, ownEndpoints: [home.endpoint, HOME] };
  world.start(home);
  assert.ok(world.runUntil(() => world.view(a).peers.length === gone.length + 1, 30_000));
  world.run(2000);
  for (const node of [...gone, home]) world.stop(node);
  world.run(400_000);
  const names = [...gone.map(({ name }) => `${name}.example:8473`), HOME];
  const times = names.map((name) => world.lookups.filter((one) => one === name).length);
  assert.ok(times.every((n) => n >= 2), JSON.stringify(times));
});
