/** The host changes under the daemon: its addresses, its device, its files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { foundedBy, inTown, joined } from "./town.ts";

test("a host that loses its address says so, and is back soon after it has it again", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const { lease, address } = b;
    b.readdress(null);
    await town.until("a holds b for dead", () => a.peer(b)!.state === "dead");
    assert.match(b.status().warnings.join("\n"), /No other host can reach this node/);
    const { state, path, summary } = a.why("b");
    assert.deepEqual([state, path], ["dead", "none"]);
    assert.match(summary, /^b: .*192\.168\.1\.2:8473/);
    b.readdress(address);
    const took = await town.until("they reach one another", () => a.reaches(b) && b.reaches(a));
    assert.ok(took < 5000, `${took} ms`);
    assert.equal(b.lease, lease);
    assert.deepEqual(b.status().warnings, []);
  }));

test("a host that gets another address is reached there, with the same lease", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const c = await joined(town.host("c"), a);
    const { lease } = b;
    b.readdress("192.168.1.77");
    const moved = () =>
      [a, c].every((host) => host.reaches(b) && host.peer(b)!.endpoint === "192.168.1.77:8473");
    await town.until("a and c follow", moved);
    assert.equal(b.lease, lease);
    for (const [from, to] of [[a, b], [b, c], [c, b]] as const) {
      from.say(to, `${from.name} to ${to.name}`);
      await town.run(5);
      assert.deepEqual(to.heard(), [`${from.name} to ${to.name}`]);
    }
  }));

test("a device that somebody deleted is made again, with its routes, and packets flow", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const routes = b.kernelRoutes();
    b.kernel.deleteInterface(b.kernel.interfaces().find(({ name }) => name === "ovl0")!.index);
    await town.until("the device is back", () => b.kernelRoutes().length === routes.length, 1000);
    assert.deepEqual(b.kernelRoutes().sort(), routes.sort());
    a.say(b, "once more");
    await town.run(5);
    assert.deepEqual(b.heard(), ["once more"]);
  }));

test("a run directory that somebody emptied is made again, with subnet.env", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const before = a.subnetEnv();
    a.remove("run");
    assert.equal(a.subnetEnv(), null);
    await town.until("subnet.env is back", () => a.subnetEnv() !== null, 2000);
    assert.equal(a.subnetEnv(), before);
  }));
