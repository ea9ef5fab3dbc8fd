/**
 * `ovltun forget` in simulated networks: told once, known everywhere; the subnet is free; a node that returns joins anew;
 * a revoked key stays outside, whatever it says and however often it restarts.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { signDirective } from "../../src/control/forget/directives.ts";
import { GroupGossip } from "../../src/control/secrets/group_gossip.ts";
import { meshHash } from "../../src/control/mesh/mesh.ts";
import { identityFromSeeds } from "../../src/crypto/identity.ts";
import { TYPE_HELLO } from "../../src/wire/datagram.ts";
import { decodeGossip, gossipIndex } from "../../src/wire/gossip.ts";
import { handshakeMessage, IK1, isHandshake, XX1 } from "../../src/wire/handshake.ts";
import { HELLO_ASK } from "../../src/wire/hello.ts";
import { addSealed } from "./sealed.ts";
import { keysOf } from "../made/network_keys.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";
import { seeds } from "../made/seeds.ts";
import { prefix } from "../../src/wire/prefix.ts";
import { encodeGossip } from "../made/gossip.ts";

const LONG = { timeout: 120_000 };

function subnetOf(world: World, node: SimNode): string | null {
  return world.view(node).own.subnet?.text ?? null;
}

function forget(world: World, by: SimNode, target: SimNode, revoke = false): void {
  world.event(by, { kind: "forget", target: target.identity.id, revoke });
}

/** Whether a node knows of another as a member or a holder of a lease. */
function knows(world: World, node: SimNode, other: SimNode): boolean {
  const { peers, leases } = world.view(node);
  return peers.some((p) => p.id === other.identity.id) || leases.some((l) => l.nodeId === other.identity.id);
}

function meshOf(seed: number, names: readonly string[], loss = 0, sealed = false): World {
  const world = new World(seed, { loss });
  for (const name of names) {
    const seeds = name === names[0] ? [] : [names[0]!];
    if (sealed) addSealed(world, name, seeds);
    else world.add(name, seeds);
  }
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 15_000), whyNotOneMesh(world) ?? "");
  world.run(3000);
  return world;
}

test("A dead node that one member forgets is known to nobody, and its subnet is free", LONG, () => {
  for (const seed of seeds(10)) {
    const world = meshOf(seed, ["a", "b", "c", "d", "e"], seed % 2 === 0 ? 0.2 : 0);
    const gone = world.node("e");
    const subnet = subnetOf(world, gone)!;
    world.stop(gone);
    world.run(12_000);
    assert.ok(knows(world, world.node("d"), gone), "the dead keep their lease");
    forget(world, world.node("b"), gone);
    const told = () => world.running.every((n) => !knows(world, n, gone));
    assert.ok(world.runUntil(told, 4000), `seed ${seed}`);
    const lines = world.node("c").logs.filter((l) => l.message === `e was forgotten by b; ${subnet} is free`);
    assert.equal(lines.length, 1);
    const heir = world.add("heir", ["c"], { subnet: prefix(subnet) });
    world.start(heir);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    assert.equal(subnetOf(world, heir), subnet);
  }
});

test("Forgetting again, and by two at once, changes nothing more", () => {
  const world = meshOf(1, ["a", "b", "c"]);
  const gone = world.node("c");
  world.stop(gone);
  world.run(12_000);
  forget(world, world.node("a"), gone);
  forget(world, world.node("b"), gone);
  world.run(5000);
  const persists = world.nodes.map((n) => n.persists);
  const logs = world.nodes.map((n) => n.logs.length);
  forget(world, world.node("a"), gone);
  world.run(5000);
  assert.deepEqual(world.nodes.map((n) => n.logs.length), logs);
  assert.deepEqual(world.nodes.map((n) => n.persists), persists);
  assert.deepEqual(
    JSON.parse(world.node("a").disk!).directives,
    JSON.parse(world.node("b").disk!).directives,
    "both went by the same in the end",
  );
});

