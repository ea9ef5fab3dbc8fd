/**
 * The path to one peer: the best of the ways whose probes came back (ways.ts), and a sentence why it is no better one.
 * Best first: a route by the peer itself, where asked for on both sides and where both share a link; then the tunnel. A
 * direct route carries overlay addresses over the underlay: a switch that knows which host has which address (port
 * security, forged transmits, a cloud's source check) drops them, and so does a strict source check of the peer's kernel
 * while it has no such route back. Only asking tells. Pure.
 */

import type { DirectRoute } from "../../ports/host.ts";
import type { Tunnel } from "../../ports/planes.ts";
import { addressOf, type IpVersion, ipVersion, isIpv4 } from "../../wire/address.ts";
import { isNamed } from "../../wire/named_endpoint.ts";
import { type MeshConfig, networksOf, type Settings } from "../mesh/mesh_config.ts";
import { outcomeText } from "./outcome.ts";
import { encapsulationOf, type HostFacts, tunnelTo, WAITING_TUNNEL, withPort } from "./tunnels.ts";
import type { NodeView, PeerView } from "./view.ts";
import { askedAt, type PeerWays, type WayView } from "./way.ts";
import { isInside, type Prefix } from "../../wire/prefix.ts";

/** Of an outer packet that measures a path. */
const LARGEST_PROBE = 65_000;

export type PathKind = "direct-route" | "tunnel" | "kernel-vxlan" | "idle" | "none";

/** The path to one peer. It counts once a probe along it came back; `idle` is made with the first packet. */
export interface Path {
  readonly path: PathKind;
  /** Where packets go, "192.168.1.11:8472", or by whom, "192.168.1.11"; null or absent: nowhere. */
  readonly to?: string | null;
  /** When a probe along it was answered last; null or absent: never. */
  readonly answeredAt?: number | null;
  /** A sentence: why this path and why not a better one. */
  readonly why: string;
  /** Largest packet that fits; 0 when there is no path. */
  readonly mtu: number;
  /** What would make a better path of it, where a user can: a flag and on which node, a port. */
  readonly fix?: string;
  /** Nothing better was asked for. */
  readonly asAsked?: true;
  /** Where VXLAN gets no answer: its endpoint; `why` and `fix` are of that, and this is of the direct route. */
  readonly silent?: { readonly endpoint: string; readonly direct: Refusal };
}

/** What is to be done about one peer. */
export interface Choice {
  readonly path: Path;
  readonly tunnel: Tunnel | null;
  /** The direct routes that may be, and are probed. */
  readonly candidates: readonly DirectRoute[];
  /** Those of them that carry data. */
  readonly direct: readonly DirectRoute[];
}

/** Why there is no direct route, and what a user can do about that. */
export interface Refusal {
  readonly why: string;
  /** It is being asked: in a moment one knows. */
  readonly undecided?: true;
  /** None was asked for. */
  readonly asAsked?: true;
  readonly fix?: string;
}

/** Decides about one peer of the mesh. */
export function choose(peer: PeerView, view: NodeView, settings: Settings, host: HostFacts): Choice {
  const mesh = view.own.mesh!;
  const tunnel = peer.state === "dead" ? null : tunnelTo(peer, mesh, host);
  if (tunnel === null && peer.onDemand !== undefined) return idle(peer);
  if (tunnel === null) {
    const path = { path: "none", why: whyNone(peer), mtu: 0 } as const;
    return { path, tunnel, candidates: [], direct: [] };
  }
  const [first, second] = networksOf(mesh).map((network) =>
    directFor(peer, familyOf(network), { mesh, settings, host })
  );
  const directs = [first!, ...(second === undefined ? [] : [second])];
  const path = first!.refusal === null
    ? directPath(peer, first!, host)
    : tunnelPath(peer, tunnel, first!.refusal, view);
  return {
    path: second === undefined ? path : besides(path, first!, second, mesh),
    tunnel,
    candidates: directs.flatMap(({ candidate }) => candidate ?? []),
    direct: directs.flatMap(({ candidate, refusal, mtu }) =>
      candidate === null || refusal !== null ? [] : mtu === null ? candidate : { ...candidate, mtu }
    ),
  };
}

/** A direct route for one family, or why there is none. */
interface Direct {
  readonly family: IpVersion;
  readonly candidate: DirectRoute | null;
  /** Null: it carries data. */
  readonly refusal: Refusal | null;
  /** What passes, where that is less than our own link takes. */
  readonly mtu: number | null;
}

/** What the choice is made for. */
interface Chooser {
  readonly mesh: MeshConfig;
  readonly settings: Settings;
  readonly host: HostFacts;
}

function familyOf({ address }: Prefix): IpVersion {
  return isIpv4(address) ? 4 : 6;
}

