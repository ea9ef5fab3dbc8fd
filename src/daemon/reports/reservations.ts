/**
 * What `ovltun reserve` and `unreserve` are asked, against what is known: which subnet, for which node, and whether that can be.
 * Every refusal is a sentence that says who is in the way and what to do.
 */
import type { Reserved, Unreserved } from "../../api/outcomes.ts";
import { countableIn, wishProblem } from "../../control/lease/allocation.ts";
import { type LeasableRange, type MeshConfig, rangesOf } from "../../control/mesh/mesh_config.ts";
import type { ReservationView } from "../../control/paths/view.ts";
import { subnetsOf } from "../../control/records/record.ts";
import { isIpv4 } from "../../wire/address.ts";
import {
  networkOf,
  overlaps,
  parseInterface,
  parsePrefix,
  type Prefix,
  samePrefix,
} from "../../wire/prefix.ts";
import { nodeMeant } from "./node_reports.ts";
import type { Snapshot } from "./reports.ts";

/** Reservations that stand in one mesh; control/forget/directives.ts has room for as many that were lifted. */
const MAX_RESERVATIONS = 4096;

/** What to reserve for whom. Throws a sentence when that cannot be. */
export function reserveReport(
  snapshot: Snapshot,
  subnetText: string,
  nodeText: string,
  now: boolean,
): Reserved {
  const mesh = meshOf(snapshot);
  const subnet = subnetOf(mesh, subnetText);
  const problem = leaseProblem(mesh, subnet);
  if (problem !== null) throw new Error(`${subnet} cannot be reserved: ${problem}`);
  const { id, name, state, ...lease } = nodeMeant(snapshot, nodeText);
  const holds = lease.subnet === null ? [] : subnetsOf({ ...lease, subnet: lease.subnet });
  mustBeFree(snapshot, subnet, id);
  const others = (snapshot.view.reservations ?? []).filter((one) => !samePrefix(one.subnet, subnet));
  const twice = others.find((one) => one.nodeId === id && sameFamily(one.subnet, subnet));
  if (twice !== undefined) {
    throw new Error(
      `${twice.subnet} is reserved for ${name} already, and a node leases one subnet: ovltun unreserve ${twice.subnet} first`,
    );
  }
  if (others.length >= MAX_RESERVATIONS) {
    throw new Error(
      `This mesh has ${others.length} reservations, and no more are kept: lift one (ovltun unreserve)`,
    );
  }
  const taken = holds.some((one) => samePrefix(one, subnet));
  return { subnet: subnet.text, id, name, state, holds: holds.map(String), taken, moves: now };
}

/** Which reservation to lift. Throws a sentence when there is none. */
export function unreserveReport(snapshot: Snapshot, subnetText: string): Unreserved {
  const subnet = subnetOf(meshOf(snapshot), subnetText);
  const one = reservationOf(snapshot, subnet);
  if (one === undefined) throw new Error(`${subnet} is not reserved (see: ovltun leases)`);
  return { subnet: subnet.text, id: one.nodeId, name: one.name, taken: one.state === "taken" };
}

function meshOf({ view: { own } }: Snapshot): MeshConfig {
  if (own.mesh === null || own.leaseState === "joining") {
    throw new Error("This node has not joined a mesh yet (see: ovltun status)");
  }
  return own.mesh;
}

function subnetOf(mesh: MeshConfig, text: string): Prefix {
  const subnet = parsePrefix(text);
  if (subnet !== null) return subnet;
  const loose = parseInterface(text);
  if (loose !== null) throw new Error(`${text} has host bits set (did you mean ${networkOf(loose)}?)`);
  const example = `${mesh.subnetMin}/${mesh.subnetLen}`;
  throw new Error(`${JSON.stringify(text)} is not a subnet such as ${example}`);
}

/** Why no lease of this mesh is that subnet. */
function leaseProblem(mesh: MeshConfig, subnet: Prefix): string | null {
  if (countableIn(mesh).leases(subnet)) return null;
  const range = rangesOf(mesh).find(({ network }) => sameFamily(network, subnet));
  if (range === undefined) return `this mesh has no ${isIpv4(subnet.address) ? "IPv4" : "IPv6"}`;
  if (samePrefix(range.network, subnet)) return `it is the whole network; ${lengthWords(range)}`;
  return wishProblem(range, subnet) ?? lengthWords(range);
}

function lengthWords({ subnetLen }: LeasableRange): string {
  return `leases in this mesh are /${subnetLen}`;
}

function sameFamily(a: Prefix, b: Prefix): boolean {
  return isIpv4(a.address) === isIpv4(b.address);
}

/** Throws a sentence when somebody other than this node has the subnet or may have it. */
function mustBeFree(snapshot: Snapshot, subnet: Prefix, id: string): void {
  const reserved = reservationOf(snapshot, subnet);
  if (reserved !== undefined && reserved.nodeId !== id) {
    throw new Error(`${subnet} is reserved for ${reserved.name}: ovltun unreserve ${subnet} first`);
  }
  for (const lease of snapshot.view.leases) {
    const hit = subnetsOf(lease).some((one) => overlaps(one, subnet));
    if (!hit || lease.nodeId === id || lease.state === "conflict") continue;
    const { name } = lease;
    if (lease.nodeId === null) throw new Error(`${subnet} cannot be reserved: it is that of a ${name}`);
    const remedy = lease.nodeId === snapshot.view.own.id
      ? "this node would lose it: reserve another subnet"
      : lease.state === "dead"
      ? `if that host is gone, free it with ovltun forget ${name}; else reserve another subnet`
      : `it would lose it: reserve another subnet, or have ${name} change first (reserve another one for it, with --now)`;
    throw new Error(`${subnet} is leased by ${name}: ${remedy}`);
  }
}

function reservationOf(
  { view: { reservations = [] } }: Snapshot,
  subnet: Prefix,
): ReservationView | undefined {
  return reservations.find((one) => samePrefix(one.subnet, subnet));
}
