/** Addresses inside the mesh itself are no way to a peer: whoever names them, on both sides, in both kinds of mesh. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { addressOf } from "../../src/wire/address.ts";
import { liesWithin, prefix } from "../../src/wire/prefix.ts";
import { addSealed } from "./sealed.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

interface Pair {
  readonly world: World;
  readonly a: SimNode;
  readonly b: SimNode;
  /** Overlay endpoints of the two. */
  readonly at: { readonly a: string; readonly b: string };
  /** Datagrams that went into the mesh. */
  readonly astray: string[];
}

const MESH = prefix("10.42.0.0/16");

// As hosts do it: what goes to an overlay address comes from the sender's own, and arrives while there is a link.
function pair(seed: number, security: "plain" | "sealed"): Pair {
  const world = new World(seed);
  const add = (name: string, seeds: readonly string[]) =>
    security === "sealed" ? addSealed(world, name, seeds) : world.add(name, seeds);
  const a = add("a", []);
  const b = add("b", ["a"]);
  for (const node of [a, b]) node.settings = { ...node.settings, network: MESH };
  const astray: string[] = [];
  world.start(a);
  world.run(500);
  world.start(b);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  world.run(1000);
  const overlay = (node: SimNode) => `${world.view(node).own.address}:8473`;
  const at = { a: overlay(a), b: overlay(b) };
  world.onAction = (node, action) => {
    if (action.kind !== "send" && action.kind !== "sendSealed") return;
    if (!liesWithin(MESH, addressOf(action.to))) return;
    astray.push(`${node.name} to ${action.to}`);
    const other = action.to === at.a ? a : b;
    if (action.kind === "send") {
      world.network.send(world.clock.now(), node === a ? at.a : at.b, other.endpoint, action.bytes);
    }
  };
  return { world, a, b, at, astray };
}

function assertLinksOutside({ world, a, b, astray }: Pair): void {
  for (const node of [a, b]) {
    for (const peer of world.view(node).peers) {
      assert.ok(peer.endpoint !== null && !liesWithin(MESH, addressOf(peer.endpoint)), `${peer.endpoint}`);
    }
  }
  assert.deepEqual(astray, []);
}

for (const security of ["plain", "sealed"] as const) {
  test(`${security}: an overlay address among --peers is not used, and one warning names it`, () => {
    const mesh = pair(41, security);
    const { world, a, b, at } = mesh;
    for (const restart of [false, true]) {
      if (restart) {
        world.stop(b);
        b.seeds = [at.a];
        world.start(b);
      } else {
        const seeds = [{ text: at.a, endpoints: [at.a] }, { text: "a", endpoints: [a.endpoint] }];
        world.event(b, { kind: "seeds", seeds });
      }
      world.run(90_000);
      assert.ok(oneMesh(world), whyNotOneMesh(world) ?? "");
      assertLinksOutside(mesh);
      const warnings = b.logs.filter(({ level, message }) => level === "warning" && message.includes(at.a));
      assert.equal(warnings.length, restart ? 2 : 1, JSON.stringify(b.logs));
      assert.match(
        warnings[0]!.message,
        /^--peers 10\.42\.\d+\.0:8473 is not used: .* is in the mesh's own network/,
      );
      assert.ok(world.view(b).own.warnings.some((warning) => warning.includes(at.a)));
    }
    world.event(b, { kind: "seeds", seeds: [] });
    world.run(5000);
    assert.ok(!world.view(b).own.warnings.some((warning) => warning.includes(at.a)));
  });

  test(`${security}: an overlay address in a record is not used, and its owner is told nothing of it as seen`, () => {
    const mesh = pair(42, security);
    const { world, a, b, at } = mesh;
    world.event(b, { kind: "ownEndpoints", endpoints: [at.b, b.endpoint] });
    world.run(3000);
    assert.ok(world.view(a).peers[0]!.endpoints.includes(at.b));
    world.stop(b);
    world.run(30_000);
    world.start(b);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    world.run(10_000);
    assertLinksOutside(mesh);
    assert.ok(a.logs.some(({ message }) => message.startsWith(`b is not contacted at ${at.b}`)));
  });

  test(`${security}: what comes out of the tunnel moves no link and makes none`, () => {
    const mesh = pair(43, security);
    const { world, a, b, at } = mesh;
    // Every datagram between them also comes by the tunnel, as from a node of before that calls there.
    world.onAction = (node, action) => {
      if (action.kind !== "send") return;
      const [other, from] = node === a ? [b, at.a] : [a, at.b];
      assert.ok(!liesWithin(MESH, addressOf(action.to)), action.to);
      world.network.send(world.clock.now(), from, other.endpoint, action.bytes);
    };
    for (const node of [a, b]) {
      const from = node === a ? at.b : at.a;
      world.event(node, { kind: "roamed", id: (node === a ? b : a).identity.id, endpoint: from });
      world.event(node, { kind: "unknownIndex", from });
    }
    assertLinksOutside(mesh);
    world.stop(b);
    world.start(b);
    world.run(20_000);
    assert.ok(oneMesh(world), whyNotOneMesh(world) ?? "");
    assertLinksOutside(mesh);
  });
}

