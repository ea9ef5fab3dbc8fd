/** The disk of a host with its daemon: slow, standing still, full, or with files that are older than they should be. */
import { test } from "node:test";
import assert from "node:assert/strict";
import type { Host } from "./host.ts";
import { foundedBy, inTown, joined, type Town } from "./town.ts";

const STALL_MS = 5000;

async function pair(town: Town): Promise<[Host, Host]> {
  const a = await foundedBy(town.host("a"));
  const b = await joined(town.host("b"), a);
  await town.run(3000);
  return [a, b];
}

test("a disk that stands still for 5 s: packets flow, the host is alive to all, and status says what waits", async () => {
  await inTown(async (town) => {
    const [a, b] = await pair(town);
    b.disk.stalledUntil = town.clock.now() + STALL_MS;
    b.rotate();
    let told = false;
    for (let ms = 0; ms < STALL_MS - 200; ms += 100) {
      await town.run(100);
      assert.ok(a.reaches(b), `at ${ms} ms`);
      assert.ok(a.say(b, `${ms}`) && b.say(a, `${ms}`));
      told ||= b.status().warnings.some((line) => /does not finish a write/.test(line));
      assert.equal(
        a.status().node.secret?.generation ?? 0,
        0,
        "nobody hears of a secret that is not on b's disk",
      );
    }
    await town.run(200);
    assert.ok(b.heard().length > 40 && a.heard().length > 40);
    assert.ok(told);
    await town.until("the secret is rotated", () => a.status().node.secret?.generation === 1);
  });
});

test("a full disk: a member keeps its lease over kill -9 and comes back, and a new one waits, says why, and has it then", async () => {
  await inTown(async (town) => {
    const [a, b] = await pair(town);
    const lease = b.lease;
    b.disk.full = true;
    b.kill();
    await town.run(10_000);
    await b.up();
    await town.until("b is back on a full disk", () => b.lease === lease && a.reaches(b) && b.reaches(a));
    const c = town.host("c");
    c.disk.full = true;
    await c.join(a.token());
    await town.run(8000);
    assert.equal(c.lease, null);
    assert.ok(!a.leases().some(({ name }) => name === "c"), "nobody has heard of a claim");
    assert.ok(
      c.status().warnings.some((line) => /Cannot write ".*": ENOSPC/.test(line)),
      `${c.status().warnings}`,
    );
    c.disk.full = false;
    await town.until("c has room", () => c.lease !== null && a.reaches(c), 20_000);
  });
});

test("a mesh whose power went out comes back with its leases from what the disks have, in any order, without peers given", async () => {
  await inTown(async (town) => {
    const [a, b] = await pair(town);
    const c = await joined(town.host("c"), a);
    await town.until("all reach all", () => [a, b, c].every((one) => one.reachesAll([a, b, c])));
    await town.run(5000);
    const leases = [a, b, c].map(({ lease }) => lease);
    for (const host of [a, b, c]) host.kill();
    await town.run(60_000);
    for (const host of [c, a, b]) {
      await host.up();
      await town.run(3000);
    }
    await town.until("all reach all again", () => [a, b, c].every((one) => one.reachesAll([a, b, c])));
    assert.deepEqual([a, b, c].map(({ lease }) => lease), leases);
  });
});

test("a mesh at rest writes nothing, and a daemon that ends has written what it had to say", async () => {
  await inTown(async (town) => {
    const [a, b] = await pair(town);
    await town.run(10_000);
    const before = [a.disk.writes.length, b.disk.writes.length];
    await town.run(60_000);
    assert.deepEqual([a.disk.writes.length, b.disk.writes.length], before);
    b.disk.latencyMs = 300;
    await b.signal("SIGTERM");
    assert.equal(b.disk.writes.at(-1), "overwrite state");
  });
});
