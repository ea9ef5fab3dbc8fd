import assert from "node:assert/strict";
import { test } from "node:test";
import { foundMesh } from "../../../src/control/mesh/mesh.ts";
import type { ReservationView } from "../../../src/control/paths/view.ts";
import type { Snapshot } from "../../../src/daemon/reports/reports.ts";
import { reserveReport, unreserveReport } from "../../../src/daemon/reports/reservations.ts";
import { prefix } from "../../../src/wire/prefix.ts";
import { settingsFor } from "../../made/settings.ts";

const OWN = "a".repeat(64);

function snapshotWith(count: number): Snapshot {
  const mesh = foundMesh(settingsFor("alpha", { network: prefix("10.0.0.0/8") }));
  const reservations = Array.from({ length: count }, (_, n): ReservationView => ({
    subnet: prefix(`10.${1 + (n >> 8)}.${n & 255}.0/24`),
    nodeId: `${n}`.padStart(64, "0"),
    name: `node ${n}`,
    by: "alpha",
    moves: false,
    state: "free",
  }));
  const own = { id: OWN, name: "alpha", leaseState: "confirmed", subnet: null, mesh };
  return { view: { own, peers: [], leases: [], reservations } } as unknown as Snapshot;
}

test("a mesh has 4,096 reservations at most, and what is reserved already does not count twice", () => {
  const subnet = "10.200.0.0/24";
  assert.equal(reserveReport(snapshotWith(4095), subnet, "alpha", false).subnet, subnet);
  assert.throws(
    () => reserveReport(snapshotWith(4096), subnet, "alpha", false),
    /4096 reservations.*unreserve/,
  );
  assert.equal(unreserveReport(snapshotWith(4096), "10.16.255.0/24").name, "node 4095");
});