const wayOf = (peer: PeerView, family: IpVersion): WayView | null =>
  (family === 4 ? peer.ways.direct : peer.ways.direct6) ?? null;

function directFor(peer: PeerView, family: IpVersion, chooser: Chooser): Direct {
  const found = candidateFor(peer, family, chooser);
  if ("why" in found) return { family, candidate: null, refusal: found, mtu: null };
  const refusal = whyNotYet(peer, wayOf(peer, family), found.gateway, chooser.mesh);
  return { family, candidate: found, refusal, mtu: wayOf(peer, family)?.mtu ?? null };
}

function directPath(peer: PeerView, { candidate, family, mtu }: Direct, host: HostFacts): Path {
  return {
    path: "direct-route",
    to: candidate!.gateway,
    answeredAt: wayOf(peer, family)!.answeredAt,
    why: `same link as ${candidate!.gateway}`,
    mtu: mtu ?? host.underlayMtu,
  };
}

/** The path is that of IPv4; where IPv6 goes another way, it says so. */
function besides(path: Path, first: Direct, second: Direct, mesh: MeshConfig): Path {
  if (path.path === "none" || (first.refusal === null) === (second.refusal === null)) return path;
  const { refusal } = second;
  if (refusal === null) return { ...path, why: `${path.why}; IPv6 takes a direct route` };
  const instead = mesh.backend === "host-gw" ? "has no path" : "takes the tunnel";
  return { ...path, why: `${path.why}; IPv6 ${instead}: ${refusal.why}` };
}

/** A tunnel in which packets wait until there is a link. */
function idle(peer: PeerView): Choice {
  const why = peer.onDemand === "idle"
    ? "no link is kept to this node of a large mesh: it is set up with the first packet"
    : "the link is being set up, and packets wait for it";
  const path: Path = { path: "idle", why, mtu: 0, asAsked: true };
  return { path, tunnel: WAITING_TUNNEL, candidates: [], direct: [] };
}

/** The ways to ask, with what our own link takes on each. */
export function waysTo(
  peer: PeerView,
  { tunnel, candidates }: { readonly tunnel: Tunnel; readonly candidates: readonly DirectRoute[] },
  { own }: NodeView,
  host: HostFacts,
): PeerWays {
  const outer = Math.min(host.pathMtu(tunnel.ownPort), LARGEST_PROBE);
  const leased = peer.subnet !== null && own.leaseState === "confirmed";
  const vxlan = encapsulationOf(own.mesh!) === "vxlan";
  const to = (family: IpVersion) => candidates.find(({ destination }) => familyOf(destination) === family);
  const direct = leased ? Math.min(host.underlayMtu, LARGEST_PROBE) : null;
  const four = to(4), six = to(6);
  return {
    family: ipVersion(tunnel.ownPort),
    gateway: four?.gateway ?? null,
    ...(six === undefined ? {} : { gateway6: six.gateway }),
    limits: {
      own: tunnel.encapsulation === "data" || tunnel.encapsulation === "sealed" ? outer : null,
      vxlan: vxlan && leased ? outer : null,
      direct: four === undefined ? null : direct,
      ...(six === undefined ? {} : { direct6: direct }),
    },
  };
}

/** The route by the peer itself, where both ask for it and share a link. A lease needs a next hop of its own family. */
function candidateFor(
  peer: PeerView,
  family: IpVersion,
  { mesh, settings, host }: Chooser,
): DirectRoute | Refusal {
  const hostGw = mesh.backend === "host-gw";
  if (hostGw && peer.subnet === null) return { why: "it has no lease yet" };
  if (!hostGw && !settings.directRouting) return { why: "direct routing is off", asAsked: true };
  const hop = nextHop(peer, family, host);
  const without = hostGw ? "host-gw" : "no direct route";
  if ("why" in hop) {
    return { why: hostGw ? `host-gw needs one link, and ${hop.why}` : `${without}: ${hop.why}` };
  }
  // Asked only now: nobody is to be told to allow for nothing what no link leads to.
  const forbids = whoForbids(peer, mesh, settings);
  if (forbids !== null) {
    const clear = `the mesh is sealed, and --allow-plain-direct was not given on ${forbids}`;
    return { why: hostGw ? `host-gw is in the clear: ${clear}` : `${without}: ${clear}`, ...allow(forbids) };
  }
  if (!hostGw && !peer.directRoutes) {
    return {
      why: `${without}: both sides need --direct-routing, and ${peer.name} was started without it`,
      fix: `start ovltun on ${peer.name} with --direct-routing`,
    };
  }
  const leases = [peer.subnet, peer.second].filter((one) => one != null);
  if (leases.length === 0) return { why: "it has no lease yet" };
  const network = networksOf(mesh).find((one) => familyOf(one) === family)!;
  const destination = leases.find((one) => isInside(one, network));
  if (destination === undefined) {
    return { why: `${without}: its lease ${leases.join(" and ")} is not in ${network}` };
  }
  if (askedAt(destination) === null) {
    return { why: `${without}: its lease ${destination} has no address to probe` };
  }
  return { destination, ...hop };
}

