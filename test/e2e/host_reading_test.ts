/** How often the daemon asks its host what there is: for what changed, and not once more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Asked, NOTHING } from "../fakes/counted_kernel.ts";
import { route } from "../fakes/fake_kernel.ts";
import { foundedBy, inTown, joined } from "./town.ts";

/** Without what tells of drops, which is asked at each look, one interface for one answer. */
const reads = ({ drops, ...rest }: Readonly<Asked>): Readonly<Asked> => {
  assert.ok(drops <= 12, `${drops} questions for drops in ten seconds`);
  return { ...rest, drops: 0 };
};

test("a node at rest reads nothing of its host, nor while the mesh changes around it", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    await town.run(10_000);
    b.asked();
    await town.run(10_000);
    assert.deepEqual(reads(b.asked()), NOTHING);
    b.status();
    b.routes();
    b.peers();
    assert.deepEqual(reads(b.asked()), NOTHING);
    const c = await joined(town.host("c"), a);
    await town.until("b and c reach one another", () => b.reaches(c) && c.reaches(b));
    await c.down({ purge: true });
    await town.run(3000);
    const { ways, ...others } = reads(b.asked());
    assert.ok(ways <= 4, `${ways} ways: to c, whom it did not know`);
    assert.deepEqual({ ...others, ways: 0 }, NOTHING);
  }));

test("what a founder without a network looks through is not followed", () =>
  inTown(async (town) => {
    const a = town.host("a");
    const office = route("10.77.0.0/16", { iface: a.eth0, protocol: 186 });
    a.kernel.addRoute(office);
    await a.up({});
    await town.until("a founds", () => a.lease !== null);
    assert.ok(!a.overlay.startsWith("10.77."));
    await town.run(6000);
    a.asked();
    for (let i = 0; i < 50; i++) {
      a.kernel.deleteRoute(office);
      await town.run(50);
      a.kernel.addRoute(office);
      await town.run(50);
    }
    assert.deepEqual(reads(a.asked()), NOTHING);
  }));

test("routes of others that come and go cost a node no reading, and it writes nothing", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const foreign = route("198.51.100.0/24", { gateway: "192.168.1.254", iface: a.eth0, protocol: 186 });
    await town.run(6000);
    a.asked();
    const { writes } = a.kernel;
    for (let i = 0; i < 100; i++) {
      a.kernel.addRoute(foreign);
      await town.run(50);
      a.kernel.deleteRoute(foreign);
      await town.run(50);
    }
    assert.deepEqual(reads(a.asked()), NOTHING);
    assert.equal(a.kernel.writes, writes + 200, "but for what the test does");
  }));

test("what is deleted of ours comes back with the next tick, without a walk through all routes", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    await town.run(6000);
    const texts = () => a.ownRoutes().map(({ destination, iface }) => `${destination} ${iface}`).sort();
    const before = texts();
    a.asked();
    for (const one of a.ownRoutes()) {
      a.kernel.deleteRoute(one);
      await town.run(200);
      assert.deepEqual(texts(), before);
    }
    assert.deepEqual(reads(a.asked()), NOTHING);
    const device = a.kernel.interfaces().find(({ name }) => name === "ovl0")!.index;
    a.kernel.setInterface(device, { up: false }); // its routes go without a word
    assert.notDeepEqual(texts(), before);
    await town.run(200);
    assert.deepEqual(texts(), before);
  }));

test("a network of the host in the mesh's is told of, and that it is over when its link went without a word", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const eth1 = a.kernel.addLink("eth1");
    await town.run(6000);
    a.kernel.addRoute(route("10.42.200.0/24", { iface: eth1 }));
    const warned = () => a.status().warnings.some((line) => line.includes("10.42.200.0/24 dev eth1"));
    await town.until("the warning", warned, 2000);
    a.kernel.setInterface(eth1, { up: false });
    await town.until("the warning is gone", () => !warned(), 2000);
  }));
