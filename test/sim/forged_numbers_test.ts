/**
 * A member that lies, or a stranger who found the network secret: whatever numbers it makes up about a node, that node
 * lives on, and can be forgotten, and comes back.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { signDirective } from "../../src/control/forget/directives.ts";
import { GroupGossip } from "../../src/control/secrets/group_gossip.ts";
import { meshHash } from "../../src/control/mesh/mesh.ts";
import { VERSION_LIMIT } from "../../src/wire/untrusted.ts";
import { readOwn } from "../../src/control/records/state.ts";
import type { GossipBody, Statement } from "../../src/wire/gossip_body.ts";
import { addSealed } from "./sealed.ts";
import { keysOf, sealedSetup } from "../made/network_keys.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";
import { samePrefix } from "../../src/wire/prefix.ts";
import { encodeGossip } from "../made/gossip.ts";

const LAST = VERSION_LIMIT - 1;
type Security = "plain" | "sealed";
const BOTH: readonly Security[] = ["plain", "sealed"];

/** Members a, b and c, and the liar, who is one of them. */
function meshWithLiar(seed: number, security: Security) {
  const world = new World(seed);
  for (const name of ["a", "b", "c", "liar"]) {
    const seeds = name === "a" ? [] : ["a"];
    world.start(security === "sealed" ? addSealed(world, name, seeds) : world.add(name, seeds));
  }
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  world.run(5000);
  const [a, b, c, liar] = world.nodes as [SimNode, SimNode, SimNode, SimNode];
  return { world, a, b, c, liar };
}

/** The liar says this to `to`, over their own link. */
function say(world: World, liar: SimNode, to: SimNode, body: GossipBody): void {
  const mesh = meshHash(world.view(to).own.mesh!);
  const from = liar.endpoint;
  if (to.sealed !== null) {
    const { receiveIndex } = to.sessions.sending(liar.identity.id)!;
    const bytes = encodeGossip(0, { mesh, body });
    return world.event(to, { kind: "sessionMessage", receiveIndex, bytes, from, at: world.clock.now() });
  }
  const { link } = world.view(to).peers.find(({ id }) => id === liar.identity.id)!;
  const bytes = encodeGossip(link!.receiveIndex, { mesh, body });
  world.event(to, { kind: "datagram", bytes, from, at: world.clock.now() });
}

function stateOf(world: World, at: SimNode, of: SimNode): string {
  return world.view(at).peers.find(({ id }) => id === of.identity.id)?.state ?? "unknown";
}

