// From what is known to what is wanted: which tunnels the data plane should have, which prefixes lead into them,
// which routes the host should carry instead, and for each peer why it is so. Pure; the daemon compares the
// result with what is and applies the difference. A suspect keeps its path; a dead peer loses it, so that
// senders hear "unreachable" at once instead of waiting for nobody.

import type { Encapsulation, OwnNetwork, Tunnel } from "../ports.ts";
import { addressOf, formatEndpoint, liesWithin, parseEndpoint } from "../wire/address.ts";
import { isNamed } from "../wire/named_endpoint.ts";
import { type Encapsulation as Overhead, overlayMtu, type Underlay } from "../wire/overhead.ts";
import type { Backend, MeshConfig, Settings, StaticPeer } from "./settings.ts";
import type { NodeView, PeerView } from "./view.ts";

/** What reconcile must know of the host. */
export interface HostFacts {
  /** MTU of the underlay interface. */
  readonly underlayMtu: number;
  /** Largest outer packet that reaches this endpoint, bytes; at most `underlayMtu`. */
  readonly pathMtu: (endpoint: string) => number;
  /**
   * Index of the link on which this address is a next hop, reachable without a gateway. Null: it is behind a gateway.
   * A text: why it is none all the same, "10.8.0.2 is reached by wg0, which …".
   */
  readonly onLink: (address: string) => number | string | null;
}

/** A node id, or `static:` + the subnet of a static peer. */
export type PeerKey = string;

export type PathKind = "direct-route" | "tunnel" | "kernel-vxlan" | "none";

/** Why there is a tunnel where nothing better was asked for. */
export const DIRECT_ROUTING_OFF = "direct routing is off";

/** The path to one peer. */
export interface Path {
  readonly path: PathKind;
  /** A sentence: why this path and why not a better one. */
  readonly why: string;
  /** Largest packet that fits; 0 when there is no path. */
  readonly mtu: number;
  /** What would make a direct route of it, where a user can: a flag and on which node. */
  readonly fix?: string;
}

/** A host route around the tunnel. */
export interface DirectRoute {
  readonly destination: string;
  readonly gateway: string;
  readonly link: number;
}

