/** Many hosts that start together: how much is said until there is one mesh, counted. */

import { test } from "node:test";
import assert from "node:assert/strict";
import { decodeGossip, gossipIndex } from "../../src/wire/gossip.ts";
import { TYPE_GOSSIP_PLAIN, TYPE_HELLO } from "../../src/wire/datagram.ts";
import { prefix } from "../../src/wire/prefix.ts";
import { encodeGossip } from "../made/gossip.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

const LONG = { timeout: 120_000 };

/** Datagrams and bytes that joiners told one another of joiners until there was a mesh, and, where they are few, all had it. */
function founding(n: number, seedsOf: (i: number) => number[]): { datagrams: number; bytes: number } {
  const world = new World(n, { loss: 0.01 });
  world.keeps = { logs: 20, disks: false };
  for (let i = 0; i < n; i++) {
    world.add(`n${i}`, seedsOf(i).map((j) => `n${j}`), { network: prefix("10.0.0.0/8"), subnetLen: 24 });
  }
  for (const node of world.nodes) world.startAt(node, 1000 + world.random.below(500));
  let [datagrams, bytes, founders, learned] = [0, 0, 0, 0];
  // What follows, links of all with all, is none of this.
  world.network.rewrite = ({ bytes }) => founders > 0 && bytes[0] === TYPE_HELLO ? new Uint8Array(0) : bytes;
  world.onAction = (_, action) => {
    if (action.kind === "log" && action.message.startsWith("Founded")) founders++;
    if (action.kind === "log" && action.message.startsWith("Learned the mesh")) learned++;
    if (action.kind !== "send" || action.bytes[0] !== TYPE_GOSSIP_PLAIN) return;
    if (decodeGossip(action.bytes)?.body.kind !== "joining") return;
    datagrams++;
    bytes += action.bytes.length;
  };
  // Many that all call one another take long.
  const done = () => founders > 0 && (n > 48 || founders + learned >= n);
  assert.ok(world.runUntil(done, 30_000), `${n} hosts: ${learned} have learned a mesh`);
  assert.equal(founders, 1, `${n} hosts: ${founders} meshes`);
  return { datagrams, bytes };
}

const TOPOLOGIES: Record<string, (n: number) => (i: number) => number[]> = {
  "one seed for all": () => (i) => [i === 0 ? 1 : 0],
  "three seeds for all": () => (i) => [0, 1, 2].filter((j) => j !== i),
};

for (const [label, seedsOf] of Object.entries(TOPOLOGIES)) {
  test(
    `Founding takes O(N log N) messages among joiners with ${label}, also of more than 257 hosts`,
    LONG,
    () => {
      for (const n of [48, 100, 300]) {
        const { datagrams, bytes } = founding(n, seedsOf(n));
        assert.ok(datagrams <= 16 * n * Math.log2(n), `${n} hosts: ${datagrams} datagrams`);
        assert.ok(bytes <= 150 * datagrams, `${n} hosts: ${bytes} bytes in ${datagrams}`);
      }
    },
  );
}

test(
  "Sixty hosts that join one founder take the mesh by few synchronisations, and each record comes a few times",
  LONG,
  () => {
    const n = 60;
    const world = new World(4, { loss: 0.01 });
    world.keeps = { logs: 20, disks: false };
    for (let i = 0; i < n; i++) world.add(`n${i}`, i === 0 ? [] : ["n0"]);
    const said = { syncs: 0, items: 0, asked: 0 };
    world.onAction = (_, action) => {
      if (action.kind !== "send" || action.bytes[0] !== TYPE_GOSSIP_PLAIN) return;
      const body = decodeGossip(action.bytes)?.body;
      if (body?.kind === "sync") said.syncs++;
      if (body?.kind !== "push") return;
      if (body.ack) said.asked++;
      else said.items += body.records?.length ?? 0;
    };
    for (const node of world.nodes) world.startAt(node, 1000 + world.random.below(500));
    assert.ok(
      world.runUntil(() => world.clock.now() > 1600 && oneMesh(world), 15_000),
      whyNotOneMesh(world) ?? "",
    );
    assert.ok(said.syncs <= 16 * n, `${said.syncs / n} synchronisations a node`);
    assert.ok(said.items <= 8 * n * n, `each record ${said.items / n / n} times`);
    assert.ok(said.asked <= 3 * n * n, `${said.asked / n / n} questions for each pair`);
  },
);

test(
  "Joiners who are told of a leader that nobody is pass it over, and are one mesh a few minutes later",
  LONG,
  () => {
    const world = new World(3);
    const names = ["liar", "a", "b", "c", "d"];
    for (const name of names) world.add(name, names.filter((other) => other !== name));
    for (const node of world.nodes) world.start(node);
    const [liar, ...others] = world.nodes;
    let waves = 0;
    world.network.rewrite = ({ bytes, from }) => {
      const told = from === liar!.endpoint && bytes[0] === TYPE_GOSSIP_PLAIN ? decodeGossip(bytes) : null;
      if (told?.body.kind !== "joining") return bytes;
      waves = Math.max(waves + 1, Math.ceil(world.clock.now() / 100));
      const body = { ...told.body, leader: "0".repeat(64), seq: waves, distance: 0, upward: false };
      return encodeGossip(gossipIndex(bytes)!, { ...told, body });
    };
    world.run(50_000);
    assert.ok(waves > 100);
    assert.deepEqual(others.map((node) => world.view(node).own.mesh), [null, null, null, null]);
    const founded = () => others.every((node) => world.view(node).own.leaseState === "confirmed");
    assert.ok(world.runUntil(founded, 150_000), "somebody else founds");
    assert.equal(new Set(others.map((node) => world.view(node).own.mesh!.network.text)).size, 1);
    assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  },
);
