/**
 * Whoever forges a source address must not make a node send more there than he sends himself: every type of datagram,
 * in a plain and in a sealed mesh, from an address that nobody names, whole, cut and padded. What the data plane answers
 * by itself (probes, cookies) is in test/dataplane/in/amplification_test.ts.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { GroupGossip } from "../../src/control/secrets/group_gossip.ts";
import { type HelloFields, makeHello } from "../../src/control/links/hello_frame.ts";
import { meshHash } from "../../src/control/mesh/mesh.ts";
import { type Identity, identityFromSeeds } from "../../src/crypto/identity.ts";
import { DATA_PLAIN, encodeData, isData } from "../../src/wire/data_header.ts";
import { encodeProbe, PROBE_LEN } from "../../src/wire/datagram.ts";
import * as hello from "../../src/wire/hello.ts";
import { addSealed } from "./sealed.ts";
import { keysOf } from "../made/network_keys.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, World } from "./world.ts";
import { encodeGossip } from "../made/gossip.ts";

/** So long is waited for answers: everything that is tried again has been by then. */
const WAIT_MS = 6000;

/** What is different about a hello. */
type Change = Partial<HelloFields> & { identity?: Identity; member?: boolean; version?: number };

interface Case {
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface Stage {
  readonly world: World;
  readonly target: SimNode;
  readonly peer: SimNode;
  /** What was on its way to the target: genuine, one of each type and length. */
  readonly heard: readonly Case[];
}

/** A mesh of two, and a third whose words to the target are recorded and never arrive. */
function stage(sealed: boolean): Stage {
  const world = new World(3);
  const add = (name: string, seeds: string[]) =>
    sealed ? addSealed(world, name, seeds) : world.add(name, seeds);
  const [target, peer] = [add("target", []), add("peer", ["target"])];
  const silent = add("silent", ["target"]);
  const heard = new Map<string, Uint8Array>();
  /**
   * Listens, and lets nothing through from `muted`. Sealed data is left out: a data plane, which this world has none of,
   * refuses it when it comes again, and what was held back and comes late is its sender's, wherever he is by then.
   */
  const listen = (muted: SimNode) => {
    world.network.rewrite = ({ from, to, bytes }) => {
      if (to === target.endpoint && !(sealed && isData(bytes[0]!))) {
        heard.set(`0x${bytes[0]!.toString(16)} ${bytes[2]} of ${bytes.length} bytes`, bytes);
      }
      return from === muted.endpoint ? new Uint8Array(0) : bytes;
    };
  };
  listen(silent);
  world.start(target);
  world.start(peer);
  assert.ok(world.runUntil(() => oneMesh(world, [target, peer]), 20_000));
  world.run(15_000);
  world.start(silent);
  world.run(1000);
  world.stop(silent);
  // A restart: what it says to whom it knows is heard, and does not arrive.
  world.stop(peer);
  listen(peer);
  world.start(peer);
  world.run(1500);
  world.network.rewrite = null;
  assert.ok(world.runUntil(() => oneMesh(world, [target, peer]), 20_000));
  return { world, target, peer, heard: [...heard].map(([name, bytes]) => ({ name, bytes })) };
}

/** What anybody can make: hellos, and datagrams with an index that the target gave out, or did not. */
function forged({ world, target, peer, heard }: Stage): Case[] {
  const stranger = identityFromSeeds(world.random.bytes(32), world.random.bytes(32));
  const ours = world.view(target).own.networkId;
  const greeting = (
    name: string,
    kind: number,
    { identity = stranger, networkId = ours, member = true, version = 1, ...change }: Change = {},
  ) => {
    const fields = { kind, index: 0x100, echoedIndex: 0, nonce: "01".repeat(8), ...change };
    const bytes = makeHello({ identity, networkId, member: () => member }, target.endpoint, fields)!;
    bytes[1] = version;
    return { name, bytes };
  };
  const cases: Case[] = [
    greeting("hello of a member", hello.HELLO_ASK),
    greeting("hello of a joiner", hello.HELLO_ASK, { member: false, index: 0 }),
    greeting("hello of another network", hello.HELLO_ASK, { networkId: "12".repeat(16) }),
    greeting("hello of a sealed node", hello.HELLO_ASK, { flags: hello.FLAG_SEALED }),
    greeting("hello of another version", hello.HELLO_ASK, { version: 9 }),
    greeting("hello by the target's own identity", hello.HELLO_ASK, { identity: target.identity }),
    greeting("hello by the peer's identity", hello.HELLO_ASK, { identity: peer.identity }),
    greeting("ack that nobody waits for", hello.HELLO_ACK, { echoedNonce: "02".repeat(8) }),
    greeting("refusal that nobody waits for", hello.HELLO_REFUSE, { reason: hello.REFUSE_NETWORK }),
  ];
  const gossip = heard.find(({ bytes }) => bytes[0] === 0x21)?.bytes;
  const known = gossip === undefined
    ? 0x12345600
    : new DataView(gossip.buffer, gossip.byteOffset).getUint32(4);
  for (
    const [whose, index] of [["an index it gave out", known], ["an index nobody has", 0xabcdef00]] as const
  ) {
    const ping = encodeGossip(index, { mesh: null, body: { kind: "ping", seq: 1 } });
    const data = new Uint8Array(40);
    encodeData(data, 0, DATA_PLAIN, 0, index, 1);
    const sealedData = new Uint8Array(48);
    encodeData(sealedData, 0, 0, 0, index, 1);
    const probe = new Uint8Array(PROBE_LEN);
    encodeProbe(probe, 0, index, 1, 2, 3);
    cases.push({ name: `gossip with ${whose}`, bytes: ping });
    cases.push({ name: `no more than a head of gossip with ${whose}`, bytes: ping.slice(0, 8) });
    cases.push({ name: `plain data with ${whose}`, bytes: data });
    cases.push({ name: `sealed data with ${whose}`, bytes: sealedData });
    cases.push({ name: `a probe with ${whose}`, bytes: probe });
  }
  const group = new GroupGossip([keysOf("secret")], peer.identity.id, world.random);
  const ping = encodeGossip(0, {
    mesh: meshHash(world.view(target).own.mesh!),
    body: { kind: "ping", seq: 1 },
  });
  cases.push({ name: "a ping under the network's key", bytes: group.seal(2 ** 47, ping)! });
  for (const type of [0x01, 0x02, 0x20, 0x30, 0x7f]) {
    for (const length of [1, 8, 16, 64, 300]) {
      const bytes = world.random.bytes(length);
      bytes.set([type, 1].slice(0, length));
      cases.push({ name: `0x${type.toString(16)} and nonsense`, bytes });
    }
  }
  return cases;
}

for (const sealed of [false, true]) {
  test(`No datagram from an address that nobody names is answered with more than it has: ${sealed ? "sealed" : "plain"}`, () => {
    const scene = stage(sealed);
    const { world, target } = scene;
    const answered = new Map<string, number>();
    world.network.rewrite = ({ to, bytes }) => {
      if (to.startsWith("10.99.")) answered.set(to, (answered.get(to) ?? 0) + bytes.length);
      return bytes;
    };
    const types = new Set(scene.heard.map(({ bytes }) => bytes[0]));
    for (const type of sealed ? [0x01] : [0x03, 0x21, 0x30]) assert.ok(types.has(type), `no ${type}`);
    const sent: (Case & { readonly from: string })[] = [];
    for (const { name, bytes } of [...scene.heard, ...forged(scene)]) {
      const cut = [bytes.slice(0, bytes.length >> 1), bytes.slice(0, -1), bytes.slice(0, 40)];
      const padded = new Uint8Array(bytes.length + 50);
      padded.set(bytes);
      for (const variant of [bytes, ...cut, padded]) {
        const from = `10.99.${sent.length >> 8}.${sent.length & 255}:4000`;
        world.network.send(world.clock.now(), from, target.endpoint, variant);
        // What a data plane reports of an index that it does not have, or not there.
        if (isData(variant[0] ?? 0)) world.event(target, { kind: "unknownIndex", from });
        sent.push({ name: `${name}, as ${variant.length} bytes`, bytes: variant, from });
        world.run(250);
      }
    }
    world.run(WAIT_MS);
    for (const { name, bytes, from } of sent) {
      const length = answered.get(from) ?? 0;
      assert.ok(length <= bytes.length, `${name}: answered with ${length}`);
    }
    const answeredNames = sent.filter(({ from }) => answered.has(from)).map(({ name }) => name);
    for (
      const name of sealed
        ? [/^0x1 1 of 1232/, /^0x1 4 of/, /^a ping under/]
        : [/^hello of a member/, /^gossip with an index it gave out/]
    ) {
      assert.ok(answeredNames.some((one) => name.test(one)), `${name} was not answered at all`);
    }
    assert.ok(oneMesh(world, [target, scene.peer]), "the mesh goes on");
  });
}
