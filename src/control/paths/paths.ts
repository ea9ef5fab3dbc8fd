/**
 * From what is known to what is wanted: which tunnels the data plane should have, which prefixes lead into them,
 * which routes the host should carry instead, and for each peer why it is so. Pure; the daemon compares the
 * result with what is and applies the difference. A suspect keeps its path; a dead peer loses it, so that
 * senders hear "unreachable" at once instead of waiting in vain.
 */

import type { DirectRoute } from "../../ports/host.ts";
import type { Tunnel } from "../../ports/planes.ts";
import { type Choice, choose, type Path, waysTo } from "./path_choice.ts";
import { type MeshConfig, networksOf, type Settings, type StaticPeer } from "../mesh/mesh_config.ts";
import {
  encapsulationOf,
  type HostFacts,
  mtuOf,
  type PeerKey,
  staticKey,
  staticTunnel,
  versionOf,
} from "./tunnels.ts";
import { byFamily } from "../mesh/mesh.ts";
import { IPV6_MTU_MIN } from "../../wire/ipv6.ts";
import type { NodeView, PeerView } from "./view.ts";
import { askedAt, type PeerWays } from "./way.ts";
import { formatAddress } from "../../wire/address.ts";
import { deviceAddress, hostPrefix, isInside, networkAround, type Prefix } from "../../wire/prefix.ts";

/** Our place in a network of the overlay. */
export interface Place {
  readonly network: Prefix;
  /** Our lease. */
  readonly subnet: Prefix;
  /** Of the device. */
  readonly address: string;
}

/** Our own place in the overlay. */
export interface OwnPlace extends Place {
  /** That of IPv6, in a mesh of both families. */
  readonly second?: Place;
  /** Our VTEP MAC. */
  readonly mac: string;
  readonly mtu: number;
}

/** Our place in each network of the mesh, IPv4 first. */
export function placesOf(own: OwnPlace): readonly Place[] {
  return own.second === undefined ? [own] : [own, own.second];
}

/** Packets into a subnet go to this peer. */
export interface WantedRoute {
  readonly subnet: Prefix;
  readonly peerKey: PeerKey;
}

export interface Wanted {
  /** Null while we hold no confirmed lease: nothing is routed then. */
  readonly own: OwnPlace | null;
  readonly deviceMtu: number;
  /** BOUNDED: one per peer, ≤ MAX_PEERS. */
  readonly tunnels: ReadonlyMap<PeerKey, Tunnel>;
  /** What the data plane's table should hold. */
  readonly routes: readonly WantedRoute[];
  /** Host routes around the tunnel. */
  readonly directRoutes: readonly DirectRoute[];
  /** Routes that only probes take, to find out whether a direct route would carry data. */
  readonly probeRoutes: readonly DirectRoute[];
  /** By which ways data may go to each peer. BOUNDED: one per peer, ≤ MAX_PEERS. */
  readonly ways: ReadonlyMap<PeerKey, PeerWays>;
  /** BOUNDED: one per peer, ≤ MAX_PEERS. */
  readonly paths: ReadonlyMap<PeerKey, Path>;
  /** Further sockets to open: the VXLAN port (null = none) and flannel's 8285. */
  readonly sockets: { readonly vxlan: number | null; readonly flannel: boolean };
}

/** What is wanted of the peers, as it is gathered. */
interface Gathered {
  // BOUNDED: each one per peer, ≤ MAX_PEERS
  readonly tunnels: Map<PeerKey, Tunnel>;
  readonly paths: Map<PeerKey, Path>;
  readonly ways: Map<PeerKey, PeerWays>;
  readonly routes: WantedRoute[];
  readonly directRoutes: DirectRoute[];
  readonly probeRoutes: DirectRoute[];
}

/** The state that host and data plane should be in. */
export function wantedFrom(view: NodeView, settings: Settings, host: HostFacts): Wanted {
  const mesh = view.own.mesh;
  if (mesh === null) return NOTHING;
  const gathered: Gathered = {
    tunnels: new Map(),
    paths: new Map(),
    ways: new Map(),
    routes: [],
    directRoutes: [],
    probeRoutes: [],
  };
  for (const peer of view.peers) {
    addPeer(gathered, peer, choose(peer, view, settings, host), { view, host, mesh });
  }
  for (const peer of settings.staticPeers) addStatic(gathered, peer, mesh, host);
  const mtu = mtuOf(
    mesh.backend === "host-gw" ? "none" : encapsulationOf(mesh),
    versionOf(view.own.endpoints),
    host.underlayMtu,
  );
  const deviceMtu = Math.max(mtu, leastMtu(mesh));
  const sockets = socketsFor(mesh, settings.staticPeers);
  return { ...gathered, own: ownPlace(view, mesh, deviceMtu), deviceMtu, sockets };
}

