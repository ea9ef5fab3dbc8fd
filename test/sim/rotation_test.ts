/**
 * The rotation of the network secret in a simulated mesh: nobody is cut off by it, and only members learn the new one.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { type HeldSecret, placeOfGiven } from "../../src/control/secrets/key_ring.ts";
import { SETTLE_MS } from "../../src/control/secrets/rotation.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { TYPE_HANDSHAKE } from "../../src/wire/datagram.ts";
import { handshakeMessage, IK1, XX1 } from "../../src/wire/handshake.ts";
import { decodeData } from "../../src/wire/data_header.ts";
import { addSealed } from "./sealed.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

const ROOT = new Uint8Array(32).fill(7);
const NAME = "ovltun";

/** What a host that has this secret, or a token of it, starts with. */
function setupOf(secret: NetworkSecret) {
  const own = NetworkSecret.parse(secret.text(), "");
  const held: HeldSecret = { secret: own, generation: placeOfGiven(own), used: true };
  return { keys: [own.keys(NAME)], secrets: [held] };
}

function mesh(seed: number, names: readonly string[], conditions = {}): World {
  const world = new World(seed, conditions);
  for (const name of names) {
    const seeds = name === names[0] ? [] : [names[0]!];
    world.start(addSealed(world, name, seeds, setupOf(NetworkSecret.of(ROOT))));
  }
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  return world;
}

function rotate(world: World, node: SimNode, root: number, dropOld = false): void {
  world.event(node, { kind: "rotate", secret: NetworkSecret.of(new Uint8Array(32).fill(root)), dropOld });
}

/** The newest secret on a node's disk. */
function newest(node: SimNode): NetworkSecret {
  return node.sealed!.secrets![0]!.secret;
}

/** First bytes of the secrets on a node's disk, the newest first. */
const roots = (node: SimNode) => node.sealed!.secrets!.map(({ secret }) => secret.bytes()[0]);

const allHave = (nodes: readonly SimNode[], ...expected: number[]) =>
  nodes.every((node) => String(roots(node)) === String(expected));

test("A rotation under traffic loses no packet, no link and no lease, and the old secret goes", () => {
  const world = mesh(1, ["a", "b", "c", "d", "e"]);
  const leases = world.nodes.map((node) => world.view(node).own.subnet);
  const downs: string[] = [];
  world.onAction = (node, action) => {
    if (action.kind === "log" && /No answer|fail the check|dead/.test(action.message)) {
      downs.push(`${node.name}: ${action.message}`);
    }
  };
  let sent = 0;
  const before = world.nodes.reduce((sum, { delivered }) => sum + delivered.length, 0);
  for (let t = 0; t < 300_000; t += 100) {
    if (t === 10_000) rotate(world, world.node("c"), 9);
    for (const from of world.nodes) {
      for (const to of world.nodes) {
        if (from === to) continue;
        sent++;
        assert.ok(world.sendData(from, to, new Uint8Array(50)), `${from.name} to ${to.name} at ${t}`);
      }
    }
    world.run(100);
    if (t === 12_000) assert.ok(allHave(world.nodes, 9, 7), "all have it within two seconds");
  }
  world.run(1000);
  const received = world.nodes.reduce((sum, { delivered }) => sum + delivered.length, 0) - before;
  assert.equal(received, sent);
  assert.deepEqual(downs, []);
  assert.deepEqual(world.nodes.map((node) => world.view(node).own.subnet), leases);
  assert.ok(allHave(world.nodes, 9), "all had it: the old one is dropped");
  assert.equal(world.view(world.nodes[0]!).own.secret?.underWay, false);
  assert.equal(new Set(world.nodes.map((node) => world.view(node).own.networkId)).size, 1);
});

