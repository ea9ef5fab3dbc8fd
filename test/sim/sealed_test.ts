import { test } from "node:test";
import assert from "node:assert/strict";
import { GroupGossip } from "../../src/control/secrets/group_gossip.ts";
import { meshHash } from "../../src/control/mesh/mesh.ts";
import { nodeHmac, stampHandshake } from "../../src/crypto/handshake_mac.ts";
import { HandshakeGate } from "../../src/dataplane/tables/handshake_gate.ts";
import { decodeHandshake, IK1, IK2, XX1, XX2, XX3 } from "../../src/wire/handshake.ts";
import { addSealed, agreedSession } from "./sealed.ts";
import { keysOf } from "../made/network_keys.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";
import { seeds } from "../made/seeds.ts";
import { encodeGossip } from "../made/gossip.ts";

test("Sealed nodes mesh over a lossy network, and nothing but handshakes and sealed data is on the wire", () => {
  const world = new World(1, { loss: 0.05, latency: [1, 20] });
  for (const name of ["a", "b", "c", "d", "e"]) addSealed(world, name, name === "a" ? [] : ["a"]);
  const types = new Set<number>();
  world.network.rewrite = (datagram) => {
    types.add(datagram.bytes[0]!);
    return datagram.bytes;
  };
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  world.run(5000);
  assert.deepEqual([...types].filter((type) => type !== 0x01 && type !== 0x10), []);
  assert.ok(world.network.largest <= 1280, `${world.network.largest} bytes`);
  for (const a of world.nodes) {
    for (const b of world.nodes) if (a !== b) assert.ok(agreedSession(a, b), `${a.name} and ${b.name}`);
  }
});