function allow(forbids: string | null): { readonly fix?: string } {
  return forbids === null ? {} : { fix: `start ovltun on ${forbids} with --allow-plain-direct` };
}

/** The peer as a next hop, or why it is none. */
function nextHop(
  peer: PeerView,
  family: IpVersion,
  host: HostFacts,
): Omit<DirectRoute, "destination"> | Refusal {
  const { endpoint } = peer;
  if (endpoint === null) return { why: "none of its endpoints is known" };
  const address = addressOf(endpoint);
  const hop = host.nextHop(address);
  if ("why" in hop) return hop;
  const { iface } = hop;
  if (ipVersion(endpoint) === family) return { gateway: address, iface };
  // The two talk by the other family, as chance has it where they have both. That link has the peer's other address, too.
  // Through a gateway nothing is known: another network may have the same private addresses as ours.
  for (const other of peer.endpoints) {
    if (isNamed(other) || ipVersion(other) !== family || peer.translated.includes(other)) continue;
    const gateway = addressOf(other);
    const same = host.nextHop(gateway);
    if ("iface" in same && same.iface === iface) return { gateway, iface };
  }
  return { why: `${peer.name} has no IPv${family} address on the link of ${address}` };
}

/** Whose user did not allow packets in the clear between us and a peer of a sealed mesh; null: they are allowed. */
function whoForbids(peer: PeerView, mesh: MeshConfig, settings: Settings): string | null {
  if (mesh.security !== "sealed") return null;
  const names = [
    ...(settings.allowPlainDirect ? [] : [settings.name]),
    ...(peer.clearPaths ? [] : [peer.name]),
  ];
  return names.length === 0 ? null : names.join(" and ");
}

/** Why a direct route that is wanted carries no data; null: probes came back, here and there. */
function whyNotYet(
  peer: PeerView,
  way: WayView | null,
  gateway: string,
  mesh: MeshConfig,
): Refusal | null {
  if (way !== null && way.state === "answered" && way.peerReady) return null;
  if (way === null || way.state === "unknown") {
    return { why: `waiting for ${gateway} to answer a packet with overlay addresses`, undecided: true };
  }
  if (way.state === "answered") {
    return { why: `no direct route: ${peer.name} gets no answer from this host over it` };
  }
  const tunnelled = mesh.backend === "host-gw"
    ? "; or found the mesh with --backend udp --direct-routing, which falls back to a tunnel where no " +
      "direct route works"
    : "";
  return {
    why: `no direct route: packets with overlay addresses get no answer from ${gateway} (does the switch, ` +
      "hypervisor or cloud drop source addresses it did not assign?)",
    fix:
      "let both hosts send from the overlay's addresses (port security, forged transmits, source/destination " +
      `check, AllowedAddressPairs)${tunnelled}`,
  };
}

function tunnelPath(peer: PeerView, tunnel: Tunnel, refusal: Refusal, { own }: NodeView): Path {
  const { why, fix } = refusal;
  const reason = fix === undefined ? { why } : { why, fix };
  const nowhere = { path: "none", mtu: 0 } as const;
  // In a moment there may be a better one: a path that is about to change is not reported.
  if (own.mesh!.backend === "host-gw" || refusal.undecided) return { ...nowhere, ...reason };
  const { vxlan, own: ours } = peer.ways;
  const { endpoint: to, mtu } = tunnel;
  const way = tunnel.encapsulation === "vxlan" && vxlan !== null ? vxlan : ours;
  if (way === null || way.state !== "answered") {
    return { ...nowhere, why: `waiting for an answer from ${to}` };
  }
  const path = { path: "tunnel", to, answeredAt: way.answeredAt, mtu } as const;
  if (vxlan?.state !== "silent") return { ...path, ...reason, ...(refusal.asAsked ? { asAsked: true } : {}) };
  const port = own.mesh!.vxlanPort;
  return {
    ...path,
    silent: { endpoint: withPort(tunnel.ownPort, port), direct: refusal },
    why: `no answer on ${port}/udp, so packets use ovltun's own port instead; ${why}`,
    fix: `open ${port}/udp between ${own.name} and ${peer.name}, in both directions`,
  };
}

function whyNone(peer: PeerView): string {
  const tried = peer.tried.map((t) => `${t.endpoint}: ${outcomeText(t.outcome)}`).join(", ");
  if (peer.stopped) return "it was stopped";
  if (peer.state === "dead") return `it does not answer${tried === "" ? "" : ` (${tried})`}`;
  return tried === ""
    ? "none of its endpoints is known"
    : `no answer to this host, though other nodes reach it (${tried})`;
}
