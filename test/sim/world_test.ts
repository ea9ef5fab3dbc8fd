/** What the simulated world promises to those who simulate in it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ControlEvent } from "../../src/control/outbox/events.ts";
import { Heap } from "../../src/bounds/heap.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { oneMesh, World } from "./world.ts";

function pair(seed: number, conditions = {}): World {
  const world = new World(seed, conditions);
  world.add("a");
  world.add("b", ["a"]);
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000));
  return world;
}

test("The same seed makes the same world, datagram by datagram", () => {
  const course = (seed: number) => {
    const world = pair(seed, { loss: 0.1, doubled: 0.1 });
    world.run(20_000);
    return [world.network.sent, world.network.bytes, world.clock.now(), world.random.next()];
  };
  assert.deepEqual(course(7), course(7));
  assert.notDeepEqual(course(7), course(8));
});

test("A slow host takes in one event after the other, in their order, a due tick first, and none is lost", () => {
  const world = pair(1);
  const b = world.node("b");
  const taken: { readonly kind: string; readonly at: number }[] = [];
  b.cost = (event: ControlEvent) => {
    taken.push({ kind: event.kind, at: world.clock.now() });
    return 30;
  };
  const began = world.clock.now();
  for (let i = 0; i < 4; i++) world.event(b, { kind: "checkWays", id: `${i}` });
  assert.equal(taken.length, 1, "the others wait");
  world.run(1000);
  for (const [i, { at }] of taken.entries()) {
    if (i > 0) assert.ok(at - taken[i - 1]!.at >= 30, `${at} is no 30 ms after the one before`);
  }
  assert.equal(taken.filter(({ kind }) => kind === "checkWays").length, 4);
  const ticks = taken.filter(({ kind }) => kind === "tick");
  const waiting = taken.filter(({ kind, at }) => kind === "datagram" && at > ticks[0]!.at);
  assert.ok(waiting.length > 2, "ticks do not wait behind all the rest");
  assert.ok(taken[3]!.at - began >= 90);
  world.run(1000);
  assert.ok(b.inbox.size < 3, "what came was taken");
});

test("What waits at a host that is slow no more is taken at once", () => {
  const world = pair(2);
  const b = world.node("b");
  b.cost = () => 1000;
  for (let i = 0; i < 5; i++) world.event(b, { kind: "checkWays", id: `${i}` });
  b.cost = null;
  world.run(1001);
  assert.equal(b.inbox.size, 0);
});

test("A host's clock runs at its own rate: it ticks with the world's, and what it measures is its own time", () => {
  const world = pair(3);
  const b = world.node("b");
  world.stop(b);
  b.skew = { rate: 2, offset: 500_000 };
  world.start(b);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000));
  const { startedAt } = b.plane!.own(b.time(world.clock.now()));
  const ago = b.time(world.clock.now()) - startedAt;
  assert.ok(startedAt > 500_000 && ago > 0);
  world.run(1000);
  assert.equal(Math.round(b.time(world.clock.now()) - startedAt - ago), 2000);
});

test("A doubled datagram comes twice", () => {
  const world = new World(4, { doubled: 1 });
  world.network.send(0, "192.168.0.1:1", "192.168.0.2:1", new Uint8Array([7]));
  const [one, other] = [world.network.take(), world.network.take()];
  assert.deepEqual([one?.bytes, other?.bytes], [new Uint8Array([7]), new Uint8Array([7])]);
  assert.equal(world.network.take(), undefined);
});

test("The heap gives what a stable sort gives", () => {
  const random = new SeededRandom(5);
  const heap = new Heap<number>();
  let model: { readonly at: number; readonly n: number }[] = [];
  for (let n = 0; n < 3000; n++) {
    if (random.below(3) > 0) {
      const at = random.below(20);
      heap.push(at, n);
      model = [...model, { at, n }].sort((a, b) => a.at - b.at || a.n - b.n);
    } else {
      assert.equal(heap.nextAt, model[0]?.at ?? Infinity);
      assert.equal(heap.pop(), model.shift()?.n);
    }
    assert.equal(heap.size, model.length);
  }
});
