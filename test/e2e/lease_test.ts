/**
 * What becomes of a lease: over restarts, after a split in which two hosts took the same one, and when it is given back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { foundedBy, inTown, joined, NETWORK } from "./town.ts";

const WISH = "10.42.77.0/24";

test("a host that is stopped leaves nothing behind, and has its lease again after the next start", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const { lease } = b;
    assert.deepEqual(await b.signal("SIGTERM"), { code: 0 });
    assert.deepEqual(b.ownRoutes(), []);
    assert.equal(b.kernel.interfaces().some(({ name }) => name === "ovl0"), false);
    assert.equal(b.subnetEnv(), null);
    await b.up();
    await town.until("they reach one another", () => a.reaches(b) && b.reaches(a), 3000);
    assert.equal(b.lease, lease);
    a.say(b, "welcome back");
    await town.run(5);
    assert.deepEqual(b.heard(), ["welcome back"]);
  }));

test("a host whose daemon was killed has its lease again at once, though the mesh is not there", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const { lease } = b;
    a.kill();
    b.kill();
    assert.deepEqual(b.ownRoutes().map(({ destination, type }) => [destination.text, type]), [[
      lease,
      "unreachable",
    ]]);
    assert.ok(b.subnetEnv()!.includes(lease!.replace("0/24", "1/24")));
    await b.up();
    await town.run(0);
    assert.equal(b.lease, lease);
    assert.deepEqual(b.kernelRoutes(), [`unreachable ${lease}`, `${NETWORK} dev ovl0`]);
  }));

test("two hosts that took one subnet while the network was split: one keeps it, the other gets another", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const [c, d] = [town.host("c"), town.host("d")];
    const [toA, toB] = [a.token(), b.token()];
    town.split([a, c], [b, d]);
    await town.until(
      "each holds the other side for dead",
      () => a.peer(b)!.state === "dead" && b.peer(a)!.state === "dead",
    );
    await c.join(toA, { subnet: WISH, "on-lease-change": "/bin/hook" });
    await d.join(toB, { subnet: WISH, "on-lease-change": "/bin/hook" });
    await town.until("both have their wish", () => c.lease === WISH && d.lease === WISH);
    town.heal();
    const all = [a, b, c, d];
    await town.until("all reach all", () => all.every((host) => host.reachesAll(all)));
    await town.until("the leases differ", () => c.lease !== null && d.lease !== null && c.lease !== d.lease);
    assert.equal([c.lease, d.lease].filter((lease) => lease === WISH).length, 1);
    const loser = c.lease === WISH ? d : c;
    const { program, environment } = loser.ran.at(-1)!;
    assert.equal(program, "/bin/hook");
    assert.deepEqual([environment["OVLTUN_OLD_SUBNET"], environment["OVLTUN_NEW_SUBNET"]], [
      WISH,
      loser.lease,
    ]);
    for (const host of [c, d]) assert.ok(host.kernelRoutes().includes(`unreachable ${host.lease}`));
    await town.until("all have heard", () => all.every((host) => host.reachesAll(all)));
    c.say(d, "yours now");
    await town.run(5);
    assert.deepEqual(d.heard(), ["yours now"]);
  }));

test("down --purge gives the lease back: the mesh has heard it, and no trace stays", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const { lease } = b;
    assert.deepEqual((await b.down({ purge: true })).release, { subnet: lease, outcome: "heard" });
    await town.run(100);
    assert.deepEqual(a.leases().map(({ subnet }) => subnet), [a.lease]);
    assert.deepEqual(b.files(), []);
  }));

test("down --purge after kill -9 gives the lease back, too", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const { lease } = b;
    b.kill();
    assert.equal(await b.purge(), `Released the lease ${lease}; the mesh has confirmed it`);
    assert.deepEqual(a.leases().map(({ subnet }) => subnet), [a.lease]);
  }));

test("a subnet that passes from a peer to this host in one step is this host's own, and packets for it arrive", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"), { network: "10.42.0.0/23", "subnet-len": 24 });
    const b = await joined(town.host("b"), a);
    const c = town.host("c");
    await c.join(a.token());
    await town.until("nothing is free for c", () => c.status().node.leaseState === "exhausted");
    await town.until("c has routes to b", () => c.reaches(b));
    const { lease } = b;
    for (const gone of [a, b]) gone.kill();
    await town.until("c is alone", () => [a, b].every((gone) => c.peer(gone)!.state === "dead"));
    c.forget("b");
    await town.until("c has the lease of b", () => c.lease === lease);
    c.forget("a");
    const d = await joined(town.host("d"), c);
    d.say(c, "to the new holder");
    await town.run(5);
    assert.deepEqual(c.heard(), ["to the new holder"]);
  }));
