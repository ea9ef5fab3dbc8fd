/**
 * Disks that are slow, stand still or are full: a host stays alive meanwhile, says nothing that a restart would forget, and,
 * killed at any moment, never says two things under one version of its record.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import type { NodeRecord } from "../../src/control/records/record.ts";
import { addSealed } from "./sealed.ts";
import { seeds } from "../made/seeds.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

const STALL_MS = 5000;
const LONG = { timeout: 60_000 };

function meshOf(seed: number, names: readonly string[], sealed: boolean): World {
  const world = new World(seed, { latency: [0.5, 5] });
  for (const name of names) {
    const peers = name === names[0] ? [] : [names[0]!];
    if (sealed) addSealed(world, name, peers);
    else world.add(name, peers);
  }
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  return world;
}

function claimText(record: Pick<NodeRecord, "claims">): string {
  return record.claims.map(({ subnet, stamp }) => `${subnet.text} ${stamp}`).join();
}

/** Watches all that nodes say of themselves: what it must not be is thrown. */
function watch(world: World): { readonly said: number } {
  // BOUNDED: by the run
  const contents = new Map<string, string>();
  const seen = { said: 0 };
  world.memo.onVerified = (record) => {
    seen.said++;
    const node = world.nodes.find(({ identity }) => identity.id === record.id)!;
    const version = `${record.id} ${record.incarnation} ${record.epoch}`;
    const content = `${record.bootNonce} ${claimText(record)} ${record.endpoints}`;
    assert.equal(contents.get(version) ?? content, content, `${node.name}: two contents under one version`);
    contents.set(version, content);
    const { reserved } = node.store.state()!;
    assert.ok(
      record.incarnation < reserved!.incarnation ||
        (record.incarnation === reserved!.incarnation && record.epoch <= reserved!.epoch),
      `${node.name} says a version that its disk does not have`,
    );
    if (record.claims.length > 0) {
      assert.ok(
        node.store.claims.has(claimText(record)),
        `${node.name} says a claim that its disk does not have`,
      );
    }
  };
  return seen;
}

for (const sealed of [false, true]) {
  const kind = sealed ? "sealed" : "plain";

  test(
    `a disk that stands still for 5 s makes nobody dead, and nothing is said meanwhile that it does not have, ${kind}`,
    LONG,
    () => {
      for (const seed of seeds(6)) {
        const world = meshOf(seed, ["a", "b", "c", "d"], sealed);
        const [a, b, c] = world.nodes as [SimNode, SimNode, SimNode];
        world.run(1000 + world.random.below(2000));
        const seen = watch(world);
        const forgotten = () =>
          world.node("d").logs.some(({ message }) => /b had the mesh forget/.test(message));
        const told = world.incarnationOf(b);
        b.store.stalledUntil = world.clock.now() + STALL_MS;
        // There is something to say meanwhile that needs no disk, and something that does.
        world.event(b, { kind: "forget", target: world.node("d").identity.id, revoke: false });
        world.event(b, { kind: "ownEndpoints", endpoints: [b.endpoint, "192.0.2.77:8473"] });
        const alive = (at: SimNode) =>
          world.view(at).peers.find(({ id }) => id === b.identity.id)!.state === "alive";
        for (let ms = 0; ms < STALL_MS - 100; ms += 100) {
          world.run(100);
          for (const at of [a, c]) assert.ok(alive(at), `seed ${seed}: at ${ms} ms`);
          for (const node of world.nodes) {
            assert.deepEqual([world.view(node).forgotten ?? [], forgotten()], [[], false], "on no disk");
          }
          if (ms === 1000) { // c holds it for suspect, for a reason of its own: it refutes, disk or not
            world.network.partition((endpoint) => endpoint === b.endpoint ? 1 : 0);
          }
          if (ms === 1800) world.network.partition(null);
        }
        assert.ok(seen.said > 0 && world.incarnationOf(b) >= told);
        assert.ok(world.runUntil(() => forgotten(), 2000), `seed ${seed}`);
        assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
      }
    },
  );

  test(`a host whose disk stands still when it joins has no lease before it is there, and one then, ${kind}`, () => {
    const world = meshOf(3, ["a", "b"], sealed);
    watch(world);
    const late = sealed ? addSealed(world, "late", ["a"]) : world.add("late", ["a"]);
    // It can begin, and what comes then has to wait.
    late.store.onState = ({ mesh }) => {
      if (mesh !== null && late.store.stalledUntil === 0) {
        late.store.stalledUntil = world.clock.now() + STALL_MS;
      }
    };
    world.start(late);
    world.run(STALL_MS - 500);
    assert.ok(late.store.stalledUntil > 0, "it has something to write");
    assert.notEqual(world.view(late).own.leaseState, "confirmed");
    assert.equal(world.view(world.node("a")).peers.find(({ name }) => name === "late")?.subnet ?? null, null);
    assert.ok(world.runUntil(() => oneMesh(world), 3000), whyNotOneMesh(world) ?? "");
  });

  test(
    `whenever a host is killed, none of its versions says two things and no word was ahead of its disk, ${kind}`,
    LONG,
    () => {
      for (const seed of seeds(10)) {
        const world = new World(seed, { latency: [0.5, 20], loss: seed % 3 === 0 ? 0.1 : 0 });
        const seen = watch(world);
        for (let i = 0; i < 3; i++) {
          const node = sealed
            ? addSealed(world, `n${i}`, i === 0 ? [] : ["n0"])
            : world.add(`n${i}`, i === 0 ? [] : ["n0"]);
          node.store.latency = () => world.random.below(400);
          world.start(node);
        }
        for (let cut = 0; cut < 12; cut++) {
          world.run(world.random.below(1500));
          const node = world.nodes[world.random.below(3)]!;
          if (node.plane === null) continue;
          if (world.random.below(3) === 0) {
            world.event(node, { kind: "ownEndpoints", endpoints: [node.endpoint, `192.0.2.${cut}:8473`] });
            world.run(world.random.below(500));
          }
          world.stop(node);
          world.run(world.random.below(300));
          world.start(node);
        }
        assert.ok(seen.said > 0);
        const leases = () => world.nodes.map((node) => JSON.parse(node.disk!).claim);
        assert.ok(world.runUntil(() => oneMesh(world), 40_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
        world.run(1000);
        const held = leases();
        // All power is lost, and nobody is told of anybody: what the disks have is enough, in any order.
        for (const node of world.nodes) world.stop(node);
        for (const node of world.nodes) {
          node.seeds = [];
          node.settings = { ...node.settings, peers: [] };
        }
        world.run(30_000);
        const now = world.clock.now();
        for (const node of world.nodes) world.startAt(node, now + 1 + world.random.below(20_000));
        const whole = () => world.running.length === 3 && oneMesh(world);
        assert.ok(world.runUntil(whole, 60_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
        assert.deepEqual(leases(), held, `seed ${seed}: with the leases that they had`);
      }
    },
  );
}
