import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerStatus, Status } from "../../src/api/schema.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { disagreements, inTurn, isWhole } from "../../src/lab/formation.ts";

/** What a host says of itself and of others, reduced to names, ids and leases. */
function says(
  name: string,
  subnet: string,
  peers: readonly (readonly [string, string | null])[],
  subnet6: string | null = null,
): Status {
  return {
    node: { id: `id of ${name}`, name, subnet, subnet6 },
    peers: peers.map(([name, subnet]) => ({ id: `id of ${name}`, name, subnet, subnet6 }) as PeerStatus),
  } as unknown as Status;
}

test("disagreements() is empty when every host reports the others as they report themselves", () => {
  const statuses = [
    says("alpha", "10.42.1.0/24", [["beta", "10.42.2.0/24"]]),
    says("beta", "10.42.2.0/24", [["alpha", "10.42.1.0/24"]]),
  ];
  assert.deepEqual(disagreements(statuses), []);
});

test("disagreements() tells of another lease, of a host that is unknown, and of one too many", () => {
  const statuses = [
    says("alpha", "10.42.1.0/24", [["beta", "10.42.3.0/24"], ["gamma", null]]),
    says("beta", "10.42.2.0/24", []),
  ];
  assert.deepEqual(disagreements(statuses), [
    "alpha has 10.42.3.0/24 for beta, which itself has 10.42.2.0/24",
    "alpha has no lease for gamma, which is none of the hosts",
    "beta does not know alpha",
  ]);
});

test("disagreements() compares the leases of both families", () => {
  const statuses = [
    says("alpha", "10.42.1.0/24", [["beta", "10.42.2.0/24"]], "fd42::/64"),
    says("beta", "10.42.2.0/24", [["alpha", "10.42.1.0/24"]], "fd42::/64"),
  ];
  assert.deepEqual(disagreements(statuses), []);
  const other = says("beta", "10.42.2.0/24", [["alpha", "10.42.1.0/24"]]);
  assert.deepEqual(disagreements([statuses[0]!, other]), [
    "alpha has 10.42.2.0/24 and fd42::/64 for beta, which itself has 10.42.2.0/24",
    "beta has 10.42.1.0/24 for alpha, which itself has 10.42.1.0/24 and fd42::/64",
  ]);
});

test("isWhole() asks for a path of each family: that of IPv6 stands in its reason", () => {
  const peer = (path: string, why: string) => ({ state: "alive", path, why });
  const status = (...peers: object[]) => ({ node: { leaseState: "confirmed" }, peers }) as unknown as Status;
  const direct = "same link as 10.99.0.2";
  assert.equal(isWhole(status(peer("direct-route", direct)), 1), true);
  assert.equal(isWhole(status(peer("direct-route", `${direct}; IPv6 takes the tunnel: no answer`)), 1), true);
  assert.equal(isWhole(status(peer("direct-route", `${direct}; IPv6 has no path: no answer`)), 1), false);
  assert.equal(isWhole(status(peer("none", "no answer")), 1), false);
});

test("inTurn() runs all jobs in their order, and never more than that many at once", async () => {
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  await inTurn(
    Array.from({ length: 20 }, (_, i) => async () => {
      begun.push(i);
      most = Math.max(most, ++running);
      await sleep(i % 3);
      running--;
    }),
    4,
  );
  assert.deepEqual(begun, Array.from({ length: 20 }, (_, i) => i));
  assert.equal(most, 4);
});

test("inTurn() throws what a job throws", async () => {
  const jobs = [() => Promise.resolve(), () => Promise.reject(new Error("no"))];
  await assert.rejects(inTurn(jobs, 3), /no/);
});
