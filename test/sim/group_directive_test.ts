/** Directives without a session: whoever was revoked, or has an old secret alone, ends nobody by them. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { signDirective } from "../../src/control/forget/directives.ts";
import { GroupGossip } from "../../src/control/secrets/group_gossip.ts";
import { placeOfGiven } from "../../src/control/secrets/key_ring.ts";
import { meshHash } from "../../src/control/mesh/mesh.ts";
import { decodeRecord, signRecord } from "../../src/control/records/record.ts";
import { readOwn, storedBytes } from "../../src/control/records/state.ts";
import { type Identity, identityFromSeeds } from "../../src/crypto/identity.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { handshakeMessage, isHandshake, XX3 } from "../../src/wire/handshake.ts";
import { addSealed } from "./sealed.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";
import type { Prefix } from "../../src/wire/prefix.ts";
import { encodeGossip } from "../made/gossip.ts";

const OLD = NetworkSecret.of(new Uint8Array(32).fill(7));

function setup() {
  const own = NetworkSecret.parse(OLD.text(), "");
  return {
    keys: [own.keys("ovltun")],
    secrets: [{ secret: own, generation: placeOfGiven(own), used: true }],
  };
}

function rotated(seed: number): World {
  const world = new World(seed);
  for (const name of ["a", "b", "c"]) world.start(addSealed(world, name, name === "a" ? [] : ["a"], setup()));
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  world.run(3000);
  return world;
}

function rotate(world: World): void {
  // c is away: the old secret is kept for 7 days
  world.event(world.node("a"), {
    kind: "rotate",
    secret: NetworkSecret.of(new Uint8Array(32).fill(9)),
    dropOld: false,
  });
  world.run(15 * 60_000);
  assert.equal(world.view(world.node("a")).own.secret?.underWay, false);
}

/** To `to`, under the old secret, as if from `sender`. */
function tell(
  world: World,
  to: SimNode,
  sender: SimNode,
  issuer: Identity,
  records: { raw: Uint8Array; state: 0 }[],
): void {
  const { networkId, mesh } = world.view(to).own;
  const { raw } = signDirective(
    {
      issuer: issuer.id,
      networkId,
      seq: 1,
      kind: "forget",
      target: to.identity.id,
      incarnation: 99,
      revoke: true,
    },
    issuer,
  );
  const group = new GroupGossip([OLD.keys("ovltun")], sender.identity.id, world.random);
  const body = { kind: "push", ack: false, directives: [raw], records } as const;
  const bytes = group.seal(2 ** 40, encodeGossip(0, { mesh: meshHash(mesh!), body }))!;
  world.network.send(world.clock.now(), "10.99.0.1:4000", to.endpoint, bytes);
  world.run(3000);
}

test("A revoked node that has the old secret ends nobody", () => {
  const world = rotated(1);
  const [a, b, thief] = world.nodes as [SimNode, SimNode, SimNode];
  world.stop(thief);
  world.event(a, { kind: "forget", target: thief.identity.id, revoke: true });
  world.run(5000);
  tell(world, b, a, thief.identity, []);
  assert.equal(b.refusal, null);
});

/** The record of somebody whom nobody has heard of, with this claim. */
function strangerOf(
  a: SimNode,
  subnet: Prefix | null,
): { identity: Identity; record: { raw: Uint8Array; state: 0 } } {
  const identity = identityFromSeeds(new Uint8Array(32).fill(77), new Uint8Array(32).fill(78));
  const like = decodeRecord(storedBytes(JSON.parse(a.disk!).peers[0].record))!;
  const { raw } = signRecord({
    ...like,
    id: identity.id,
    staticKey: identity.staticKey,
    name: "x",
    claims: subnet === null ? [] : [{ subnet, stamp: 0, incarnation: 1 }],
    endpoints: [],
    bootNonce: "0102030405060708",
  }, identity);
  return { identity, record: { raw, state: 0 } };
}

test("A stranger with the secret of before a rotation ends nobody, and takes nobody's subnet", () => {
  for (const claims of [false, true]) {
    const world = rotated(2);
    const [a, b, away] = world.nodes as [SimNode, SimNode, SimNode];
    world.stop(away);
    world.run(12_000);
    rotate(world);
    const { subnet } = world.view(b).own;
    const { identity, record } = strangerOf(a, claims ? subnet : null);
    tell(world, claims ? a : b, claims ? b : a, identity, [record]);
    assert.deepEqual([a.refusal, b.refusal], [null, null]);
    assert.deepEqual(world.view(b).own.subnet, subnet);
    assert.ok(!world.view(a).peers.some(({ id }) => id === identity.id));
  }
});

test("A revoked node's last word from a forged address is answered there with no more than it has", () => {
  const world = rotated(3);
  const [a, , thief] = world.nodes as [SimNode, SimNode, SimNode];
  world.stop(thief);
  world.run(12_000);
  world.event(a, { kind: "forget", target: thief.identity.id, revoke: true });
  world.run(5000);
  thief.disk = null;
  thief.seeds = ["a"];
  const forged = "10.99.0.1:4000";
  let asked = 0, answered = 0;
  world.network.rewrite = (d) => {
    if (d.to === forged) answered += d.bytes.length;
    if (d.from !== thief.endpoint || !isHandshake(d.bytes, 0, d.bytes.length)) return d.bytes;
    if (handshakeMessage(d.bytes, 0) !== XX3 || asked > 0) return d.bytes;
    asked = d.bytes.length;
    world.network.send(world.clock.now(), forged, a.endpoint, d.bytes.slice());
    return new Uint8Array(0);
  };
  world.start(thief);
  world.run(2000);
  assert.ok(asked > 0);
  assert.ok(answered <= asked, `${answered} to ${asked}`);
});

test("The old secret alone says nothing of a node's life", () => {
  const world = rotated(3);
  const [a, b, away] = world.nodes as [SimNode, SimNode, SimNode];
  world.stop(away);
  world.run(12_000);
  rotate(world);
  const group = new GroupGossip([OLD.keys("ovltun")], b.identity.id, world.random);
  const { incarnation } = readOwn(JSON.parse(away.disk!));
  const about = { id: away.identity.id, incarnation, state: 2, stopped: true } as const;
  const told = { records: [], statements: [about] };
  const mesh = meshHash(world.view(a).own.mesh!);
  for (const body of [{ kind: "push", ack: false, ...told }, { kind: "ping", seq: 1, ...told }] as const) {
    const bytes = group.seal(2 ** 40, encodeGossip(0, { mesh, body }))!;
    world.network.send(world.clock.now(), "10.99.0.1:4000", a.endpoint, bytes);
    world.run(1000);
  }
  const { state, stopped } = world.view(a).peers.find(({ id }) => id === away.identity.id)!;
  assert.deepEqual([state, stopped], ["dead", false]);
});