/** Two sealed nodes, a founder and a joiner, in one mesh. */
function pair(seed: number, conditions = {}): { world: World; a: SimNode; b: SimNode } {
  const world = new World(seed, conditions);
  const a = addSealed(world, "a");
  const b = addSealed(world, "b", ["a"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  return { world, a, b };
}

/** Handshake messages from one node that are sent from now on, by their number. */
function watchHandshakes(
  world: World,
): { readonly from: string; readonly message: number; readonly bytes: Uint8Array }[] {
  const seen: { from: string; message: number; bytes: Uint8Array }[] = [];
  world.network.rewrite = ({ from, bytes }) => {
    const h = decodeHandshake(bytes);
    if (h !== null) seen.push({ from, message: h.message, bytes: bytes.slice() });
    return bytes;
  };
  return seen;
}

/** Sends a packet each way every 50 ms for `ms`; returns how many were sent and came each way. */
function flow(world: World, a: SimNode, b: SimNode, ms: number): { sent: number; received: number } {
  const before = a.delivered.length + b.delivered.length;
  let sent = 0;
  for (let t = 0; t < ms; t += 50) {
    for (const [from, to] of [[a, b], [b, a]] as const) {
      sent++;
      world.sendData(from, to, new Uint8Array(100));
    }
    world.run(50);
  }
  world.run(100);
  return { sent, received: a.delivered.length + b.delivered.length - before };
}

test("A joiner's first packet comes three round trips after its start, at the latest", () => {
  const world = new World(2, { latency: [5, 5] });
  const a = addSealed(world, "a");
  world.start(a);
  world.run(1000);
  const b = addSealed(world, "b", ["a"]);
  const began = world.clock.now();
  world.start(b);
  world.runUntil(() => b.sessions.sending(a.identity.id) !== undefined, 1000);
  const first = world.clock.now() - began;
  world.runUntil(() => a.sessions.sending(b.identity.id) !== undefined, 1000);
  assert.ok(first <= 100 + 20, `${first} ms`); // looked at every 100 ms
  assert.ok(world.clock.now() - began <= 200 + 30, `${world.clock.now() - began} ms`);
});

test("Sessions are renewed every two minutes, and no packet is lost over it", () => {
  const { world, a, b } = pair(3);
  const handshakes = watchHandshakes(world);
  const before = a.sessions.sending(b.identity.id)!.receiveIndex;
  const { sent, received } = flow(world, a, b, 400_000);
  assert.equal(received, sent);
  assert.notEqual(a.sessions.sending(b.identity.id)!.receiveIndex, before);
  assert.ok(agreedSession(a, b));
  const begun = handshakes.filter(({ message }) => message === IK1 || message === XX1);
  assert.ok(begun.length >= 3 && begun.length <= 5, `${begun.length} handshakes in 400 s`);
  assert.ok(begun.every(({ message }) => message === IK1), "the key is known");
  for (const node of [a, b]) assert.ok(node.sessions.of((node === a ? b : a).identity.id).length <= 3);
});

test("Sessions are renewed under heavy loss, and the link stays up", () => {
  const { world, a, b } = pair(4, { loss: 0.3 });
  const { sent, received } = flow(world, a, b, 400_000);
  assert.ok(received > sent * 0.6, `${received} of ${sent}`);
  assert.ok(world.runUntil(() => agreedSession(a, b), 10_000));
});

test("Keys end: no session outlives three minutes, also when its peer is gone", () => {
  const { world, a, b } = pair(5);
  world.stop(b);
  world.run(200_000);
  assert.equal(a.sessions.of(b.identity.id).length, 0);
});

test("A restarted node is reached again within two seconds, from either side", () => {
  for (const [name, seed] of [["a", 6], ["b", 7]] as const) {
    const { world, a, b } = pair(seed);
    const [node, other] = name === "a" ? [a, b] : [b, a];
    const handshakes = watchHandshakes(world);
    world.stop(node);
    world.start(node);
    const arrived = () => {
      world.sendData(node, other, Uint8Array.of(1));
      world.sendData(other, node, Uint8Array.of(2));
      return node.delivered.length > 0 && other.delivered.length > 0;
    };
    node.delivered.length = other.delivered.length = 0;
    assert.ok(world.runUntil(arrived, 2000), `${name} restarted`);
    assert.ok(world.runUntil(() => agreedSession(a, b), 3000));
    // Its counter goes on where it was: the other side takes the first it says.
    assert.deepEqual(handshakes.map(({ message }) => message).slice(0, 2), [IK1, IK2]);
    assert.ok(world.runUntil(() => oneMesh(world), 5000), whyNotOneMesh(world) ?? "");
  }
});

test("A node whose state was lost but for its identity is reached again", () => {
  const { world, a, b } = pair(8);
  world.stop(b);
  b.disk = null; // its counter begins anew
  world.start(b);
  assert.ok(world.runUntil(() => agreedSession(a, b) && oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
});

test("A replayed first message of IK does nothing, however often it comes", () => {
  const { world, a, b } = pair(9);
  const handshakes = watchHandshakes(world);
  world.run(125_000);
  const first = handshakes.find(({ message }) => message === IK1)!;
  const to = first.from === a.endpoint ? b : a;
  world.run(1000);
  const sessions = to.sessions.of((to === a ? b : a).identity.id).map((s) => s.receiveIndex);
  const answers = () => handshakes.filter(({ message }) => message === IK2).length;
  const before = answers();
  for (let i = 0; i < 20; i++) {
    to.gate = new HandshakeGate(nodeHmac, world.random); // also when the gate does not remember it
    to.gate.setKeys(to.sealed!.keys.map((keys) => keys.macKey));
    world.network.send(world.clock.now(), "10.6.6.6:666", to.endpoint, first.bytes);
    world.run(50);
  }
  assert.deepEqual(to.sessions.of((to === a ? b : a).identity.id).map((s) => s.receiveIndex), sessions);
  assert.equal(answers(), before);
  assert.equal(flow(world, a, b, 1000).received, 40);
});

test("A replayed first message of IK moves nothing at a node that has just restarted", () => {
  const { world, a, b } = pair(10);
  const handshakes = watchHandshakes(world);
  world.run(125_000);
  const first = handshakes.find(({ message }) => message === IK1)!;
  const [from, to] = first.from === a.endpoint ? [a, b] : [b, a];
  world.stop(to);
  world.start(to);
  for (let i = 0; i < 5; i++) {
    world.network.send(world.clock.now(), "10.6.6.6:666", to.endpoint, first.bytes);
    world.run(400);
  }
  assert.ok(agreedSession(a, b));
  assert.equal(world.view(to).peers[0]!.endpoint, from.endpoint);
  assert.equal(flow(world, a, b, 1000).received, 40);
});

test("Two nodes that begin at the same moment end with one session that both use", () => {
  for (const seed of seeds(59, 20)) {
    const world = new World(seed, { latency: [10, 30] });
    const a = addSealed(world, "a", ["b"]);
    const b = addSealed(world, "b", ["a"]);
    for (const node of world.nodes) world.start(node);
    assert.ok(world.runUntil(() => oneMesh(world), 20_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    world.run(1000);
    assert.ok(agreedSession(a, b), `seed ${seed}: first contact`);
    for (const node of [a, b]) world.stop(node);
    for (const node of [a, b]) world.start(node);
    assert.ok(world.runUntil(() => agreedSession(a, b), 5000), `seed ${seed}: both restarted`);
    world.run(2000);
    assert.ok(agreedSession(a, b), `seed ${seed}: for good`);
  }
});

test("A node that begins again with one that is slow is in its mesh at once, and none of its handshakes counts as replayed", () => {
  for (const seed of seeds(12)) {
    const world = new World(seed);
    const a = addSealed(world, "a");
    const b = addSealed(world, "b", ["a"]);
    world.start(a);
    world.run(1000);
    const verdicts: string[] = [];
    const check = a.gate.check.bind(a.gate);
    a.gate.check = (...given) => {
      verdicts.push(check(...given));
      return verdicts.at(-1) as ReturnType<typeof check>;
    };
    world.standStill(a, 300 + world.random.below(1200));
    world.start(b);
    assert.ok(world.runUntil(() => oneMesh(world), 5000), `seed ${seed}: ${whyNotOneMesh(world)}`);
    world.run(5000);
    assert.ok(verdicts.length > 0 && !verdicts.includes("replay"), `seed ${seed}: ${verdicts}`);
  }
});

test("A wrong secret never meshes, and both sides are told", () => {
  const world = new World(11);
  const a = addSealed(world, "a");
  const b = addSealed(world, "b", ["a"], { keys: [keysOf("another secret")] });
  for (const node of world.nodes) world.start(node);
  world.run(130_000);
  assert.equal(world.view(a).peers.length, 0);
  assert.equal(world.view(b).own.leaseState, "joining");
  for (const [node, other] of [[a, b], [b, a]] as const) {
    const lines = node.logs.filter(({ message }) => message.includes("fail the check of the network secret"));
    assert.ok(lines.length >= 2 && lines.length <= 3, `${node.name} says it ${lines.length} times in 130 s`);
    assert.ok(lines[0]!.message.includes(other.endpoint));
    assert.equal(node.sessions.of(other.identity.id).length, 0);
  }
  assert.match(
    world.view(b).own.waitingFor[0]!.message,
    /wrong secret on either side, or another network \(get a token there: /,
  );
});

test("Whoever knows the MAC key but not the handshake's gets no session", () => {
  const world = new World(12);
  const a = addSealed(world, "a");
  const b = addSealed(world, "b", ["a"], { keys: [{ ...keysOf("secret"), psk: new Uint8Array(32) }] });
  for (const node of world.nodes) world.start(node);
  world.run(20_000);
  assert.equal(a.sessions.of(b.identity.id).length, 0);
  assert.equal(world.view(b).own.leaseState, "joining");
});

test("A plain node and a sealed one refuse each other by name, in one line each", () => {
  for (const sealedJoins of [true, false]) {
    const world = new World(13);
    const plain = world.add("plain", sealedJoins ? [] : ["sealed"]);
    const sealed = addSealed(world, "sealed", sealedJoins ? ["plain"] : []);
    for (const node of world.nodes) world.start(node);
    world.run(50_000);
    const linesOf = (node: SimNode, words: RegExp) => node.logs.filter(({ message }) => words.test(message));
    assert.equal(
      linesOf(plain, /^(?!Waiting).*its mesh is sealed, ours is plain/).length,
      1,
      `plain, ${sealedJoins}`,
    );
    assert.equal(
      linesOf(sealed, /^(?!Waiting).*its mesh is plain, ours is sealed/).length,
      1,
      `sealed, ${sealedJoins}`,
    );
    const joiner = sealedJoins ? sealed : plain;
    assert.match(world.view(joiner).own.waitingFor[0]!.message, /both without/);
    assert.equal(world.view(plain).peers.length + world.view(sealed).peers.length, 0);
  }
});

test("Plain hellos and plain gossip injected into a sealed mesh change nothing", () => {
  const { world, a, b } = pair(14);
  const other = new World(15);
  const [c, d] = [other.add("c"), other.add("d", ["c"])];
  const plain: Uint8Array[] = [];
  other.network.rewrite = ({ bytes }) => {
    plain.push(bytes.slice());
    return bytes;
  };
  for (const node of [c, d]) other.start(node);
  other.run(5000);
  assert.ok(plain.length > 20);
  const rejected = world.view(a).own.rejected;
  for (const bytes of plain) world.network.send(world.clock.now(), b.endpoint, a.endpoint, bytes);
  world.run(5000);
  assert.ok(world.view(a).own.rejected > rejected);
  assert.equal(world.view(a).peers.length, 1);
  assert.ok(agreedSession(a, b));
  assert.equal(flow(world, a, b, 1000).received, 40);
});

test("A man in the middle cannot strip ciphers: a changed handshake ends nowhere", () => {
  const world = new World(16);
  const a = addSealed(world, "a");
  const b = addSealed(world, "b", ["a"]);
  const { macKey } = a.sealed!.keys[0]!;
  let changed = 0;
  // Even one who has the MAC key.
  world.network.rewrite = ({ bytes }) => {
    const h = decodeHandshake(bytes);
    if (h === null || h.message === XX1) return bytes;
    changed++;
    const b = bytes.slice();
    b[16 + h.noise.length - 20]! ^= 1; // in the sealed offer
    stampHandshake(nodeHmac, macKey, b, null);
    return b;
  };
  for (const node of world.nodes) world.start(node);
  world.run(10_000);
  assert.ok(changed > 0);
  assert.equal(a.sessions.of(b.identity.id).length + b.sessions.of(a.identity.id).length, 0);
  world.network.rewrite = null;
  assert.ok(world.runUntil(() => oneMesh(world), 10_000));
});

test("The cipher is the best that both have", () => {
  const world = new World(17);
  const a = addSealed(world, "a");
  const b = addSealed(world, "b", ["a"], { suites: [{ suite: "xsalsa20-poly1305", mbps: 300 }] });
  const c = addSealed(world, "c", ["a"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  assert.equal(a.sessions.sending(b.identity.id)!.suite, "xsalsa20-poly1305");
  assert.equal(b.sessions.sending(a.identity.id)!.suite, "xsalsa20-poly1305");
  assert.equal(c.sessions.sending(a.identity.id)!.suite, "aes-256-gcm");
});

test("Nodes without a cipher in common say so", () => {
  const world = new World(18);
  const a = addSealed(world, "a", [], { suites: [{ suite: "aes-256-gcm", mbps: 300 }] });
  const b = addSealed(world, "b", ["a"], { suites: [{ suite: "xsalsa20-poly1305", mbps: 300 }] });
  for (const node of world.nodes) world.start(node);
  world.run(5000);
  assert.match(world.view(b).own.waitingFor[0]!.message, /it shares no cipher with us/);
  assert.equal(a.sessions.of(b.identity.id).length, 0);
});

test("A node that moves to another address is followed under traffic within two seconds, and the link goes on", () => {
  const { world, a, b } = pair(19);
  b.endpoint = "172.16.9.9:8473"; // as a NAT that maps anew: the node does not know
  assert.ok(flow(world, a, b, 1000).received >= 38);
  assert.equal(world.view(a).peers[0]!.endpoint, "172.16.9.9:8473");
  world.run(60_000);
  assert.ok(oneMesh(world), whyNotOneMesh(world) ?? "");
  assert.ok(
    world.view(b).own.endpoints.includes("172.16.9.9:8473") || world.view(b).own.endpoints.length > 0,
  );
});

test("A copied identity is found out", () => {
  const { world, a, b } = pair(61);
  const copy = addSealed(world, "copy", ["a"]);
  copy.identity = b.identity;
  copy.disk = b.disk;
  world.startAt(copy, world.clock.now() + 30_000);
  world.run(60_000);
  assert.ok(
    a.logs.some(({ message }) => message.includes("Two hosts are running with the identity")),
    "a tells",
  );
  assert.notEqual(copy.refusal, null);
  assert.equal(b.refusal, null);
});

test("A node's own address among its --peers is noticed", () => {
  const world = new World(62);
  const a = addSealed(world, "a", ["a", "b"]);
  const b = addSealed(world, "b");
  for (const node of [a, b]) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  assert.equal(a.sessions.of(a.identity.id).length, 0);
});

test("A joiner whose first message somebody sends back to it does not take that address for its own", () => {
  const world = new World(68);
  const a = addSealed(world, "a");
  const joiner = addSealed(world, "joiner", ["a"]);
  let reflected = 0;
  world.network.rewrite = ({ from, to, bytes }) => {
    if (from !== joiner.endpoint || decodeHandshake(bytes)?.message !== XX1) return bytes;
    reflected++;
    world.network.send(world.clock.now(), to, from, bytes.slice());
    return new Uint8Array(0);
  };
  for (const node of [a, joiner]) world.start(node);
  world.run(20_000);
  assert.ok(reflected > 3, `${reflected} were sent back`);
  const { own } = world.view(joiner);
  assert.equal(own.leaseState, "joining");
  assert.match(own.waitingFor[0]!.message, /our own packets come back from it/);
  world.network.rewrite = null;
  assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
});

test("With a token's node pinned, a joiner takes no other for its first member", () => {
  const world = new World(63);
  const a = addSealed(world, "a");
  const b = addSealed(world, "b", ["a"]);
  for (const node of [a, b]) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000));
  const c = addSealed(world, "c", ["b"], { pinnedNode: a.identity.id });
  world.start(c);
  world.run(5000);
  assert.equal(world.view(c).own.leaseState, "joining");
  assert.match(world.view(c).own.waitingFor[0]!.message, /the token names/);
  const d = addSealed(world, "d", ["a", "b"], { pinnedNode: a.identity.id });
  world.start(d);
  assert.ok(world.runUntil(() => oneMesh(world, [a, b, d]), 10_000), whyNotOneMesh(world, [a, b, d]) ?? "");
});

test("Twenty sealed nodes that start together are one mesh within ten seconds", () => {
  const world = new World(64);
  for (let i = 0; i < 20; i++) addSealed(world, `n${i}`, i === 0 ? [] : ["n0"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
});

test("Who stops says so also to whom it has no session with, under the network's key", () => {
  const { world, a, b } = pair(65);
  const c = addSealed(world, "c", ["a"]);
  world.start(c);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000));
  // Between b and c no handshake arrives any more, and their session is gone.
  const apart = [b.endpoint, c.endpoint];
  world.network.rewrite = ({ from, to, bytes }) =>
    apart.includes(from) && apart.includes(to) && (bytes[0] === 0x01 || bytes[0] === 0x10)
      ? new Uint8Array(0)
      : bytes;
  world.run(200_000);
  assert.equal(c.sessions.of(b.identity.id).length, 0);
  world.event(b, { kind: "leave" });
  world.stop(b);
  world.network.partition((endpoint) => endpoint === a.endpoint ? 1 : 0); // nobody else tells it
  world.run(500);
  assert.ok(c.logs.some(({ message }) => message === "b was stopped"));
});

test("A group message from outside, or replayed, changes nothing", () => {
  const { world, a, b } = pair(66);
  const rejected = world.view(a).own.rejected;
  const forged = new GroupGossip([keysOf("another")], b.identity.id, world.random);
  const stranger = new GroupGossip([keysOf("secret")], "77".repeat(32), world.random);
  const gossip = encodeGossip(0, {
    mesh: null,
    body: { kind: "push", ack: false, statements: [{ id: b.identity.id, incarnation: 1e9, state: 2 }] },
  });
  for (const from of [forged, stranger]) {
    world.network.send(world.clock.now(), b.endpoint, a.endpoint, from.seal(1e9, gossip)!);
  }
  world.run(100);
  assert.equal(world.view(a).own.rejected, rejected + 2);
  assert.equal(world.view(a).peers[0]!.state, "alive");
});

test("Whoever has the secret cannot drown a member's sessions in group messages that bear its name", () => {
  const { world, a, b } = pair(68);
  const forger = new GroupGossip([keysOf("secret")], b.identity.id, world.random);
  const ping = encodeGossip(0, {
    mesh: meshHash(world.view(a).own.mesh!),
    body: { kind: "ping", seq: 1 },
  });
  const rejected = world.view(a).own.rejected;
  for (let i = 0; i < 800; i++) {
    for (let n = 0; n < 10; n++) {
      world.network.send(world.clock.now(), "10.99.0.1:4000", a.endpoint, forger.seal(2 ** 47, ping)!);
    }
    world.run(10);
    assert.equal(world.view(a).peers[0]!.state, "alive", `after ${i * 10} ms`);
  }
  assert.ok(world.view(a).own.rejected > rejected + 1000, "they are limited");
});

test("A session is confirmed within a tick also when the first packets overtake its installing", () => {
  const world = new World(67, { latency: [1, 1] });
  const a = addSealed(world, "a");
  const b = addSealed(world, "b", ["a"]);
  const handshakes = watchHandshakes(world);
  const record = world.network.rewrite!;
  let finishedAt = Infinity;
  world.network.rewrite = (datagram) => {
    const message = decodeHandshake(datagram.bytes)?.message;
    if (message === XX3) finishedAt = world.clock.now();
    const overtakes = datagram.bytes[0] === 0x10 && datagram.from === b.endpoint &&
      world.clock.now() === finishedAt;
    return record(overtakes ? { ...datagram, bytes: new Uint8Array(0) } : datagram);
  };
  for (const node of world.nodes) world.start(node);
  assert.ok(
    world.runUntil(() => a.sessions.sending(b.identity.id) !== undefined, 350),
    "a probe follows",
  );
  world.run(3000);
  assert.deepEqual(handshakes.map(({ message }) => message), [XX1, XX2, XX3]);
});

test("An index that nobody has, from a peer that is heard, asks for no other session; from one that is silent, for one", () => {
  const { world, a, b } = pair(17);
  world.run(2000);
  const handshakes = watchHandshakes(world);
  for (let second = 0; second < 10; second++) {
    world.event(a, { kind: "unknownIndex", from: b.endpoint });
    world.run(1000);
  }
  assert.deepEqual(handshakes, []);
  const record = world.network.rewrite!;
  world.network.rewrite = (datagram) => {
    const lost = datagram.from === b.endpoint && decodeHandshake(datagram.bytes) === null;
    return lost ? new Uint8Array(0) : record(datagram);
  };
  world.run(3200);
  world.event(a, { kind: "unknownIndex", from: b.endpoint });
  world.run(100);
  assert.deepEqual(handshakes.map(({ message }) => message), [IK1, IK2]);
});
