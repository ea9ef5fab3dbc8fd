// From what is known to what is wanted: which tunnels the data plane should have, which prefixes lead into them,
// which routes the host should carry instead, and for each peer why it is so. Pure; the daemon compares the
// result with what is and applies the difference.
//
// A suspect peer keeps its route, since it is most often a lost datagram. A dead one loses it: then whoever sends to
// it gets an ICMP unreachable at once instead of silence. Its lease stays taken all the same.

import type { Encapsulation, OwnNetwork, Tunnel } from "../ports.ts";
import { formatEndpoint, isIpv4, parseAddress, parseEndpoint } from "../wire/address.ts";
import { type Encapsulation as Overhead, overlayMtu } from "../wire/overhead.ts";
import type { Backend, MeshConfig, Settings, StaticPeer } from "./events.ts";
import type { NodeView, PeerView } from "./view.ts";

export const FLANNEL_PORT = 8285;

/** What reconcile must know of the host. */
export interface HostFacts {
  /** MTU of the underlay interface. */
  readonly underlayMtu: number;
  /** Index of the link on which this address is reachable without a gateway; null when it is not. */
  readonly onLink: (address: string) => number | null;
}

/** A node id, or `static:` + the subnet of a static peer. */
export type PeerKey = string;

export type PathKind = "direct-route" | "tunnel" | "kernel-vxlan" | "none";

/** The path to one peer. */
export interface Path {
  readonly path: PathKind;
  /** A sentence: why this path and why not a better one. */
  readonly why: string;
  /** Largest packet that fits; 0 when there is no path. */
  readonly mtu: number;
}

/** A prefix that the host reaches by a gateway on one of its own links. */
export interface DirectRoute {
  readonly destination: string;
  readonly gateway: string;
  readonly link: number;
}

export interface Wanted {
  /** Null while we hold no confirmed lease: no device then. */
  readonly own: OwnNetwork | null;
  readonly deviceMtu: number;
  /** BOUNDED: one per peer, ≤ MAX_PEERS. */
  readonly tunnels: ReadonlyMap<PeerKey, Tunnel>;
  /** What the data plane's table should hold. */
  readonly routes: readonly { readonly prefix: string; readonly peerKey: PeerKey }[];
  /** Host routes around the tunnel. */
  readonly directRoutes: readonly DirectRoute[];
  /** BOUNDED: one per peer, ≤ MAX_PEERS. */
  readonly paths: ReadonlyMap<PeerKey, Path>;
  /** Further sockets to open: the VXLAN port (null = none) and flannel's 8285. */
  readonly sockets: { readonly vxlan: number | null; readonly flannel: boolean };
}

/** The wish for one peer: at most one of tunnel and direct route is used for its subnet. */
interface PeerWish {
  readonly path: Path;
  readonly tunnel: Tunnel | null;
  readonly direct: DirectRoute | null;
  /** Whether the subnet leads into the tunnel. */
  readonly routed: boolean;
}

/** The whole wanted state. */
export function reconcile(view: NodeView, settings: Settings, host: HostFacts): Wanted {
  const mesh = view.own.mesh;
  const deviceMtu = mesh === null ? host.underlayMtu : backendMtu(mesh.backend, host.underlayMtu, 4);
  const own = mesh === null ? null : ownNetwork(view, mesh, deviceMtu);
  // BOUNDED: one per peer, ≤ MAX_PEERS
  const tunnels = new Map<PeerKey, Tunnel>();
  const paths = new Map<PeerKey, Path>();
  const routes: { prefix: string; peerKey: PeerKey }[] = [];
  const directRoutes: DirectRoute[] = [];
  const take = (key: PeerKey, subnet: string | null, wish: PeerWish) => {
    paths.set(key, wish.path);
    if (wish.tunnel !== null) tunnels.set(key, wish.tunnel);
    if (own === null || subnet === null) return;
    if (wish.routed) routes.push({ prefix: subnet, peerKey: key });
    if (wish.direct !== null) directRoutes.push(wish.direct);
  };
  if (mesh !== null) {
    for (const peer of view.peers) take(peer.id, peer.subnet, wishFor(peer, mesh, settings, host));
    for (const peer of settings.staticPeers) {
      take(`static:${peer.subnet}`, peer.subnet, staticWish(peer, mesh, host));
    }
  }
  return {
    own,
    deviceMtu,
    tunnels,
    routes,
    directRoutes,
    paths,
    sockets: socketsFor(mesh, settings, own !== null),
  };
}

function ownNetwork(view: NodeView, mesh: MeshConfig, mtu: number): OwnNetwork | null {
  const { leaseState, subnet, address, vtepMac } = view.own;
  if (leaseState !== "confirmed" || subnet === null || address === null) return null;
  return { network: mesh.network, subnets: [subnet], address, mac: vtepMac, mtu };
}

function socketsFor(mesh: MeshConfig | null, settings: Settings, running: boolean): Wanted["sockets"] {
  if (mesh === null || !running) return { vxlan: null, flannel: false };
  const vxlan = mesh.backend === "vxlan" || settings.staticPeers.some((p) => p.backend === "vxlan");
  return {
    vxlan: vxlan ? mesh.vxlanPort : null,
    flannel: settings.staticPeers.some((p) => p.backend === "udp"),
  };
}

