/**
 * A mesh with few places: who has left takes none, who comes too late is told so by name and claims nothing that others
 * cannot know, and a place that becomes free is his.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { decodeRecord } from "../../src/control/records/record.ts";
import { storedBytes } from "../../src/control/records/state.ts";
import { seeds } from "../made/seeds.ts";
import { addSealed } from "./sealed.ts";
import { doubleUse, oneMesh, whyNotOneMesh, World } from "./world.ts";
import type { SimNode } from "./sim_node.ts";

const LONG = { timeout: 120_000 };
const REMEDY = /all of its 4 nodes.*ovltun forget NODE/;

function add(world: World, name: string, sealed: boolean): SimNode {
  const peers = name === "a" ? [] : ["a"];
  return sealed ? addSealed(world, name, peers) : world.add(name, peers);
}

function meshOf(seed: number, names: readonly string[], sealed = false): World {
  const world = new World(seed);
  world.records = 4;
  for (const name of names) world.start(add(world, name, sealed));
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  return world;
}

const goneOnDisk = ({ store }: SimNode) =>
  store.state()!.peers.filter(({ record }) => decodeRecord(storedBytes(record))?.gone).length;

test(
  "Thirty hosts that came, had a lease and left for good leave the mesh as it was: the next one joins",
  LONG,
  () => {
    const world = meshOf(1, ["a", "b"]);
    for (let n = 0; n < 30; n++) {
      const guest = add(world, `guest${n}`, false);
      world.start(guest);
      assert.ok(world.runUntil(() => oneMesh(world), 10_000), `${n}: ${whyNotOneMesh(world)}`);
      world.event(guest, { kind: "release" });
      assert.ok(world.runUntil(() => guest.released, 5000));
    }
    // It is still known who left, also by who comes later, and after a restart.
    const late = add(world, "late", false);
    world.start(late);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    world.run(5000);
    assert.equal(goneOnDisk(late), 30);
    assert.equal(world.view(late).peers.length, 2);
    world.stop(late);
    world.start(late);
    assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
    assert.equal(goneOnDisk(late), 30);
  },
);

for (const sealed of [false, true]) {
  const kind = sealed ? "sealed" : "plain";

  test(
    `A full mesh refuses a joiner by name on both sides, and takes it once there is a place: ${kind}`,
    LONG,
    () => {
      const world = meshOf(2, ["a", "b", "c", "d"], sealed);
      const late = add(world, "late", sealed);
      world.start(late);
      world.run(10_000);
      const { own } = world.view(late);
      assert.equal(own.leaseState, "joining");
      assert.equal(own.subnet, null);
      assert.match(own.waitingFor.map(({ message }) => message).join(), REMEDY);
      assert.ok(late.logs.some(({ level, message }) => level === "warning" && REMEDY.test(message)));
      const a = world.node("a");
      assert.ok(a.logs.some(({ message }) => message.startsWith("Refused ") && REMEDY.test(message)));
      assert.ok(world.view(a).own.warnings.some((sentence) => /no place for another/.test(sentence)));
      // A host that is gone makes room.
      world.stop(world.node("d"));
      world.run(12_000);
      world.event(a, { kind: "forget", target: world.node("d").identity.id, revoke: false });
      assert.ok(world.runUntil(() => oneMesh(world), 15_000), whyNotOneMesh(world) ?? "");
      assert.deepEqual(world.view(late).own.waitingFor, []);
    },
  );
}

test(
  "Of joiners that race for the last place one gets it; no other confirms what the members do not know",
  LONG,
  () => {
    for (const seed of seeds(12)) {
      const world = meshOf(seed, ["a", "b", "c"]);
      const racers = [0, 1, 2].map((n) => add(world, `racer${n}`, false));
      for (const racer of racers) world.start(racer);
      for (let n = 0; n < 100; n++) {
        world.run(100);
        assert.equal(doubleUse(world), null, `seed ${seed}`);
        for (const racer of racers) {
          const { leaseState } = world.view(racer).own;
          if (leaseState !== "confirmed") continue;
          const members = ["a", "b", "c"].map((name) => world.view(world.node(name)));
          const known = members.every(({ peers }) => peers.some(({ id }) => id === racer.identity.id));
          assert.ok(known, `seed ${seed}: ${racer.name} has a lease that others do not know`);
        }
      }
      const confirmed = racers.filter((racer) => world.view(racer).own.leaseState === "confirmed");
      assert.ok(confirmed.length <= 1, `seed ${seed}`);
      const rest = racers.filter((racer) => !confirmed.includes(racer));
      for (const racer of rest) {
        assert.ok(
          racer.logs.some(({ message }) => REMEDY.test(message)),
          `seed ${seed}`,
        );
      }
    }
  },
);

test("From nine tenths on every member warns, once in the log and in status for as long as it is so", () => {
  const world = new World(4);
  world.records = 4;
  for (const name of ["a", "b", "c"]) world.start(add(world, name, false));
  assert.ok(world.runUntil(() => oneMesh(world), 20_000));
  world.run(10_000);
  const warned = () =>
    world.running.filter((n) => world.view(n).own.warnings.some((s) => /^The mesh has /.test(s)));
  assert.equal(warned().length, 0, "three of four");
  world.start(add(world, "d", false));
  assert.ok(world.runUntil(() => oneMesh(world), 20_000));
  world.run(10_000);
  assert.equal(warned().length, 4);
  for (const { logs } of world.nodes) {
    assert.equal(logs.filter((l) => /^The mesh has no place/.test(l.message)).length, 1);
  }
});
