/**
 * What the API tells: the control plane's view, the chosen paths, the counters and the host's routes, in the
 * shapes of api/schema.ts. Nothing is decided here. What is told of one node stands in node_reports.ts, of leases and routes
 * in subnet_reports.ts.
 */
import type { PeerStatus, Status } from "../../api/schema.ts";
import type { PathKind, PathSecurity } from "../../api/states.ts";
import type { Wanted } from "../../control/paths/paths.ts";
import type { Path } from "../../control/paths/path_choice.ts";
import { staticKey } from "../../control/paths/tunnels.ts";
import type { LeaseView, NodeView, OwnView, PeerView, WaitingFor } from "../../control/paths/view.ts";
import type { CounterReader } from "../../dataplane/tables/counters.ts";
import type { CipherSuite } from "../../ports/aead.ts";
import type { SocketRole } from "../../ports/devices.ts";
import type { InterfaceDrops } from "../../ports/host.ts";
import type { OffloadState } from "../planes/offloads.ts";
import { RUNTIME, VERSION } from "../../version.ts";
import { byFamily } from "../../control/mesh/mesh.ts";
import { type MeshConfig } from "../../control/mesh/mesh_config.ts";
import { formatAddress, isIpv4 } from "../../wire/address.ts";
import { deviceAddress, type Prefix } from "../../wire/prefix.ts";

/** What is told of the offloads. */
export type OffloadReport = Pick<OffloadState, "inUse" | "off" | "tests" | "counters">;

/** Everything a report is made from, taken at one moment. */
export interface Snapshot {
  readonly view: NodeView;
  readonly wanted: Wanted;
  readonly counters: CounterReader;
  readonly workers: number;
  readonly slotOf: (key: string) => number | null;
  readonly device: string;
  readonly mtu: number;
  readonly offloads: OffloadReport;
  readonly underlay: readonly string[];
  readonly now: number;
  readonly startedAt: number;
  readonly pid: number;
  readonly networkName: string;
  /** Sealed meshes: what this host can do, the fastest first; null: the mesh is plain. */
  readonly sealed: readonly { readonly suite: CipherSuite; readonly mbps: number }[] | null;
  /** Why this host seals without libcrypto; null: it has it, or the mesh is plain. */
  readonly withoutLibcrypto: string | null;
  /** What the kernel dropped of ours before any program saw it, by name; absent: not asked. */
  readonly kernelDrops?: Readonly<Record<string, number>>;
  /** What cannot be done on the host at the moment, sentences. */
  readonly troubles: readonly string[];
}

/**
 * Names of what the kernel dropped, append-only: by the device, on the way into the host and out of it, and for want of
 * room in the sockets, of each kind that is open.
 */
export function kernelDrops(
  device: InterfaceDrops,
  sockets: Partial<Record<SocketRole, number>>,
): Record<string, number> {
  const drops: Record<string, number> = { "device-rx-dropped": device.rx, "device-tx-dropped": device.tx };
  for (const [role, dropped] of Object.entries(sockets)) drops[`socket-overflow-${role}`] = dropped;
  return drops;
}

const NO_PATH: Path = { path: "none", why: "not decided yet", mtu: 0 };

/** The path to a peer as it was decided last. */
export function pathTo(snapshot: Snapshot, key: string): Path {
  return snapshot.wanted.paths.get(key) ?? NO_PATH;
}

function securityOf({ sealed }: Snapshot, path: PathKind, peer: PeerView): PathSecurity {
  if (path === "idle") return sealed === null ? "plain" : "sealed";
  if (path === "direct-route" || path === "kernel-vxlan") return "clear";
  return peer.session === null ? "plain" : "sealed";
}

/** The cipher of most sessions, or before any the fastest of this host. */
function cipherOf({ view, sealed }: Snapshot): string {
  if (sealed === null) return "none";
  const used = new Map<string, number>(); // BOUNDED: one per suite
  for (const { session } of view.peers) {
    if (session !== null) used.set(session.suite, (used.get(session.suite) ?? 0) + 1);
  }
  const most = [...used].sort(([, a], [, b]) => b - a)[0];
  return most?.[0] ?? sealed[0]?.suite ?? "none";
}

function seconds(snapshot: Snapshot, since: number | null): number | null {
  return since === null ? null : Math.max(0, Math.round((snapshot.now - since) / 100) / 10);
}

export function statusReport(snapshot: Snapshot): Status {
  const { view, wanted, now } = snapshot;
  const own = view.own;
  return {
    node: {
      id: own.id,
      name: own.name,
      version: VERSION,
      runtime: RUNTIME,
      pid: snapshot.pid,
      ...subnetTexts(own),
      ...addressTexts(own),
      device: snapshot.device,
      mtu: wanted.own === null ? 0 : snapshot.mtu,
      backend: own.mesh?.backend ?? "",
      security: snapshot.sealed === null ? "plain" : "sealed",
      cipher: cipherOf(snapshot),
      withoutLibcrypto: snapshot.withoutLibcrypto,
      underlay: snapshot.underlay,
      offloads: snapshot.offloads.inUse,
      offloadsOff: snapshot.offloads.off,
      selfTest: snapshot.offloads.tests,
      workers: snapshot.workers,
      ...(own.secret === undefined ? {} : { secret: own.secret }),
      leaseState: own.leaseState,
      uptimeSeconds: seconds(snapshot, snapshot.startedAt) ?? 0,
      waitingFor: own.waitingFor.map((waiting) => ({
        endpoint: waiting.peer,
        sinceSeconds: Math.round((now - waiting.since) / 1000),
        hint: hintOf(waiting),
        message: waiting.message,
      })),
    },
    network: {
      id: own.networkId,
      name: snapshot.networkName,
      ...rangeTexts(own.mesh),
    },
    peers: peersReport(snapshot),
    counters: { ...snapshot.counters.events(), ...snapshot.offloads.counters },
    drops: {
      ...snapshot.counters.drops(),
      "control-rejected": own.rejected,
      "control-too-long": own.unsent ?? 0,
      ...snapshot.kernelDrops,
    },
    warnings: [...new Set([...own.warnings, ...snapshot.troubles])],
    forgotten: view.forgotten ?? [],
    reservations: (view.reservations ?? []).map((one) => ({ ...one, subnet: one.subnet.text })),
  };
}