// ------------------------------------------------------------------------------------------- members

function wishFor(peer: PeerView, mesh: MeshConfig, settings: Settings, host: HostFacts): PeerWish {
  if (peer.subnet === null) return none("it holds no subnet");
  if (peer.state === "dead") return none("it is dead: it answers neither us nor anybody else");
  const endpoint = peer.endpoint === null ? null : parseEndpoint(peer.endpoint);
  if (endpoint === null || peer.endpoint === null || peer.link === null) return none(noLink(peer));
  const address = peer.endpoint.slice(0, peer.endpoint.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  const onLink = host.onLink(address);
  const direct = onLink === null ? null : { destination: peer.subnet, gateway: address, link: onLink };
  const tunnel = tunnelFor(peer, peer.link, address, isIpv4(endpoint.address) ? 4 : 6, mesh, host);
  // A route needs a gateway of its own family.
  const sameFamily = peer.subnet.includes(":") === address.includes(":");
  if (mesh.backend === "host-gw") {
    if (direct === null) return none(`host-gw needs it on the same link, but ${address} is behind a gateway`);
    if (!sameFamily) return none(`host-gw cannot route ${peer.subnet} by ${address}`);
    return directly(direct, null, "backend host-gw, same link", host);
  }
  if (settings.directRouting && direct !== null && sameFamily) {
    return directly(direct, tunnel, "--direct-routing, same link", host);
  }
  const why = !settings.directRouting
    ? "no direct route: --direct-routing was not asked for"
    : direct === null
    ? `no direct route: ${address} is behind a gateway`
    : `no direct route: ${peer.subnet} and ${address} are of different families`;
  return { path: { path: "tunnel", why, mtu: tunnel.mtu }, tunnel, direct: null, routed: true };
}

// The tunnel stays up beside a direct route: what the peer sends through it must still be accepted.
function directly(direct: DirectRoute, tunnel: Tunnel | null, why: string, host: HostFacts): PeerWish {
  return {
    path: { path: "direct-route", why, mtu: host.underlayMtu },
    tunnel,
    direct,
    routed: tunnel !== null,
  };
}

function tunnelFor(
  peer: PeerView,
  link: { readonly sendIndex: number; readonly receiveIndex: number },
  address: string,
  underlay: 4 | 6,
  mesh: MeshConfig,
  host: HostFacts,
): Tunnel {
  const mtu = backendMtu(mesh.backend, host.underlayMtu, underlay);
  if (mesh.backend === "vxlan") {
    const endpoint = at(address, mesh.vxlanPort);
    return { ...BARE, encapsulation: "vxlan", endpoint, mtu, vni: mesh.vni, mac: peer.vtepMac };
  }
  const { sendIndex, receiveIndex } = link;
  return { ...BARE, encapsulation: "data", endpoint: peer.endpoint!, mtu, sendIndex, receiveIndex };
}

function noLink(peer: PeerView): string {
  if (peer.endpoints.length === 0) return "no link: it advertises no endpoint and has not called us";
  const outcomes = peer.tried.map((t) => `${t.endpoint} (${t.outcome})`).join(", ");
  return `no link: tried ${outcomes === "" ? peer.endpoints.join(", ") : outcomes}`;
}

// ---------------------------------------------------------------------------------------- static peers

function staticWish(peer: StaticPeer, mesh: MeshConfig, host: HostFacts): PeerWish {
  const underlay = peer.address.includes(":") ? 6 : 4;
  const encapsulation: Encapsulation = peer.backend === "vxlan" ? "vxlan" : "flannel";
  if (encapsulation === "vxlan" && peer.mac === null) return none("a vxlan peer needs its MAC (mac=…)");
  const port = peer.port ?? (encapsulation === "vxlan" ? mesh.vxlanPort : FLANNEL_PORT);
  const mtu = overlayMtu(host.underlayMtu, encapsulation, underlay);
  const vni = encapsulation === "vxlan" ? peer.vni ?? mesh.vni : 0;
  const mac = encapsulation === "vxlan" ? peer.mac! : "";
  const tunnel: Tunnel = { ...BARE, encapsulation, endpoint: at(peer.address, port), mtu, vni, mac };
  const path = encapsulation === "vxlan" ? "kernel-vxlan" : "tunnel";
  return {
    path: { path, why: "static peer: no liveness is known", mtu },
    tunnel,
    direct: null,
    routed: true,
  };
}

// ------------------------------------------------------------------------------------------ pieces

const BARE = { sendIndex: 0, receiveIndex: 0, vni: 0, mac: "" } as const;

function none(why: string): PeerWish {
  return { path: { path: "none", why, mtu: 0 }, tunnel: null, direct: null, routed: false };
}

function backendMtu(backend: Backend, underlayMtu: number, underlay: 4 | 6): number {
  if (backend === "host-gw") return underlayMtu;
  const encapsulation: Overhead = backend === "vxlan" ? "vxlan" : "data-plain";
  return overlayMtu(underlayMtu, encapsulation, underlay);
}

function at(address: string, port: number): string {
  return formatEndpoint({ address: parseAddress(address)!, port });
}