function addPeer(
  gathered: Gathered,
  peer: PeerView,
  { path, tunnel, candidates, direct }: Choice,
  { view, host, mesh }: { readonly view: NodeView; readonly host: HostFacts; readonly mesh: MeshConfig },
): void {
  gathered.paths.set(peer.id, path);
  if (tunnel === null) return;
  gathered.tunnels.set(peer.id, tunnel);
  if (tunnel.encapsulation !== "waiting") {
    gathered.ways.set(peer.id, waysTo(peer, { tunnel, candidates }, view, host));
  }
  for (const candidate of view.own.leaseState === "confirmed" ? candidates : []) {
    gathered.probeRoutes.push({ ...candidate, destination: hostPrefix(askedAt(candidate.destination)!) });
  }
  gathered.directRoutes.push(...direct);
  // In a sealed mesh host-gw has tunnels too, for sessions alone.
  if (peer.subnet === null || (mesh.backend === "host-gw" && mesh.security === "sealed")) return;
  // A record may claim what it likes: what is in no network of the mesh is nobody's source, and leads nowhere.
  const networks = networksOf(mesh);
  for (const subnet of leasesOf(peer)) {
    if (isInAny(networks, subnet)) gathered.routes.push({ subnet, peerKey: peer.id });
  }
}

function addStatic(gathered: Gathered, peer: StaticPeer, mesh: MeshConfig, host: HostFacts): void {
  const key = staticKey(peer);
  if (networkAround(networksOf(mesh), peer.address) !== null) {
    const why = `its address ${peer.address} is inside the mesh`;
    gathered.paths.set(key, { path: "none", why, mtu: 0 });
    return;
  }
  if (!isInAny(networksOf(mesh), peer.subnet)) {
    const why = `its subnet is in no network of the mesh (${networksOf(mesh).join(", ")})`;
    gathered.paths.set(key, { path: "none", why, mtu: 0 });
    return;
  }
  const tunnel = staticTunnel(peer, mesh, host);
  gathered.tunnels.set(key, tunnel);
  gathered.routes.push({ subnet: peer.subnet, peerKey: key });
  gathered.paths.set(key, staticPath(peer, tunnel));
}

function isInAny(networks: readonly Prefix[], subnet: Prefix): boolean {
  return networks.some((network) => isInside(subnet, network));
}

function leasesOf({ subnet, second }: PeerView): readonly Prefix[] {
  return [subnet, second].filter((one) => one != null);
}

/** What is wanted before there is a mesh: nothing. */
export const NOTHING: Wanted = {
  own: null,
  deviceMtu: 0,
  tunnels: new Map(),
  routes: [],
  directRoutes: [],
  probeRoutes: [],
  ways: new Map(),
  paths: new Map(),
  sockets: { vxlan: null, flannel: false },
};

function ownPlace(view: NodeView, mesh: MeshConfig, mtu: number): OwnPlace | null {
  const { leaseState, subnet, address, second, vtepMac } = view.own;
  if (leaseState !== "confirmed" || subnet === null || address === null) return null;
  const own = { network: mesh.network, subnet, address, mac: vtepMac, mtu };
  if (second === undefined || mesh.second === undefined) return own;
  const address6 = formatAddress(deviceAddress(second));
  return { ...own, second: { network: mesh.second.network, subnet: second, address: address6 } };
}

/** Of the device: with less the kernel takes IPv6 away from it. */
export function leastMtu(mesh: MeshConfig): number {
  return byFamily(mesh).six === null ? 0 : IPV6_MTU_MIN;
}

/** The ports that something uses: in a sealed mesh our peers have their data on our own, whatever the backend. */
export function socketsFor(
  mesh: Pick<MeshConfig, "backend" | "security" | "vxlanPort">,
  statics: readonly StaticPeer[],
): Wanted["sockets"] {
  const vxlan = (mesh.backend === "vxlan" && mesh.security === "plain") ||
    statics.some((peer) => peer.backend === "vxlan");
  return { vxlan: vxlan ? mesh.vxlanPort : null, flannel: statics.some((peer) => peer.backend === "udp") };
}

function staticPath(peer: StaticPeer, tunnel: Tunnel): Path {
  const { mtu, endpoint: to } = tunnel;
  if (peer.backend === "vxlan") {
    return { path: "kernel-vxlan", to, answeredAt: null, why: "a static peer that speaks VXLAN", mtu };
  }
  return { path: "tunnel", to, answeredAt: null, why: "a static peer that speaks flannel's udp", mtu };
}
