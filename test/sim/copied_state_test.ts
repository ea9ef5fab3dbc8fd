/**
 * A copied state directory, while its original runs: every member refuses the copy before anything of it counts, and the
 * original loses nothing. A node that starts again is let in, at once where it was.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { TYPE_HANDSHAKE } from "../../src/wire/datagram.ts";
import { handshakeMessage, IK1 } from "../../src/wire/handshake.ts";
import { addSealed } from "./sealed.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";
import { seeds } from "../made/seeds.ts";

type Security = "plain" | "sealed";
const BOTH: readonly Security[] = ["plain", "sealed"];

function add(world: World, security: Security, name: string, seeds: readonly string[] = ["a"]): SimNode {
  return security === "sealed" ? addSealed(world, name, seeds) : world.add(name, seeds);
}

/** A mesh of which b is a member, and a host with b's identity and disk. */
function withCopy(seed: number, security: Security, others: number, conditions = {}) {
  const world = new World(seed, conditions);
  const a = add(world, security, "a", []);
  const b = add(world, security, "b");
  for (let i = 0; i < others; i++) add(world, security, `n${i}`);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  world.run(3000); // it knows them all on its disk
  const copy = add(world, security, "copy");
  copy.identity = b.identity;
  copy.disk = b.disk;
  return { world, a, b, copy, thirds: world.nodes.filter((node) => node !== b && node !== copy) };
}

/** Lets `ms` of time pass and counts the looks at which a node had no link with b where b is. */
function awayFrom(world: World, b: SimNode, thirds: readonly SimNode[], ms: number): number {
  let away = 0;
  for (let at = 0; at < ms; at += 20) {
    world.run(20);
    for (const third of thirds) {
      const peer = world.view(third).peers.find(({ id }) => id === b.identity.id);
      const mine = world.view(b).peers.find(({ id }) => id === third.identity.id);
      if (peer?.endpoint !== b.endpoint || peer.state !== "alive" || mine?.endpoint !== third.endpoint) {
        away++;
      }
      if (third.sealed !== null && !sendsTo(third, b)) away++;
    }
  }
  return away;
}

/** Whether what one sends to the other arrives there: both have the session. */
function sendsTo(from: SimNode, to: SimNode): boolean {
  const session = from.sessions.sending(to.identity.id);
  return session !== undefined &&
    to.sessions.of(from.identity.id).some(({ receiveIndex }) => receiveIndex === session.sendIndex);
}

for (const security of BOTH) {
  for (const others of [0, 4]) {
    test(`A copy is refused at its first word in a ${security} mesh of ${others + 2}, and its original loses nothing`, () => {
      for (const seed of seeds(6)) {
        const { world, b, copy, thirds } = withCopy(seed, security, others);
        world.run(4000 + world.random.below(20_000));
        const lease = world.view(b).own.subnet;
        const started = world.clock.now();
        world.start(copy);
        assert.equal(awayFrom(world, b, thirds, 1500), 0, `seed ${seed}`);
        assert.match(copy.refusal ?? "", /this host is a COPY/, `seed ${seed}`);
        assert.match(copy.refusal ?? "", /NOT with down --purge/);
        assert.equal(awayFrom(world, b, thirds, 5000), 0, `seed ${seed}`);
        assert.equal(b.refusal, null);
        assert.deepEqual(world.view(b).own.subnet, lease);
        assert.deepEqual(b.leases.filter(({ at }) => at >= started), []);
        for (const third of thirds) {
          const { warnings } = world.view(third).own;
          assert.ok(
            warnings.some((w) => /^Two hosts are running with the identity/.test(w)),
            `${third.name}`,
          );
        }
        const told = b.logs.filter(({ message }) =>
          /sees another host with this node's identity/.test(message)
        );
        assert.equal(told.length, 1, `seed ${seed}: b is told, once`);
      }
    });
  }

  test(`A host with nothing but the keys of another joins nowhere while that one lives, in a ${security} mesh`, () => {
    for (const seed of seeds(3)) {
      const { world, b, copy, thirds } = withCopy(seed, security, 1);
      copy.disk = null;
      world.run(10_000);
      world.start(copy);
      assert.equal(awayFrom(world, b, thirds, 5000), 0, `seed ${seed}`);
      assert.match(copy.refusal ?? "", /this host is a COPY/, `seed ${seed}`);
      assert.equal(b.refusal, null);
    }
  });

  test(`A copy is refused also where a fifth of all datagrams is lost, in a ${security} mesh`, () => {
    for (const seed of seeds(6)) {
      const { world, b, copy } = withCopy(seed, security, 2, { loss: 0.2 });
      world.run(30_000);
      world.start(copy);
      world.runUntil(() => copy.refusal !== null, 20_000);
      assert.match(copy.refusal ?? "", /this host is a COPY/, `seed ${seed}`);
      assert.equal(b.refusal, null);
    }
  });

  test(`A node killed and started again where it was is linked at once, in a ${security} mesh`, () => {
    for (const seed of seeds(4)) {
      const { world, b, copy } = withCopy(seed, security, 2);
      world.nodes.splice(world.nodes.indexOf(copy), 1);
      world.run(10_000);
      world.stop(b);
      world.run(300);
      world.start(b);
      assert.ok(world.runUntil(() => oneMesh(world), 1500), `seed ${seed}: ${whyNotOneMesh(world)}`);
    }
  });

  test(`A node killed and started again at another address is let in within seconds, in a ${security} mesh`, () => {
    for (const seed of seeds(4)) {
      const { world, b, copy } = withCopy(seed, security, 2);
      world.nodes.splice(world.nodes.indexOf(copy), 1);
      world.run(10_000);
      world.stop(b);
      b.endpoint = "192.168.77.1:8473";
      b.settings = { ...b.settings, ownEndpoints: [b.endpoint] };
      world.run(300);
      world.start(b);
      assert.ok(world.runUntil(() => oneMesh(world), 4000), `seed ${seed}: ${whyNotOneMesh(world)}`);
      for (const node of world.nodes) assert.equal(node.refusal, null);
    }
  });

  test(`A node whose address changes while it runs is no copy of itself, in a ${security} mesh`, () => {
    const { world, a, b, copy } = withCopy(9, security, 1);
    world.nodes.splice(world.nodes.indexOf(copy), 1);
    world.run(5000);
    b.endpoint = "192.168.77.2:8473";
    world.run(20_000);
    for (const node of world.nodes) assert.equal(node.refusal, null, node.name);
    assert.ok(oneMesh(world), whyNotOneMesh(world) ?? "");
    for (const node of [a, b]) {
      assert.deepEqual(world.view(node).own.warnings.filter((w) => /identity/.test(w)), [], node.name);
    }
  });
}