test("An address outside the mesh's network to which the host's routes lead by our own device is not used either", () => {
  const mesh = pair(44, "sealed");
  const { world, a, b } = mesh;
  const site = "192.168.77.10";
  a.sight = { owns: () => false, tunnelled: (address) => address === site };
  world.stop(a);
  world.start(a);
  const sent: string[] = [];
  world.onAction = (node, action) => {
    if (node === a && (action.kind === "send" || action.kind === "sendSealed")) sent.push(action.to);
  };
  world.event(b, { kind: "ownEndpoints", endpoints: [`${site}:8473`, b.endpoint] });
  world.run(20_000);
  assert.ok(oneMesh(world), whyNotOneMesh(world) ?? "");
  world.event(a, { kind: "seeds", seeds: [{ text: "site", endpoints: [`${site}:8473`] }] });
  world.run(5000);
  assert.ok(!sent.includes(`${site}:8473`), sent.join(" "));
  assert.match(
    world.view(a).own.warnings.join("\n"),
    /--peers site is not used: the route to .* leads into the mesh/,
  );
});

test("A joiner that waits only for addresses of this host's own kind is told so, and one with others goes on", () => {
  const world = new World(45);
  const b = world.add("b", [], { peers: ["a"] });
  b.sight = { owns: (endpoint) => endpoint === "10.0.2.15:8473", tunnelled: () => false };
  world.start(b);
  const own = { text: "10.0.2.15:8473", endpoints: ["10.0.2.15:8473"] };
  const other = { text: "192.168.56.10:8473", endpoints: ["192.168.56.10:8473"] };
  // What it sends there comes back to itself.
  world.onAction = (node, action) => {
    if (action.kind === "send" && action.to === "10.0.2.15:8473") {
      world.network.send(world.clock.now(), "10.0.2.15:8473", node.endpoint, action.bytes);
    }
  };
  world.event(b, { kind: "seeds", seeds: [own] });
  world.run(3000);
  const alone = world.view(b).own.waitingFor;
  assert.match(alone[0]!.message, /this is our own address; the intended host must announce another/);
  world.event(b, { kind: "seeds", seeds: [own, other] });
  world.run(3000);
  assert.deepEqual(world.view(b).own.waitingFor.map(({ peer }) => peer), ["192.168.56.10:8473"]);
});

test("A joiner that was told the mesh's network is told at once of an address in it", () => {
  const world = new World(46);
  const b = world.add("b", [], { peers: ["a"], network: MESH });
  world.start(b);
  world.event(b, { kind: "seeds", seeds: [{ text: "10.42.1.0", endpoints: ["10.42.1.0:8473"] }] });
  world.run(3000);
  const [waiting] = world.view(b).own.waitingFor;
  assert.match(waiting!.message, /^waiting for 10\.42\.1\.0 .*that address is inside the mesh/);
  assert.equal(
    b.logs.filter(({ message }) => /is in the mesh's own network 10\.42\.0\.0\/16/.test(message)).length,
    1,
  );
});

test("each endpoint is looked at when the host has changed, not by the clock", () => {
  const world = new World(48);
  const [a, b] = [world.add("a", []), world.add("b", ["a"])];
  world.start(a);
  world.run(500);
  const [nowhere, way] = ["203.0.113.7:8473", "203.0.113.7"];
  let asked = 0, changes = 0, inside = false;
  b.sight = {
    owns: () => false,
    tunnelled: (address) => (asked += Number(address === way)) > 0 && inside,
    revision: () => changes,
  };
  world.start(b);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  world.event(a, { kind: "ownEndpoints", endpoints: [a.endpoint, nowhere] });
  world.run(5000);
  assert.ok(asked > 0);
  asked = 0;
  world.run(60_000);
  assert.equal(asked, 0);
  changes++;
  inside = true;
  assert.ok(world.runUntil(() => asked > 0, 2000));
});

for (const security of ["plain", "sealed"] as const) {
  test(`${security}: a route into our own device that goes again leaves no peer and no seed uncalled`, () => {
    const world = new World(47);
    const add = (name: string, seeds: readonly string[]) =>
      security === "sealed" ? addSealed(world, name, seeds) : world.add(name, seeds);
    const [a, b] = [add("a", []), add("b", ["a"])];
    world.start(a);
    world.run(500);
    let inside = false;
    b.sight = { owns: () => false, tunnelled: () => inside };
    world.start(b);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    world.filter = (from, to) => from === b.endpoint || called.has(to); // b is behind NAT: only it can begin
    const called = new Set<string>();
    world.onAction = (node, action) => {
      if (node === b && (action.kind === "send" || action.kind === "sendSealed")) called.add(b.endpoint);
    };
    inside = true;
    world.run(60_000);
    assert.equal(world.view(b).peers[0]!.endpoint, null);
    called.clear();
    inside = false;
    assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  });
}
