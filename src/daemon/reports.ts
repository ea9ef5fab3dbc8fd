/**
 * What the API tells: the control plane's view, the chosen paths, the counters and the host's routes, in the
 * shapes of api/schema.ts. Nothing is decided here.
 */
import type {
  LeaseEntry,
  PathAttempt,
  PathKind,
  PathSecurity,
  PeerStatus,
  Resolved,
  RouteEntry,
  Status,
  Why,
} from "../api/schema.ts";
import type { Path, Wanted } from "../control/reconcile.ts";
import type { NodeView, PeerView } from "../control/view.ts";
import type { Counters } from "../dataplane/counters.ts";
import { isOwned } from "../host/owned.ts";
import type { Link, Route } from "../ports.ts";
import { contains, parseAddress, parsePrefix } from "../wire/address.ts";
import { RUNTIME, VERSION } from "./version.ts";

/** Everything a report is made from, taken at one moment. */
export interface Snapshot {
  readonly view: NodeView;
  readonly wanted: Wanted;
  readonly counters: Counters;
  readonly slotOf: (key: string) => number | null;
  readonly device: string;
  readonly mtu: number;
  readonly underlay: readonly string[];
  readonly now: number;
  readonly startedAt: number;
  readonly pid: number;
  readonly networkName: string;
  /** What cannot be done on the host at the moment, sentences. */
  readonly troubles: readonly string[];
}

const NO_PATH: Path = { path: "none", why: "not decided yet", mtu: 0 };

function pathTo(snapshot: Snapshot, key: string): Path {
  return snapshot.wanted.paths.get(key) ?? NO_PATH;
}

function securityOf(path: PathKind): PathSecurity {
  return path === "direct-route" || path === "kernel-vxlan" ? "clear" : "plain";
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
      subnet: own.subnet,
      subnet6: null,
      address: own.address,
      device: snapshot.device,
      mtu: wanted.own === null ? 0 : snapshot.mtu,
      backend: own.mesh?.backend ?? "",
      security: "plain",
      cipher: "none",
      underlay: snapshot.underlay,
      leaseState: own.leaseState,
      uptimeSeconds: seconds(snapshot, snapshot.startedAt) ?? 0,
      waitingFor: own.waitingFor.map((waiting) => ({
        endpoint: waiting.peer,
        sinceSeconds: Math.round((now - waiting.since) / 1000),
        hint: waiting.message,
      })),
    },
    network: {
      id: own.networkId,
      name: snapshot.networkName,
      cidr: own.mesh?.network ?? null,
      subnetLen: own.mesh?.subnetLen ?? null,
    },
    peers: peersReport(snapshot),
    drops: { ...snapshot.counters.drops(), "control-rejected": own.rejected },
    warnings: [...own.warnings, ...snapshot.troubles],
  };
}

/** Nodes of the mesh, then static peers. */
export function peersReport(snapshot: Snapshot): PeerStatus[] {
  const nodes = snapshot.view.peers.map((peer) => nodeStatus(snapshot, peer));
  const statics = snapshot.view.leases.filter((lease) => lease.nodeId === null && lease.state === "static");
  return [...nodes, ...statics.map((lease) => staticStatus(snapshot, lease.subnet, lease.endpoint))];
}

function nodeStatus(snapshot: Snapshot, peer: PeerView): PeerStatus {
  const path = pathTo(snapshot, peer.id);
  return {
    id: peer.id,
    name: peer.name,
    subnet: peer.subnet,
    endpoint: peer.endpoint,
    state: peer.state,
    path: path.path,
    security: securityOf(path.path),
    why: path.why,
    rttMs: peer.rttMs === null ? null : Math.round(peer.rttMs * 1000) / 1000,
    mtu: path.mtu,
    ...traffic(snapshot, peer.id),
    lastHandshakeSeconds: seconds(snapshot, peer.lastHelloAt),
  };
}

