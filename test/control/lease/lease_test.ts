import { test } from "node:test";
import assert from "node:assert/strict";
import type { MeshConfig } from "../../../src/control/mesh/mesh_config.ts";
import { Lease, type LeaseWorld, probationMs } from "../../../src/control/lease/lease.ts";
import { foundMesh } from "../../../src/control/mesh/mesh.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { settingsFor } from "../../made/settings.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const MESH = foundMesh(settingsFor("x", { network: prefix("10.42.0.0/22") })) as MeshConfig;

function world(change: Partial<LeaseWorld> = {}): LeaseWorld {
  return {
    mesh: MESH,
    taken: () => [],
    lostTo: null,
    told: true,
    alive: [],
    aliveCount: change.alive?.length ?? 0,
    greatestStamp: 4,
    incarnation: 1,
    wish: null,
    ...change,
  };
}

const kinds = (steps: readonly { readonly kind: string }[]) => steps.map((s) => s.kind);

test("probationMs() is 0.3 s for each doubling of the mesh", () => {
  assert.deepEqual([1, 2, 3, 4, 7, 8, 50].map(probationMs), [300, 600, 600, 900, 900, 1200, 1800]);
});

test("Nothing is claimed while joining", () => {
  const lease = new Lease(new SeededRandom(1));
  assert.deepEqual(lease.step(world({ mesh: null }), 0), []);
  assert.equal(lease.state, "joining");
});

test("A claim gets the next Lamport stamp, and is confirmed when every member alive acknowledged it", () => {
  const lease = new Lease(new SeededRandom(1));
  const alive = ["a", "b"];
  assert.deepEqual(kinds(lease.step(world({ alive }), 0)), ["claim"]);
  assert.equal(lease.claim!.stamp, 5);
  lease.onAck("a");
  assert.deepEqual(lease.step(world({ alive }), 10), []);
  assert.equal(lease.state, "probation");
  lease.onAck("b");
  assert.deepEqual(kinds(lease.step(world({ alive }), 20)), ["note", "changed"]);
  assert.equal(lease.state, "confirmed");
});

test("A claim is confirmed without the last acknowledgements when its time is up, not before", () => {
  const lease = new Lease(new SeededRandom(1));
  lease.step(world({ alive: ["a", "b"] }), 0);
  lease.onAck("b");
  lease.step(world({ alive: ["a", "b"] }), 599);
  assert.equal(lease.state, "probation");
  lease.step(world({ alive: ["a", "b"] }), 600);
  assert.equal(lease.state, "confirmed");
});

test("No time confirms a claim that no living member has acknowledged, or that one cannot know", () => {
  const lease = new Lease(new SeededRandom(1));
  const alive = ["a", "b"];
  lease.step(world({ alive }), 0);
  lease.step(world({ alive }), 60_000);
  assert.equal(lease.state, "probation", "nobody is known to know it");
  lease.onAck("a");
  lease.onRefused("b");
  lease.step(world({ alive }), 60_100);
  assert.equal(lease.state, "probation", "b has no place for it");
  lease.onRefused("a");
  lease.step(world({ alive: ["a"] }), 60_200);
  assert.equal(lease.state, "confirmed", "a has it, and b is dead");
  const alone = new Lease(new SeededRandom(1));
  alone.step(world({ alive }), 0);
  alone.step(world({ alive }), 5000);
  assert.equal(alone.state, "probation");
  alone.step(world(), 5100);
  assert.equal(alone.state, "confirmed", "there is no other node any more");
});

test("A claim that was on probation when it was stored waits again, and until others can know it", () => {
  const lease = new Lease(new SeededRandom(1));
  lease.restore({ subnet: prefix("10.42.1.0/24"), stamp: 1, incarnation: 1 }, 1000);
  assert.equal(lease.state, "probation");
  lease.step(world({ told: false }), 60_000);
  assert.equal(lease.state, "probation");
  lease.step(world(), 60_000);
  assert.equal(lease.state, "confirmed");
  const used = new Lease(new SeededRandom(1));
  used.restore({ subnet: prefix("10.42.1.0/24"), stamp: 1, incarnation: 1 });
  assert.equal(used.state, "confirmed");
});