test("A forgotten node that returns joins anew, and the heir of its subnet is not disturbed", LONG, () => {
  for (const seed of seeds(20)) {
    const world = meshOf(seed, ["a", "b", "c"], seed % 2 === 0 ? 0.1 : 0);
    const back = world.node("c");
    const subnet = subnetOf(world, back)!;
    world.stop(back);
    world.run(12_000);
    forget(world, world.node("a"), back);
    world.run(3000);
    const heir = world.add("heir", ["a"], { subnet: prefix(subnet) });
    world.start(heir);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    assert.equal(subnetOf(world, heir), subnet);
    const settled = heir.leases.length;
    const before = JSON.parse(back.disk!);
    world.start(back);
    assert.ok(world.runUntil(() => oneMesh(world), 15_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    assert.equal(subnetOf(world, heir), subnet);
    assert.equal(heir.leases.length, settled, `seed ${seed}: the heir keeps it throughout`);
    // Whichever it hears of first: what was decided, or who has its subnet now.
    const words = [`Lost ${subnet}: a had the mesh forget this node`, `Lost ${subnet}: heir holds ${subnet}`];
    assert.ok(back.logs.some((l) => words.some((one) => l.message.startsWith(one))));
    world.run(2000);
    assert.ok(JSON.parse(back.disk!).incarnation > before.incarnation);
    // From now on it is a member like any other: a restart keeps its new subnet.
    const fresh = subnetOf(world, back);
    world.stop(back);
    world.run(2000);
    world.start(back);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    assert.equal(subnetOf(world, back), fresh);
  }
});

test("A living node that is forgotten claims anew within seconds", () => {
  const world = meshOf(3, ["a", "b", "c"]);
  const subnet = subnetOf(world, world.node("c"));
  forget(world, world.node("a"), world.node("c"));
  assert.ok(world.runUntil(() => subnetOf(world, world.node("c")) !== subnet && oneMesh(world), 6000));
  assert.equal(world.node("c").refusal, null);
});

test("The view lists those who were left out, the latest first", () => {
  const world = meshOf(3, ["a", "b", "c", "d", "e"]);
  const [a, b, ...gone] = world.nodes;
  const order = [gone[1]!, gone[2]!, gone[0]!];
  for (const [i, node] of order.entries()) {
    forget(world, i === 1 ? a! : b!, node, true);
    world.run(2000);
  }
  const listed = world.view(a!).forgotten!.map(({ name }) => name);
  assert.deepEqual(listed, order.map(({ name }) => name).reverse());
});

test("That a node is forgotten is known after restarts, and to those who join or were away", () => {
  const world = meshOf(4, ["a", "b", "c", "d"]);
  const [a, b, gone, away] = ["a", "b", "c", "d"].map((n) => world.node(n)) as [
    SimNode,
    SimNode,
    SimNode,
    SimNode,
  ];
  world.stop(gone);
  world.stop(away);
  world.run(12_000);
  forget(world, a, gone);
  world.run(3000);
  world.stop(a);
  world.start(a);
  world.start(away);
  const fresh = world.add("fresh", ["b"]);
  world.start(fresh);
  const told = () => [a, b, away, fresh].every((n) => !knows(world, n, gone));
  assert.ok(world.runUntil(told, 12_000));
  world.run(10_000);
  assert.ok(told(), "old state does not come back by those who had it");
});

test("A revoked node is told, ends, and stays outside however often it starts", () => {
  const world = meshOf(5, ["a", "b", "c"]);
  const stolen = world.node("c");
  const subnet = subnetOf(world, stolen);
  forget(world, world.node("a"), stolen, true);
  world.run(3000);
  assert.match(stolen.refusal ?? "", /^a revoked this node's key .*ovltun down --purge/);
  const disk = stolen.disk;
  for (let i = 0; i < 3; i++) {
    const reconciles = stolen.reconciles;
    world.start(stolen);
    assert.equal(stolen.reconciles, reconciles, "its lease is not used for a moment");
    assert.equal(stolen.disk, disk);
    world.run(1000);
    assert.match(stolen.refusal ?? "", /revoked this node's key/, "also by what its own disk knows");
  }
  assert.ok(world.running.every((n) => !knows(world, n, stolen)));
  assert.ok(world.nodes[0]!.logs.some((l) => l.message === `c was revoked by a; ${subnet} is free`));
});

for (const sealed of [false, true]) {
  const kind = sealed ? "sealed" : "plain";

  test(
    `A node that was away while it was revoked is told when it comes back, and ends: ${kind}`,
    LONG,
    () => {
      for (const seed of seeds(10)) {
        const world = meshOf(seed, ["a", "b", "c", "d"], seed % 2 === 0 ? 0.1 : 0, sealed);
        const stolen = world.node("d");
        world.stop(stolen);
        world.run(seed < 6 ? 500 : 12_000);
        forget(world, world.node("a"), stolen, true);
        world.run(seed < 9 ? 5000 : 60_000);
        const rejected = new Set<string>();
        world.onAction = (_node, action) => {
          if (action.kind === "installSession" && action.id === stolen.identity.id) {
            rejected.add("a session");
          }
        };
        world.start(stolen);
        assert.ok(
          world.runUntil(() => stolen.refusal !== null, seed % 2 === 0 ? 40_000 : 2000),
          `seed ${seed}`,
        );
        assert.match(stolen.refusal!, /^a revoked this node's key .*ovltun down --purge/);
        assert.deepEqual([...rejected], [], "nobody makes a session with it");
        assert.ok(world.running.every((n) => !knows(world, n, stolen)));
        assert.ok(
          world.running.some((n) => n.logs.some((l) => l.message.endsWith(": d was revoked by a"))),
          "and the log of whoever refused it says so",
        );
        world.start(stolen);
        assert.notEqual(stolen.refusal, null, "from now on its own disk knows");
        assert.ok(oneMesh(world), whyNotOneMesh(world) ?? "");
      }
    },
  );

  test(`A revoked node comes back and meets only members that it has never heard of: ${kind}`, LONG, () => {
    const world = meshOf(3, ["a", "b", "c"], 0, sealed);
    const [a, b, stolen] = world.nodes as [SimNode, SimNode, SimNode];
    world.stop(stolen);
    world.run(12_000);
    const fresh = sealed ? addSealed(world, "fresh", ["a"]) : world.add("fresh", ["a"]);
    world.start(fresh);
    assert.ok(world.runUntil(() => oneMesh(world), 15_000), whyNotOneMesh(world) ?? "");
    forget(world, fresh, stolen, true);
    world.run(3000);
    world.stop(a);
    world.stop(b);
    stolen.seeds = ["fresh"];
    world.start(stolen);
    assert.ok(world.runUntil(() => stolen.refusal !== null, 10_000));
    assert.match(stolen.refusal!, /^fresh revoked this node's key/);
  });
}

test("A revoked node that a member asks is told as well", () => {
  for (const sealed of [false, true]) {
    const world = meshOf(9, ["a", "b", "c"], 0, sealed);
    const [a, b, stolen] = world.nodes as [SimNode, SimNode, SimNode];
    b.seeds = ["a", "c"];
    world.stop(stolen);
    world.stop(b);
    world.run(12_000);
    forget(world, a, stolen, true);
    world.start(b);
    world.run(5000);
    // It asks nobody itself.
    world.network.rewrite = (d) =>
      d.from === stolen.endpoint && begins(d.bytes) ? new Uint8Array(0) : d.bytes;
    world.start(stolen);
    assert.ok(world.runUntil(() => stolen.refusal !== null, 20_000), `sealed: ${sealed}`);
  }
});

test("A revoked node's first word is answered with no more than it has, and with nothing when it comes again", () => {
  const world = meshOf(10, ["a", "b"], 0, true);
  const [a, stolen] = world.nodes as [SimNode, SimNode];
  world.stop(stolen);
  world.run(12_000);
  forget(world, a, stolen, true);
  let first: Uint8Array | null = null;
  const answers: { to: string; bytes: Uint8Array }[] = [];
  world.network.rewrite = (d) => {
    if (d.from === stolen.endpoint && begins(d.bytes)) first ??= d.bytes.slice();
    if (first !== null && d.from === a.endpoint) answers.push(d);
    return d.bytes;
  };
  world.start(stolen);
  assert.ok(world.runUntil(() => stolen.refusal !== null, 2000));
  assert.equal(answers.length, 1);
  assert.ok(answers[0]!.bytes.length <= first!.length, `${answers[0]!.bytes.length} to ${first!.length}`);
  world.network.send(world.clock.now(), "10.99.0.1:4000", a.endpoint, first!);
  world.run(5000);
  assert.ok(answers.every(({ to }) => to !== "10.99.0.1:4000"));
});

test("Without a session a node obeys a directive about itself, and none about others", () => {
  const world = meshOf(11, ["a", "b", "c"], 0, true);
  const [a, b, c] = world.nodes as [SimNode, SimNode, SimNode];
  const { networkId, mesh } = world.view(a).own;
  const about = {
    issuer: b.identity.id,
    networkId,
    seq: 1,
    kind: "forget",
    incarnation: 99,
    revoke: true,
  } as const;
  const group = new GroupGossip([keysOf("secret")], b.identity.id, world.random);
  const tell = (target: SimNode) => {
    const { raw } = signDirective({ ...about, target: target.identity.id }, b.identity);
    const body = { kind: "push", ack: false, directives: [raw] } as const;
    const bytes = group.seal(2 ** 40, encodeGossip(0, { mesh: meshHash(mesh!), body }))!;
    world.network.send(world.clock.now(), "10.99.0.1:4000", a.endpoint, bytes);
    world.run(3000);
  };
  tell(c);
  assert.ok(knows(world, a, c) && c.refusal === null);
  tell(a);
  assert.match(a.refusal ?? "", /^b revoked this node's key/);
});

test("A stolen node that obeys nobody is refused by everybody: no link, no member, no path", LONG, () => {
  for (const seed of seeds(10)) {
    const world = meshOf(seed, ["a", "b", "c", "d"], seed % 2 === 0 ? 0.1 : 0);
    const thief = world.node("d");
    const disk = thief.disk;
    forget(world, world.node("a"), thief, true);
    world.run(4000);
    // It starts from a copy made before, and drops every message that tells it so, as changed software would.
    thief.disk = disk;
    world.network.rewrite = (d) =>
      d.to === thief.endpoint && hasDirective(d.bytes) ? new Uint8Array(0) : d.bytes;
    world.start(thief);
    world.run(15_000);
    assert.equal(thief.refusal, null, "it does not obey");
    for (const name of ["a", "b", "c"]) {
      assert.ok(!knows(world, world.node(name), thief), `seed ${seed}: ${name}`);
      assert.ok(world.view(world.node(name)).own.rejected > 0, "what it says is refused");
    }
    const honest = world.nodes.slice(0, 3);
    assert.ok(oneMesh(world, honest), whyNotOneMesh(world, honest) ?? "");
    // What it decides about others reaches nobody.
    forget(world, thief, world.node("a"), true);
    world.run(5000);
    assert.equal(world.node("a").refusal, null);
    assert.ok(knows(world, world.node("b"), world.node("a")));
  }
});

test("A member that gives a directive the greatest number there is keeps nobody from forgetting it", () => {
  const world = meshOf(12, ["a", "b", "c"]);
  const [a, b, liar] = world.nodes as [SimNode, SimNode, SimNode];
  const content = {
    issuer: liar.identity.id,
    networkId: world.view(a).own.networkId,
    seq: 2 ** 48 - 1,
    kind: "forget",
    target: "77".repeat(32),
    incarnation: 0,
    revoke: false,
  } as const;
  const { raw } = signDirective(content, liar.identity);
  world.network.rewrite = (d) => {
    const gossip = d.from === liar.endpoint ? decodeGossip(d.bytes) : null;
    if (gossip?.body.kind !== "ping") return d.bytes;
    const body = { kind: "push", ack: false, directives: [raw] } as const;
    return encodeGossip(gossipIndex(d.bytes), { mesh: gossip.mesh, body });
  };
  world.run(10_000);
  forget(world, a, liar, true);
  world.run(5000);
  assert.ok(!knows(world, b, liar));
  assert.match(liar.refusal ?? "", /^a revoked this node's key/);
});

test("Directives of strangers, forged ones and those of another network decide nothing", () => {
  const world = meshOf(6, ["a", "b", "c"]);
  const [a, b, c] = world.nodes as [SimNode, SimNode, SimNode];
  const { networkId } = world.view(a).own;
  const about = {
    networkId,
    seq: 1,
    kind: "forget",
    target: c.identity.id,
    incarnation: 99,
    revoke: true,
  } as const;
  const stranger = identityFromSeeds(new Uint8Array(32).fill(77), new Uint8Array(32).fill(78));
  const signed = signDirective({ ...about, issuer: b.identity.id }, b.identity).raw;
  const bad = [
    signDirective({ ...about, issuer: stranger.id }, stranger).raw,
    signDirective({ ...about, issuer: b.identity.id }, stranger).raw,
    signDirective({ ...about, issuer: b.identity.id, networkId: "00".repeat(16) }, b.identity).raw,
    signed.map((byte, i) => i === signed.length - 1 ? byte ^ 1 : byte),
  ];
  let sent = 0;
  const replacePings = (directives: readonly Uint8Array[]) => {
    world.network.rewrite = (d) => {
      const gossip = d.from === b.endpoint && d.to === a.endpoint ? decodeGossip(d.bytes) : null;
      if (gossip?.body.kind !== "ping") return d.bytes;
      sent++;
      const body = { kind: "push", ack: false, directives } as const;
      return encodeGossip(gossipIndex(d.bytes), { mesh: gossip.mesh, body });
    };
  };
  replacePings(bad);
  world.run(10_000);
  assert.ok(sent > 3, `${sent}`);
  assert.ok(knows(world, a, c) && c.refusal === null);
  replacePings([signed]);
  world.run(10_000);
  assert.ok(!knows(world, a, c) && c.refusal !== null, "what a member signed, any member may bring");
});

function hasDirective(bytes: Uint8Array): boolean {
  const gossip = decodeGossip(bytes);
  return gossip?.body.kind === "push" && gossip.body.directives !== undefined;
}

/** Whether a datagram asks for a link: a hello, or the first message of a handshake. */
function begins(bytes: Uint8Array): boolean {
  if (isHandshake(bytes, 0, bytes.length)) return [XX1, IK1].includes(handshakeMessage(bytes, 0));
  return bytes[0] === TYPE_HELLO && bytes[2] === HELLO_ASK;
}