function staticStatus(snapshot: Snapshot, subnet: string, endpoint: string | null): PeerStatus {
  const key = `static:${subnet}`;
  const path = pathTo(snapshot, key);
  return {
    id: key,
    name: key,
    subnet,
    endpoint,
    // Nothing tells us whether it lives; the routes to it stay.
    state: "alive",
    path: path.path,
    security: "clear",
    why: path.why,
    rttMs: null,
    mtu: path.mtu,
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

export function leasesReport(snapshot: Snapshot): LeaseEntry[] {
  return snapshot.view.leases.map((lease) => ({ ...lease, nodeId: lease.nodeId ?? "" }));
}

/** The kernel's routes that are ours, then the data plane's. */
export function routesReport(
  snapshot: Snapshot,
  routes: readonly Route[],
  links: readonly Link[],
): RouteEntry[] {
  const names = new Map(snapshot.view.peers.map((peer) => [peer.id, peer.name]));
  const holder = new Map(snapshot.view.leases.map((lease) => [lease.subnet, lease]));
  const network = snapshot.view.own.mesh?.network ?? null;
  const host = routes.filter((route) => network !== null && isOwned(route, network)).map((
    route,
  ): RouteEntry => ({
    destination: route.destination,
    where: "host",
    type: route.type,
    device: links.find((link) => link.index === route.link)?.name ?? null,
    gateway: route.gateway,
    metric: route.metric,
    node: route.gateway === null ? null : holder.get(route.destination)?.name ?? null,
    path: route.gateway === null ? null : "direct-route",
  }));
  const tunnels = snapshot.wanted.routes.map((route): RouteEntry => ({
    destination: route.prefix,
    where: "tunnel",
    type: "unicast",
    device: snapshot.device,
    gateway: null,
    metric: null,
    node: names.get(route.peerKey) ?? route.peerKey,
    path: pathTo(snapshot, route.peerKey).path,
  }));
  return [...host, ...tunnels];
}

/** Finds a node by its name, a prefix of its id, or an address of its lease. Throws a sentence when it cannot. */
export function resolveReport(snapshot: Snapshot, text: string): Resolved {
  const { own, leases } = snapshot.view;
  const address = parseAddress(text);
  const candidates = notDead(leases.filter((lease) => {
    if (address !== null) {
      const prefix = parsePrefix(lease.subnet);
      return prefix !== null && contains(prefix, address);
    }
    return isCalled(lease.name, lease.nodeId ?? "", text);
  }));
  if (candidates.length === 0) throw new Error(unknownNode(snapshot, text, address !== null));
  if (candidates.length > 1) {
    const ids = candidates.map((lease) => `${lease.name} (${(lease.nodeId ?? lease.subnet).slice(0, 8)})`)
      .join(", ");
    throw new Error(`"${text}" is more than one node: ${ids}; give the id instead`);
  }
  const lease = candidates[0]!;
  const key = lease.nodeId ?? `static:${lease.subnet}`;
  const self = lease.nodeId === own.id;
  return {
    id: key,
    name: lease.name,
    subnet: lease.subnet,
    address: address !== null ? text : addressOf(lease.subnet),
    endpoint: self ? null : snapshot.view.peers.find((peer) => peer.id === key)?.endpoint ?? lease.endpoint,
    path: self ? "none" : pathTo(snapshot, key).path,
    self,
  };
}

/** By its name, or by a beginning of its id that is long enough to mean it. */
function isCalled(name: string, id: string, text: string): boolean {
  return name === text || (text.length >= 4 && id.startsWith(text.toLowerCase()));
}

/** A host that lost its state comes back as a new node: its living self is meant, where there is one. */
function notDead<T extends { readonly state: string }>(found: readonly T[]): readonly T[] {
  const rest = found.filter(({ state }) => state !== "dead");
  return rest.length > 0 ? rest : found;
}

/** The address of the device that holds a lease: its first. */
function addressOf(subnet: string): string {
  return subnet.slice(0, subnet.indexOf("/"));
}

function unknownNode(snapshot: Snapshot, text: string, isAddress: boolean): string {
  if (isAddress) return `No lease holds ${text}; ovltun leases shows who holds what`;
  const leaseless = snapshot.view.peers.find((peer) => isCalled(peer.name, peer.id, text));
  if (leaseless !== undefined) return `${leaseless.name} holds no lease yet`;
  const names = [snapshot.view.own.name, ...snapshot.view.peers.map((peer) => peer.name)].join(", ");
  return `No node is called "${text}"; known: ${names}`;
}

/** The paths to a node, best first, with what keeps each from being used. */
export function whyReport(snapshot: Snapshot, text: string): Why {
  const called = notDead(snapshot.view.peers.filter(({ name, id }) => isCalled(name, id, text)));
  const peer = called[0];
  if (peer === undefined || called.length > 1) {
    const found = resolveReport(snapshot, text);
    const holder = snapshot.view.peers.find((candidate) => candidate.id === found.id);
    return holder !== undefined ? whyPeer(snapshot, holder) : whyOther(snapshot, found);
  }
  return whyPeer(snapshot, peer);
}

function whyOther(snapshot: Snapshot, found: Resolved): Why {
  const path = pathTo(snapshot, found.id);
  return {
    node: found.name,
    id: found.id,
    subnet: found.subnet,
    state: found.self ? "self" : "alive",
    path: found.path,
    summary: found.self ? `${found.name} is this node` : `${found.name}: ${path.why}`,
    attempts: [],
  };
}

function whyPeer(snapshot: Snapshot, peer: PeerView): Why {
  const path = pathTo(snapshot, peer.id);
  const tunnel = peer.tried.map((tried): PathAttempt => ({
    path: "tunnel",
    ok: tried.endpoint === peer.endpoint && peer.state !== "dead",
    result: `${tried.endpoint}: ${tried.outcome}`,
    fix: tried.endpoint === peer.endpoint ? null : firewallHint(tried.endpoint, tried.outcome, peer.name),
  }));
  const direct: PathAttempt = {
    path: "direct-route",
    ok: path.path === "direct-route",
    result: path.why,
    fix: null,
  };
  return {
    node: peer.name,
    id: peer.id,
    subnet: peer.subnet,
    state: peer.state,
    path: path.path,
    summary: summary(peer, path),
    attempts: [direct, ...tunnel],
  };
}

function summary(peer: PeerView, path: Path): string {
  if (path.path !== "none") return `${peer.name}: by ${path.path}${via(peer)}; ${path.why}`;
  const where = peer.endpoints.length === 0
    ? "it advertises no endpoint"
    : `it advertises ${peer.endpoints.join(", ")}`;
  return `${peer.name}: no path; ${path.why}; ${where}`;
}

function via(peer: PeerView): string {
  return peer.endpoint === null ? "" : ` to ${peer.endpoint}`;
}

function firewallHint(endpoint: string, outcome: string, name: string): string | null {
  if (outcome !== "no answer") return null;
  const port = endpoint.slice(endpoint.lastIndexOf(":") + 1);
  return `open ${port}/udp on ${name}, or start it with --peers <us>`;
}