test("The loser of a conflict tells, withdraws and claims another subnet; the change names the old one", () => {
  const lease = new Lease(new SeededRandom(1));
  lease.restore({ subnet: prefix("10.42.1.0/24"), stamp: 1, incarnation: 1 });
  const lost = world({
    alive: ["a"],
    lostTo: { name: "beta", subnet: prefix("10.42.1.0/24") },
    taken: () => [prefix("10.42.1.0/24")],
  });
  const steps = lease.step(lost, 0);
  assert.deepEqual(kinds(steps), ["note", "claim", "changed", "claim"]);
  assert.equal(lease.state, "yielding");
  assert.notEqual(lease.claim!.subnet.text, "10.42.1.0/24");
  lease.onAck("a");
  const changed = lease.step(world({ alive: ["a"] }), 10).find((s) => s.kind === "changed");
  assert.ok(
    changed?.kind === "changed" && changed.from?.text === "10.42.1.0/24" &&
      changed.to === lease.claim!.subnet,
  );
});

test("A lease that is claimed anew says after what: a conflict, a forget, or what the mesh knew", () => {
  const why = (lose: (lease: Lease) => unknown) => {
    const lease = new Lease(new SeededRandom(1));
    lease.restore({ subnet: prefix("10.42.1.0/24"), stamp: 1, incarnation: 1 });
    lose(lease);
    const steps = [...lease.step(world(), 1000), ...lease.step(world(), 2000)];
    return steps.map((step) => step.kind === "changed" ? step.why : "").join("");
  };
  const conflict = world({ lostTo: { name: "beta", subnet: prefix("10.42.1.0/24") } });
  assert.match(
    why((lease) => lease.step(conflict, 0)),
    /^claimed again after a conflict; no other node to ask$/,
  );
  assert.match(
    why((lease) => lease.forgotten("alpha had the mesh forget this node (ovltun forget)")),
    /^claimed again because this node had been forgotten; no other node to ask$/,
  );
  assert.match(
    why((lease) => lease.adopt(null)),
    /^claimed again because the mesh knows the old lease as released/,
  );
});

test("When nothing is free the lease is exhausted, says so once, and tries again", () => {
  const lease = new Lease(new SeededRandom(1));
  const full = world({ taken: () => [prefix("10.42.0.0/16")] });
  assert.deepEqual(kinds(lease.step(full, 0)), ["note"]);
  assert.equal(lease.state, "exhausted");
  assert.deepEqual(lease.step(full, 6000), []);
  assert.deepEqual(kinds(lease.step(world(), 12_000)), ["claim"]);
  assert.equal(lease.state, "probation");
});

test("adopt() replaces what came from the disk, and never a claim made in this run", () => {
  const restored = new Lease(new SeededRandom(1));
  restored.restore({ subnet: prefix("10.42.1.0/24"), stamp: 1, incarnation: 1 });
  assert.deepEqual(kinds(restored.adopt({ subnet: prefix("10.42.2.0/24"), stamp: 3, incarnation: 1 })), [
    "changed",
  ]);
  assert.equal(restored.claim!.subnet.text, "10.42.2.0/24");
  assert.deepEqual(kinds(restored.adopt(null)), ["changed"]);
  assert.equal(restored.claim, null);
  const fresh = new Lease(new SeededRandom(1));
  fresh.step(world(), 0);
  assert.deepEqual(fresh.adopt({ subnet: prefix("10.42.2.0/24"), stamp: 3, incarnation: 1 }), []);
});

test("release() withdraws the claim and tells the change", () => {
  const lease = new Lease(new SeededRandom(1));
  lease.restore({ subnet: prefix("10.42.1.0/24"), stamp: 1, incarnation: 1 });
  const steps = lease.release();
  assert.deepEqual(kinds(steps), ["claim", "changed"]);
  assert.deepEqual(steps[1], {
    kind: "changed",
    from: prefix("10.42.1.0/24"),
    to: null,
    why: "released",
    asked: true,
  });
  assert.equal(lease.claim, null);
});