for (const [times, aToo] of [["a restart", false], ["a restart of both sides", true]] as const) {
  test(`A handshake of a former life, held back over ${times}, is no sign of a copy`, () => {
    const { world, a, b, copy } = withCopy(10, "sealed", 1);
    world.nodes.splice(world.nodes.indexOf(copy), 1);
    world.run(5000);
    const held: Uint8Array[] = [];
    world.network.rewrite = ({ from, bytes }) => {
      if (from !== b.endpoint || bytes[0] !== TYPE_HANDSHAKE || handshakeMessage(bytes, 0) !== IK1) {
        return bytes;
      }
      held.push(bytes.slice());
      return new Uint8Array(0);
    };
    world.event(b, { kind: "sessionWanted", id: a.identity.id });
    world.run(200);
    assert.ok(held.length > 0);
    world.network.rewrite = ({ from, bytes }) =>
      from === b.endpoint && bytes[0] === TYPE_HANDSHAKE && handshakeMessage(bytes, 0) === IK1
        ? new Uint8Array(0) // a greets b, so it does not know b's counter
        : bytes;
    world.stop(b);
    world.start(b);
    assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
    world.run(10_000);
    if (aToo) { // which lives came before, and which counters, it knows no more
      world.stop(a);
      world.start(a);
      assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
      world.run(5000);
    }
    for (const bytes of held) world.network.send(world.clock.now(), "192.168.77.3:8473", a.endpoint, bytes);
    world.run(10_000);
    for (const node of world.running) {
      assert.deepEqual(world.view(node).own.warnings.filter((w) => /identity/.test(w)), [], node.name);
    }
    assert.ok(oneMesh(world), whyNotOneMesh(world) ?? "");
  });
}

for (const security of BOTH) {
  test(`An old copy, of before its original began anew, is refused as well, in a ${security} mesh`, () => {
    for (const seed of seeds(3)) {
      const { world, b, copy, thirds } = withCopy(seed, security, 2);
      for (let restart = 0; restart < 3; restart++) {
        world.stop(b);
        world.start(b);
        assert.ok(world.runUntil(() => oneMesh(world, [b, ...thirds]), 20_000), whyNotOneMesh(world) ?? "");
        world.run(5000);
      }
      world.start(copy);
      assert.equal(awayFrom(world, b, thirds, 8000), 0, `seed ${seed}`);
      assert.match(copy.refusal ?? "", /this host is a COPY/, `seed ${seed}`);
      assert.equal(b.refusal, null);
    }
  });
}