for (const security of BOTH) {
  test(`Statements about an incarnation that no record tells change nothing, in a ${security} mesh`, () => {
    for (const [seed, incarnation] of [LAST, 2 ** 40, 1000].entries()) {
      const { world, a, b, c, liar } = meshWithLiar(seed + 1, security);
      const before = world.incarnationOf(b);
      for (const more of [{ state: 1 }, { state: 2 }, { state: 2, stopped: true }] as const) {
        const statements: Statement[] = [{ id: b.identity.id, incarnation, ...more }];
        for (let times = 0; times < 20; times++) {
          for (const to of [a, b, c]) say(world, liar, to, { kind: "push", ack: false, statements });
          world.run(100);
          for (const at of [a, c]) assert.equal(stateOf(world, at, b), "alive");
        }
      }
      assert.ok(world.incarnationOf(b) <= before, "it refutes nothing of that");
      // Whatever was said, it can die, come back, and be seen alive.
      world.stop(b);
      world.run(20_000);
      assert.equal(stateOf(world, a, b), "dead");
      world.start(b);
      assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
    }
  });

  test(`That a node was stopped, or is dead, is not believed against our own ears, in a ${security} mesh`, () => {
    const { world, a, b, c, liar } = meshWithLiar(5, security);
    const { subnet } = world.view(b).own;
    let lost = 0;
    for (let times = 0; times < 50; times++) {
      const incarnation = world.incarnationOf(b);
      const about = { id: b.identity.id, incarnation, state: 2 } as const;
      const statements: Statement[] = [times % 2 === 0 ? { ...about, stopped: true } : about];
      for (const to of [a, c]) say(world, liar, to, { kind: "push", ack: false, statements });
      for (let n = 0; n < 10; n++) {
        world.run(20);
        for (const at of [a, c]) {
          const peer = world.view(at).peers.find(({ id }) => id === b.identity.id)!;
          if (
            peer.state === "dead" || peer.stopped || peer.endpoint === null ||
            !samePrefix(peer.subnet, subnet)
          ) {
            lost++;
          }
        }
      }
    }
    assert.equal(lost, 0);
    world.event(b, { kind: "leave" });
    world.stop(b);
    world.run(500);
    for (const at of [a, c]) {
      const peer = world.view(at).peers.find(({ id }) => id === b.identity.id)!;
      assert.deepEqual([peer.state, peer.stopped], ["dead", true], "by its own word it was stopped at once");
    }
  });

  test(`A node refutes what is said of it a few times a second at most, in a ${security} mesh`, () => {
    const { world, b, liar } = meshWithLiar(6, security);
    const [before, persists] = [world.incarnationOf(b), b.persists];
    for (let times = 0; times < 300; times++) {
      const incarnation = world.incarnationOf(b);
      say(world, liar, b, {
        kind: "push",
        ack: false,
        statements: [{ id: b.identity.id, incarnation, state: 2 }],
      });
      world.run(10);
    }
    assert.ok(world.incarnationOf(b) > before);
    assert.ok(world.incarnationOf(b) - before <= 20, `${world.incarnationOf(b) - before} lives in 3 s`);
    assert.ok(b.persists - persists <= 60, `${b.persists - persists} writes`);
  });

  test(`To forget an incarnation that no record tells keeps no node out, in a ${security} mesh`, () => {
    const { world, a, b, c, liar } = meshWithLiar(7, security);
    const { networkId } = world.view(a).own;
    const { raw } = signDirective({
      issuer: liar.identity.id,
      networkId,
      seq: LAST,
      kind: "forget",
      target: b.identity.id,
      incarnation: LAST,
      revoke: false,
    }, liar.identity);
    for (const to of [a, b, c]) say(world, liar, to, { kind: "push", ack: false, directives: [raw] });
    assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
    // What is right is obeyed all the same, and it comes back from that, too.
    world.stop(b);
    world.run(20_000);
    world.event(a, { kind: "forget", target: b.identity.id, revoke: false });
    world.run(5000);
    assert.equal(stateOf(world, c, b), "unknown");
    world.start(b);
    assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
    assert.ok(world.incarnationOf(b) < 1000);
  });

  test(`Forgetting a node is about what its record tells, whatever others said of it, in a ${security} mesh`, () => {
    const { world, a, b, c, liar } = meshWithLiar(8, security);
    world.stop(b);
    world.run(20_000);
    const statements: Statement[] = [{ id: b.identity.id, incarnation: LAST, state: 2, stopped: true }];
    for (const to of [a, c]) say(world, liar, to, { kind: "push", ack: false, statements });
    world.event(a, { kind: "forget", target: b.identity.id, revoke: false });
    world.run(5000);
    world.start(b);
    assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
  });

  test(`A claim of the greatest stamp there is leaves the others' stamps in order, in a ${security} mesh`, () => {
    const { world, a, liar } = meshWithLiar(9, security);
    world.stop(liar);
    const state = JSON.parse(liar.disk!);
    state.claim.stamp = LAST;
    liar.disk = JSON.stringify(state);
    world.start(liar);
    assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
    const stamps: number[] = [];
    for (const name of ["d", "e"]) {
      const node = security === "sealed" ? addSealed(world, name, ["a"]) : world.add(name, ["a"]);
      world.start(node);
      assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
      stamps.push(readOwn(JSON.parse(node.disk!)).claim!.stamp);
    }
    assert.ok(stamps[0]! < stamps[1]! && stamps[1]! < 1000, `${stamps}`);
    assert.equal(world.view(a).own.leaseState, "confirmed");
  });
}

test("Gossip under an old secret uses up no sequence under the newest", () => {
  const world = new World(11);
  const [old, fresh] = [keysOf("old"), keysOf("secret")];
  for (const name of ["a", "b", "c"]) {
    const node = addSealed(world, name, name === "a" ? [] : ["a"]);
    node.sealed = sealedSetup({ keys: [fresh] });
    world.start(node);
  }
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  const [a, b] = world.nodes as [SimNode, SimNode, SimNode];
  const forger = new GroupGossip([old], b.identity.id, world.random);
  const receiver = new GroupGossip([fresh, old], a.identity.id, world.random);
  const gossip = encodeGossip(0, {
    mesh: meshHash(world.view(a).own.mesh!),
    body: {
      kind: "push",
      ack: false,
      statements: [{ id: b.identity.id, incarnation: world.incarnationOf(b), state: 2 }],
    },
  });
  for (let i = 0; i < 100; i++) {
    assert.ok(receiver.open(forger.seal(3, gossip)!, () => 3) !== null);
  }
  const honest = new GroupGossip([fresh], b.identity.id, world.random);
  assert.ok(receiver.open(honest.seal(3, gossip)!, () => 3) !== null, "its own first words count");
});
