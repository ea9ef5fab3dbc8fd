import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerStatus, Status } from "../../src/api/schema.ts";
import { disagreements } from "../../src/lab/formation.ts";

/** What a host says of itself and of others, reduced to names, ids and leases. */
function says(name: string, subnet: string, peers: readonly (readonly [string, string | null])[]): Status {
  return {
    node: { id: `id of ${name}`, name, subnet },
    peers: peers.map(([name, subnet]) => ({ id: `id of ${name}`, name, subnet }) as PeerStatus),
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