/** The subnets of a node by their family. */
export function subnetTexts(
  { subnet, second }: { readonly subnet: Prefix | null; readonly second?: Prefix },
): { readonly subnet: string | null; readonly subnet6: string | null } {
  const { four, six } = split([subnet, second]);
  return { subnet: four?.text ?? null, subnet6: six?.text ?? null };
}

/** The addresses of its device. */
export function addressTexts(
  own: Pick<OwnView, "subnet" | "second">,
): { readonly address: string | null; readonly address6: string | null } {
  const { four, six } = split([own.subnet, own.second]);
  const text = (subnet: Prefix | null) => subnet === null ? null : formatAddress(deviceAddress(subnet));
  return { address: text(four), address6: text(six) };
}

export function split(
  subnets: readonly (Prefix | null | undefined)[],
): Record<"four" | "six", Prefix | null> {
  const some = subnets.filter((one) => one != null);
  const isFour = ({ address }: Prefix) => isIpv4(address);
  return { four: some.find(isFour) ?? null, six: some.find((one) => !isFour(one)) ?? null };
}

function rangeTexts(
  mesh: MeshConfig | null,
): Pick<Status["network"], "cidr" | "subnetLen" | "cidr6" | "subnet6Len"> {
  const { four, six } = mesh === null ? { four: null, six: null } : byFamily(mesh);
  return {
    cidr: four?.network.text ?? null,
    subnetLen: four?.subnetLen ?? null,
    cidr6: six?.network.text ?? null,
    subnet6Len: six?.subnetLen ?? null,
  };
}

/** What to check while we wait: the control plane's short words, else its whole sentence. */
function hintOf(waiting: WaitingFor & { readonly hint?: string }): string {
  return waiting.hint ?? waiting.message;
}

/** Nodes of the mesh by name, then static peers by subnet. */
export function peersReport(snapshot: Snapshot): PeerStatus[] {
  const nodes = snapshot.view.peers.map((peer) => nodeStatus(snapshot, peer)).sort(byName);
  const statics = new Map(snapshot.view.leases.filter(isStatic).map((lease) => [lease.subnet.text, lease]));
  return [...nodes, ...[...statics.values()].map((lease) => staticStatus(snapshot, lease))];
}

function byName(a: PeerStatus, b: PeerStatus): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

export function isStatic(lease: LeaseView): boolean {
  return lease.nodeId === null && lease.state === "static";
}

/** The path to a static peer, which only nodes that name it have. It is not probed. */
export function staticPath(snapshot: Snapshot, lease: LeaseView): Path {
  const path = snapshot.wanted.paths.get(staticKey(lease));
  if (path !== undefined) return { ...path, why: `${path.why}; not probed` };
  const why = `a ${lease.name}, reachable only from there and not probed; add --static-peer here too`;
  return { path: "none", why, mtu: 0 };
}

/** Where a static peer is, as far as this node was told. */
export function staticEndpoint(snapshot: Snapshot, lease: LeaseView): string | null {
  return lease.endpoint ?? snapshot.wanted.tunnels.get(staticKey(lease))?.endpoint ?? null;
}

function nodeStatus(snapshot: Snapshot, peer: PeerView): PeerStatus {
  const path = pathTo(snapshot, peer.id);
  return {
    id: peer.id,
    name: peer.name,
    ...subnetTexts(peer),
    endpoint: peer.endpoint,
    state: peer.state,
    path: path.path,
    security: securityOf(snapshot, path.path, peer),
    why: path.why,
    healthy: isHealthy(peer, path),
    rttMs: peer.rttMs === null ? null : Math.round(peer.rttMs * 1000) / 1000,
    mtu: path.mtu,
    answered: seconds(snapshot, path.answeredAt ?? null),
    ...traffic(snapshot, peer.id),
    lastHandshakeSeconds: seconds(
      snapshot,
      snapshot.sealed === null ? peer.lastHelloAt : peer.session?.at ?? null,
    ),
  };
}

/** Nothing is wrong, and nothing better was asked for. */
function isHealthy({ state }: PeerView, { path, asAsked }: Path): boolean {
  return state === "alive" && (path === "direct-route" || (path !== "none" && asAsked === true));
}

function staticStatus(snapshot: Snapshot, lease: LeaseView): PeerStatus {
  const key = staticKey(lease);
  const path = staticPath(snapshot, lease);
  return {
    id: key,
    name: key,
    ...subnetTexts(lease),
    endpoint: staticEndpoint(snapshot, lease),
    // Nothing tells us whether it lives; the routes to it stay.
    state: "alive",
    path: path.path,
    security: "clear",
    why: path.why,
    healthy: path.path !== "none",
    rttMs: null,
    mtu: path.mtu,
    answered: seconds(snapshot, path.answeredAt ?? null),
    ...traffic(snapshot, key),
    lastHandshakeSeconds: null,
  };
}

function traffic(snapshot: Snapshot, key: string): { txBytes: number; rxBytes: number } {
  const slot = snapshot.slotOf(key);
  if (slot === null) return { txBytes: 0, rxBytes: 0 };
  const { txBytes, rxBytes } = snapshot.counters.peer(slot);
  return { txBytes, rxBytes };
}