test("The secret travels in nothing but sealed data", () => {
  const world = mesh(2, ["a", "b", "c"]);
  const plain: number[] = [];
  const needle = String(Array(8).fill(9));
  world.network.rewrite = ({ bytes }) => {
    if (decodeData(bytes, 0, bytes.length) < 0 && String([...bytes]).includes(needle)) plain.push(bytes[0]!);
    return bytes;
  };
  const carriers = new Set<string>();
  world.onAction = (_node, action) => {
    if ("bytes" in action && String([...action.bytes]).includes(needle)) carriers.add(action.kind);
  };
  rotate(world, world.node("a"), 9);
  world.run(5000);
  assert.ok(allHave(world.nodes, 9, 7));
  assert.deepEqual([...carriers], ["sendSealed"]);
  assert.deepEqual(plain, []);
});

test("A node that was off learns the new secret when it comes back by the old one", () => {
  const world = mesh(3, ["a", "b", "c"]);
  const c = world.node("c");
  world.stop(c);
  world.run(30_000);
  rotate(world, world.node("a"), 9);
  world.run(60_000);
  assert.ok(allHave([world.node("a"), world.node("b")], 9, 7), "kept for the one who is away");
  assert.deepEqual(world.view(world.node("a")).own.secret?.away, ["c"]);
  assert.deepEqual(roots(c), [7]);
  world.start(c);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  assert.ok(world.runUntil(() => roots(c)[0] === 9, 5000));
  assert.ok(world.runUntil(() => allHave(world.nodes, 9), SETTLE_MS + 10_000), "nobody lacks it any more");
});

test("A revoked node never learns the new secret, nor does a new identity with the old one", () => {
  const world = mesh(4, ["a", "b", "c", "d"]);
  const thief = world.node("d");
  const stolen = setupOf(NetworkSecret.of(ROOT));
  world.event(world.node("a"), { kind: "forget", target: thief.identity.id, revoke: true });
  rotate(world, world.node("a"), 9, true);
  const others = ["a", "b", "c"].map((name) => world.node(name));
  assert.ok(world.runUntil(() => allHave(others, 9, 7) || allHave(others, 9), 3000));
  // With the keys of the laptop and software of its own; and under another name, while the old secret still counts.
  thief.disk = null;
  thief.sealed = { ...thief.sealed!, ...stolen };
  world.start(thief);
  const again = addSealed(world, "x", ["a", "b", "c"], setupOf(NetworkSecret.of(ROOT)));
  world.start(again);
  world.run(60_000);
  assert.deepEqual([roots(thief), roots(again)], [[7], [7]]);
  assert.equal(world.view(again).own.leaseState, "joining");
  for (const node of others) {
    assert.ok(!world.view(node).peers.some(({ id }) => id === again.identity.id), node.name);
  }
  assert.ok(allHave(others, 9), "dropped");
  assert.ok(others[0]!.logs.some(({ message }) => /needs a new token/.test(message)));
});

test("A joiner with a token of before the rotation is told that it needs a new one", () => {
  for (const away of [false, true]) {
    const world = mesh(8, ["a", "b", "c"]);
    if (away) world.stop(world.node("c"));
    world.run(30_000);
    const joiner = addSealed(world, "x", ["a"], setupOf(NetworkSecret.of(ROOT)));
    rotate(world, world.node("a"), 9);
    world.run(away ? 60_000 : 3000);
    world.start(joiner);
    world.run(1000);
    const waiting = () => world.view(joiner).own.waitingFor.map(({ message }) => message);
    const told =
      `waiting for a (${world.node("a").endpoint}): refused: its secret was rotated after our token was ` +
      "issued; get a new token there (ovltun token)";
    assert.deepEqual(waiting(), [told], `away: ${away}`);
    world.run(90_000);
    assert.deepEqual(waiting(), [told], "and again after each try, also when the old secret has gone");
    assert.equal(joiner.refusal, null);
    const lines = joiner.logs.filter((l) => /refused us: its secret was rotated/.test(l.message));
    assert.ok(lines.length > 0 && lines.length < 4, `${lines.length}`);
  }
});

