import { test } from "node:test";
import assert from "node:assert/strict";
import { Demand, DEMAND_MS, KEPT_MS } from "../../../src/control/links/demand.ts";
import { toHex } from "../../../src/wire/bytes.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";

const random = new SeededRandom(1);
const ids = Array.from({ length: 40 }, () => toHex(random.bytes(32)));
const OWN = toHex(random.bytes(32));

/** A mesh that is large already, and a member that is no neighbour of ours. */
function large() {
  const demand = new Demand(OWN, { fullMesh: 8, degree: 4 });
  demand.neighbours.count(41, 41);
  const stranger = ids.find((id) => !demand.neighbours.has(id))!;
  return { demand, stranger };
}

test("In a small mesh, and where packets have nowhere to wait, all are wanted", () => {
  const { demand, stranger } = large();
  assert.equal(demand.wants(stranger), false);
  demand.everybody = true;
  assert.ok(demand.full && demand.wants(stranger) && demand.watches(ids[0]!, ids[1]!));
  assert.ok(new Demand(OWN).wants(stranger));
});

test("A peer is in demand until three minutes after the last packet", () => {
  const { demand, stranger } = large();
  demand.used(stranger, 0);
  assert.equal(
    demand.wants(stranger),
    false,
    "packets that nobody waited for come over a link of the other side",
  );
  demand.ask(stranger, 0);
  assert.ok(demand.needs(stranger));
  assert.equal(demand.askedSince(stranger), 0);
  demand.used(stranger, 100_000);
  assert.deepEqual(demand.ended(DEMAND_MS), []);
  assert.deepEqual(demand.ended(100_000 + DEMAND_MS), [stranger]);
  assert.equal(demand.wants(stranger), false);
});

test("A link that the other side needs is wanted and not needed: neither keeps it for the other's sake for ever", () => {
  const { demand, stranger } = large();
  demand.keep(stranger, 0);
  assert.deepEqual([demand.wants(stranger), demand.needs(stranger)], [true, false]);
  assert.deepEqual(demand.ended(KEPT_MS - 1), []);
  assert.deepEqual(demand.ended(KEPT_MS), [stranger]);
  demand.keep(stranger, 0);
  demand.release(stranger);
  assert.equal(demand.wants(stranger), false);
});

test("What is told and stays unanswered is told twice, and then given up", () => {
  const { demand, stranger } = large();
  assert.deepEqual([demand.offer(stranger), demand.offer(stranger), demand.offer(stranger)], [
    true,
    true,
    false,
  ]);
  assert.equal(demand.takeOffer(stranger), true);
  assert.equal(demand.takeOffer(stranger), false);
  assert.equal(demand.offer(stranger), true);
});
