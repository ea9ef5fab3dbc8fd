/** Who is in a sealed mesh, and who no longer: the secret rotates, a node is revoked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { foundedBy, inTown, joined } from "./town.ts";

/** Once everybody has it. */
const ROTATED = { generation: 1, underWay: false, olderAccepted: 0, without: [], away: [] };

test("the secret is rotated while packets flow: tokens from before let nobody in, new ones do", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const old = a.token();
    a.rotate();
    assert.deepEqual(a.status().node.secret, {
      ...ROTATED,
      underWay: true,
      olderAccepted: 1,
      without: ["b"],
    });
    for (let n = 0; n < 30; n++) {
      b.say(a, `${n}`);
      await town.run(100);
    }
    assert.equal(a.heard().length, 30);
    await town.until(
      "the old one is dropped",
      () => [a, b].every((host) => host.status().node.secret!.olderAccepted === 0),
      60_000,
    );
    for (const host of [a, b]) assert.deepEqual(host.status().node.secret, ROTATED);
    const c = town.host("c");
    await c.join(old);
    await town.run(5000);
    assert.equal(c.lease, null);
    assert.match(c.status().node.waitingFor[0]!.message!, /secret/);
    await joined(town.host("d"), b);
    assert.ok(a.reaches(b) && b.reaches(a));
  }));

test("a revoked node ends with exit code 2, its lease is free, and it does not come back", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const c = await joined(town.host("c"), b);
    const { lease } = c;
    a.forget("c", { revoke: true });
    await town.until("c ends", () => c.end !== null);
    assert.deepEqual(c.end, { code: 2 });
    assert.deepEqual(c.ownRoutes(), []);
    await town.until("b has heard", () => b.leases().every(({ subnet }) => subnet !== lease));
    assert.deepEqual(a.status().forgotten!.map(({ name, revoked }) => [name, revoked]), [["c", true]]);
    await c.up().catch(() => {});
    await town.run(5000);
    assert.equal(a.reaches(c) || b.reaches(c), false);
  }));