test("A node that was revoked while it was away is told by the old secret as long as that counts", () => {
  const world = mesh(9, ["a", "b", "c"]);
  const [a, , stolen] = world.nodes as [SimNode, SimNode, SimNode];
  world.stop(stolen);
  world.run(30_000);
  rotate(world, a, 9);
  world.run(5000);
  world.event(a, { kind: "forget", target: stolen.identity.id, revoke: true });
  world.run(5000);
  world.start(stolen);
  assert.ok(world.runUntil(() => stolen.refusal !== null, 10_000));
  assert.match(stolen.refusal!, /^a revoked this node's key/);
  assert.deepEqual(roots(stolen), [7], "and not the new one");
});

test("Two members that rotate at once end with one secret", () => {
  const world = mesh(5, ["a", "b", "c", "d"], { latency: [20, 60] });
  rotate(world, world.node("a"), 8);
  rotate(world, world.node("d"), 9);
  assert.ok(world.runUntil(() => new Set(world.nodes.map((n) => roots(n)[0])).size === 1, 10_000));
  const winner = roots(world.node("a"))[0]!;
  assert.ok(world.runUntil(() => allHave(world.nodes, winner), 60_000));
  assert.ok(oneMesh(world), whyNotOneMesh(world) ?? "");
});

test("A host joins by a token of the new secret, during the rotation and after it, and rotates on", () => {
  const world = mesh(6, ["a", "b"]);
  rotate(world, world.node("a"), 9);
  const c = addSealed(world, "c", ["a"], setupOf(newest(world.node("a"))));
  world.start(c);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  world.run(SETTLE_MS + 5000);
  assert.ok(allHave(world.nodes, 9));
  const d = addSealed(world, "d", ["a"], setupOf(newest(world.node("b"))));
  world.start(d);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  world.run(3000);
  rotate(world, d, 10);
  assert.ok(world.runUntil(() => allHave(world.nodes, 10), 60_000), String(world.nodes.map(roots)));
  assert.equal(world.view(d).own.secret?.generation, 2);
});

test("A restart in the middle of a rotation goes on with it", () => {
  const world = mesh(7, ["a", "b", "c"]);
  const [a, b, c] = world.nodes as [SimNode, SimNode, SimNode];
  world.stop(c);
  world.run(30_000);
  rotate(world, a, 9);
  world.run(100);
  world.stop(a); // it may have told nobody yet
  assert.deepEqual(roots(a), [9, 7]);
  world.run(5000);
  world.start(a);
  world.start(c);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  assert.ok(world.runUntil(() => allHave([a, b, c], 9), 60_000), String(world.nodes.map(roots)));
});

test("Who joined by the old secret beyond a cut, and learned the new one, is let in by those who never heard of it", () => {
  for (const tries of [0, 1, 2, 3, 4, 5]) {
    const world = mesh(7, ["a", "b", "c"], { latency: [0.5, 5] });
    const c = world.node("c");
    const late = addSealed(world, "x", ["c"], setupOf(NetworkSecret.of(ROOT)));
    const far = new Set([c.endpoint, late.endpoint]);
    world.network.partition((endpoint) => far.has(endpoint) ? 1 : 0);
    world.start(late);
    world.run(10_000 + tries * 1500);
    rotate(world, world.node("a"), 9);
    world.run(5000);
    // It is the newcomer that calls: what calls it is lost.
    world.network.rewrite = ({ from, to, bytes }) => {
      const called = to === late.endpoint && !far.has(from) && bytes[0] === TYPE_HANDSHAKE;
      return called && [XX1, IK1].includes(handshakeMessage(bytes, 0)) ? new Uint8Array(1) : bytes;
    };
    world.network.partition(null);
    const has = () => newest(late).bytes()[0] === 9;
    assert.ok(world.runUntil(has, 10_000), "c tells it");
    assert.ok(world.runUntil(() => oneMesh(world), 12_000), `${tries}: ${whyNotOneMesh(world)}`);
  }
});