export interface Wanted {
  /** Null while we hold no confirmed lease: nothing is routed then. */
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

const FLANNEL_PORT = 8285;
const PLAIN_ENCAPSULATIONS: Readonly<Record<Backend, Encapsulation>> = {
  udp: "data",
  vxlan: "vxlan",
  "host-gw": "none",
};
const OVERHEADS: Readonly<Record<Exclude<Encapsulation, "none">, Overhead>> = {
  data: "data-plain",
  sealed: "data-sealed",
  vxlan: "vxlan",
  flannel: "flannel",
};

/** The state that host and data plane should be in. */
export function reconcile(view: NodeView, settings: Settings, host: HostFacts): Wanted {
  const mesh = view.own.mesh;
  if (mesh === null) return { ...NOTHING, tunnels: sessionTunnels(view, host) };
  const tunnels = new Map<PeerKey, Tunnel>();
  const routes: { prefix: string; peerKey: PeerKey }[] = [];
  const directRoutes: DirectRoute[] = [];
  const paths = new Map<PeerKey, Path>();
  for (const peer of view.peers) {
    const tunnel = peer.state === "dead" ? null : tunnelTo(peer, mesh, host);
    if (tunnel !== null) tunnels.set(peer.id, tunnel);
    const direct = tunnel === null ? null : directRoute(peer, mesh, settings, host);
    paths.set(peer.id, pathTo(peer, tunnel, direct, mesh, settings, host));
    if (tunnel === null || peer.subnet === null) continue;
    // In a sealed mesh host-gw has tunnels too, for sessions alone.
    if (mesh.backend === "host-gw" && mesh.security === "sealed") {
      if (direct !== null) directRoutes.push(direct);
      continue;
    }
    routes.push({ prefix: peer.subnet, peerKey: peer.id });
    if (direct !== null) directRoutes.push(direct);
  }
  // Whoever has a session needs a place in the data plane for it: joiners, too.
  for (const { id, endpoint } of view.sessions) {
    if (!tunnels.has(id)) tunnels.set(id, sealedTunnel(endpoint, host));
  }
  for (const peer of settings.staticPeers) {
    const key = `static:${peer.subnet}`;
    if (liesWithin(mesh.network, peer.address)) {
      paths.set(key, { path: "none", why: `its address ${peer.address} lies in the mesh itself`, mtu: 0 });
      continue;
    }
    const tunnel = staticTunnel(peer, mesh, host);
    tunnels.set(key, tunnel);
    routes.push({ prefix: peer.subnet, peerKey: key });
    paths.set(key, staticPath(peer, tunnel));
  }
  const deviceMtu = mtuOf(
    mesh.backend === "host-gw" ? "none" : encapsulationOf(mesh),
    underlayOf(view.own.endpoints),
    host.underlayMtu,
  );
  return {
    own: ownNetwork(view, mesh, deviceMtu),
    deviceMtu,
    tunnels,
    routes,
    directRoutes,
    paths,
    sockets: socketsFor(mesh, settings.staticPeers),
  };
}

/** What is wanted before there is a mesh: nothing. */
export const NOTHING: Wanted = {
  own: null,
  deviceMtu: 0,
  tunnels: new Map(),
  routes: [],
  directRoutes: [],
  paths: new Map(),
  sockets: { vxlan: null, flannel: false },
};

function ownNetwork(view: NodeView, mesh: MeshConfig, mtu: number): OwnNetwork | null {
  const { leaseState, subnet, address, vtepMac } = view.own;
  if (leaseState !== "confirmed" || subnet === null || address === null) return null;
  return { network: mesh.network, subnets: [subnet], address, mac: vtepMac, mtu };
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

function mtuOf(encapsulation: Encapsulation, underlay: Underlay, outerMtu: number): number {
  if (encapsulation === "none") return outerMtu;
  return overlayMtu(outerMtu, OVERHEADS[encapsulation], underlay);
}

function underlayOf(endpoints: readonly string[]): Underlay {
  const literal = endpoints.filter((endpoint) => !isNamed(endpoint));
  return literal.length > 0 && literal.every((endpoint) => endpoint.startsWith("[")) ? 6 : 4;
}

/** Null while there is no link. With host-gw the tunnel carries probes only. */
function tunnelTo(peer: PeerView, mesh: MeshConfig, host: HostFacts): Tunnel | null {
  if (peer.endpoint === null || peer.link === null) return null;
  const encapsulation = encapsulationOf(mesh);
  if (encapsulation === "sealed") return sealedTunnel(peer.endpoint, host);
  return {
    encapsulation,
    endpoint: encapsulation === "vxlan" ? withPort(peer.endpoint, mesh.vxlanPort) : peer.endpoint,
    ownPort: peer.endpoint,
    mtu: mtuOf(encapsulation, underlayOf([peer.endpoint]), host.pathMtu(peer.endpoint)),
    sendIndex: peer.link.sendIndex,
    receiveIndex: peer.link.receiveIndex,
    vni: encapsulation === "vxlan" ? mesh.vni : 0,
    mac: encapsulation === "vxlan" ? peer.vtepMac : "",
  };
}

/** The data plane's place for a peer of a sealed mesh, whose indices and keys come with its sessions. */
export function sealedTunnel(endpoint: string, host: HostFacts): Tunnel {
  const mtu = mtuOf("sealed", underlayOf([endpoint]), host.pathMtu(endpoint));
  const indices = { sendIndex: 0, receiveIndex: 0 };
  return { encapsulation: "sealed", endpoint, ownPort: endpoint, mtu, ...indices, vni: 0, mac: "" };
}

function sessionTunnels(view: NodeView, host: HostFacts): Map<PeerKey, Tunnel> {
  return new Map(view.sessions.map(({ id, endpoint }) => [id, sealedTunnel(endpoint, host)]));
}

/** With a secret, our peers use the data header whatever the backend. */
function encapsulationOf(mesh: MeshConfig): Encapsulation {
  return mesh.security === "sealed" ? "sealed" : PLAIN_ENCAPSULATIONS[mesh.backend];
}

function withPort(endpoint: string, port: number): string {
  return formatEndpoint({ address: parseEndpoint(endpoint)!.address, port });
}

function staticTunnel(peer: StaticPeer, mesh: MeshConfig, host: HostFacts): Tunnel {
  const vxlan = peer.backend === "vxlan";
  const port = peer.port ?? (vxlan ? mesh.vxlanPort : FLANNEL_PORT);
  const endpoint = formatEndpoint(parseEndpoint(peer.address, port)!);
  const encapsulation = vxlan ? "vxlan" : "flannel";
  return {
    encapsulation,
    endpoint,
    ownPort: "",
    mtu: mtuOf(encapsulation, underlayOf([endpoint]), host.pathMtu(endpoint)),
    sendIndex: 0,
    receiveIndex: 0,
    vni: vxlan ? peer.vni ?? mesh.vni : 0,
    mac: peer.mac ?? "",
  };
}

/** The route by the peer itself, where asked for and where both share a link. IPv4 leases need an IPv4 next hop. */
function directRoute(
  peer: PeerView,
  mesh: MeshConfig,
  settings: Settings,
  host: HostFacts,
): DirectRoute | null {
  if (mesh.backend !== "host-gw" && !settings.directRouting) return null;
  if (peer.subnet === null || whoForbids(peer, mesh, settings) !== null) return null;
  const hop = nextHop(peer, host);
  return typeof hop === "string" ? null : { destination: peer.subnet, ...hop };
}

/** The peer as a next hop, or why it is none. */
function nextHop({ endpoint }: PeerView, host: HostFacts): Omit<DirectRoute, "destination"> | string {
  if (endpoint === null) return "no endpoint of it is known";
  const gateway = addressOf(endpoint);
  const link = endpoint.startsWith("[") ? null : host.onLink(gateway);
  if (link === null) return `${gateway} is behind a gateway or not IPv4`;
  return typeof link === "string" ? link : { gateway, link };
}

function pathTo(
  peer: PeerView,
  tunnel: Tunnel | null,
  direct: DirectRoute | null,
  mesh: MeshConfig,
  settings: Settings,
  host: HostFacts,
): Path {
  if (tunnel === null) return { path: "none", why: whyNone(peer), mtu: 0 };
  if (direct !== null) {
    return { path: "direct-route", why: `same link as ${direct.gateway}`, mtu: host.underlayMtu };
  }
  const hop = nextHop(peer, host);
  // Whoever shares no link with us gets no direct route by a flag: nobody is to be told to allow it for nothing.
  const forbids = typeof hop === "string" ? null : whoForbids(peer, mesh, settings);
  const clear = `the mesh is sealed, and --allow-plain-direct was not given on ${forbids}`;
  const fix = forbids === null ? {} : { fix: `start ovltun on ${forbids} with --allow-plain-direct` };
  if (mesh.backend === "host-gw") {
    if (peer.subnet === null) return { path: "none", why: "it has no lease yet", mtu: 0 };
    const why = forbids === null ? `host-gw needs one link, and ${hop}` : `host-gw is in the clear: ${clear}`;
    return { path: "none", why, mtu: 0, ...fix };
  }
  if (!settings.directRouting) return { path: "tunnel", why: DIRECT_ROUTING_OFF, mtu: tunnel.mtu };
  return {
    path: "tunnel",
    why: `no direct route: ${forbids === null ? hop : clear}`,
    mtu: tunnel.mtu,
    ...fix,
  };
}

/** Whose user did not allow packets in the clear between us and a peer of a sealed mesh; null: nobody forbids them. */
function whoForbids(peer: PeerView, mesh: MeshConfig, settings: Settings): string | null {
  if (mesh.security !== "sealed") return null;
  const names = [
    ...(settings.allowPlainDirect ? [] : [settings.name]),
    ...(peer.clearPaths ? [] : [peer.name]),
  ];
  return names.length === 0 ? null : names.join(" and ");
}

function whyNone(peer: PeerView): string {
  const tried = peer.tried.map((t) => `${t.endpoint}: ${t.outcome}`).join(", ");
  if (peer.stopped) return "it was stopped";
  if (peer.state === "dead") return `it does not answer${tried === "" ? "" : ` (${tried})`}`;
  return tried === ""
    ? "no endpoint of it is known"
    : `no answer to this host, though others hear it (${tried})`;
}

function staticPath(peer: StaticPeer, tunnel: Tunnel): Path {
  if (peer.backend === "vxlan") {
    return { path: "kernel-vxlan", why: "a static peer that speaks VXLAN", mtu: tunnel.mtu };
  }
  return { path: "tunnel", why: "a static peer that speaks flannel's udp", mtu: tunnel.mtu };
}
