/**
 * The tunnel to a peer: how packets leave, where to, and how large they may be. With a secret, ovltun's own peers are
 * sealed whatever the backend; in a plain mesh of backend vxlan both sides take VXLAN and our own header alike, so that
 * each may send what gets through. Pure.
 */

import type { LocalEnd } from "../../ports/devices.ts";
import type { NextHop } from "../../ports/host.ts";
import type { Tunnel } from "../../ports/planes.ts";
import { formatEndpoint, type IpVersion, ipVersion, parseEndpoint } from "../../wire/address.ts";
import { isNamed } from "../../wire/named_endpoint.ts";
import { type Encapsulation, overlayMtu } from "../../wire/overhead.ts";
import type { Backend } from "../../wire/backend.ts";
import type { MeshConfig, StaticPeer } from "../mesh/mesh_config.ts";
import type { PeerView } from "./view.ts";
import type { WayView } from "./way.ts";
import { FLANNEL_PORT } from "../../wire/udp.ts";

/**
 * By what the data plane's tunnels, the paths and the reports know a peer: a node id, or, of a static peer,
 * "static:10.42.3.0/24". The command line reads it in `id`: part of the contract of --json.
 */
export type PeerKey = string;

/** The key of a static peer. */
export function staticKey({ subnet }: Pick<StaticPeer, "subnet">): PeerKey {
  return `static:${subnet.text}`;
}

/** What wantedFrom must know of the host. */
export interface HostFacts {
  /** MTU of the underlay interface. */
  readonly underlayMtu: number;
  /** Largest outer packet that reaches this endpoint, bytes; at most `underlayMtu`. */
  readonly pathMtu: (endpoint: string) => number;
  /** This address as the gateway of a route. */
  readonly nextHop: (address: string) => NextHop;
  /** Our own end of the path to this endpoint; null: the kernel chooses. Absent: nothing is known of it. */
  readonly local?: (endpoint: string) => LocalEnd | null;
}

const PLAIN_ENCAPSULATIONS: Readonly<Record<Backend, Encapsulation | "none">> = {
  udp: "data",
  vxlan: "vxlan",
  "host-gw": "none",
};

/** The largest inner packet where the largest outer one is `outerMtu`. */
export function mtuOf(encapsulation: Encapsulation | "none", version: IpVersion, outerMtu: number): number {
  return encapsulation === "none" ? outerMtu : overlayMtu(outerMtu, encapsulation, version);
}

/** The version of IP that they have in common; names have none. */
export function versionOf(endpoints: readonly string[]): IpVersion {
  const literal = endpoints.filter((endpoint) => !isNamed(endpoint));
  return literal.length > 0 && literal.every((endpoint) => ipVersion(endpoint) === 6) ? 6 : 4;
}

/** Null while there is no link. With host-gw the tunnel carries probes only. */
export function tunnelTo(peer: PeerView, mesh: MeshConfig, host: HostFacts): Tunnel | null {
  if (peer.endpoint === null || peer.link === null) return null;
  const encapsulation = encapsulationOf(mesh);
  if (encapsulation === "sealed") return sealedTunnel(peer.endpoint, host, peer.ways.own);
  // If the VXLAN port does not answer, our own port carries the data: both sides accept either.
  const vxlan = encapsulation === "vxlan" && !isSilent(peer.ways.vxlan);
  const used = encapsulation === "vxlan" && !vxlan ? "data" : encapsulation;
  const vxlanPort = withPort(peer.endpoint, mesh.vxlanPort);
  return {
    encapsulation: used,
    endpoint: vxlan ? vxlanPort : peer.endpoint,
    ownPort: peer.endpoint,
    ...(used === encapsulation ? {} : { vxlanPort }),
    mtu: mtuOf(
      used,
      versionOf([peer.endpoint]),
      outerMtu(peer.endpoint, vxlan ? peer.ways.vxlan : peer.ways.own, host),
    ),
    sendIndex: peer.link.sendIndex,
    receiveIndex: peer.link.receiveIndex,
    vni: encapsulation === "vxlan" ? mesh.vni : 0,
    mac: encapsulation === "vxlan" ? peer.vtepMac : "",
    ...localEnd(peer.endpoint, host),
  };
}

/** The largest outer packet that arrives: as the kernel knows, and as probes have shown. */
function outerMtu(endpoint: string, way: WayView | null, host: HostFacts): number {
  return Math.min(host.pathMtu(endpoint), way?.mtu ?? Infinity);
}

const isSilent = (way: WayView | null): boolean => way?.state === "silent";

/** To a peer of a sealed mesh, whose indices and keys come with its sessions. */
export function sealedTunnel(endpoint: string, host: HostFacts, way: WayView | null = null): Tunnel {
  const mtu = mtuOf("sealed", versionOf([endpoint]), outerMtu(endpoint, way, host));
  const indices = { sendIndex: 0, receiveIndex: 0 };
  const places = { endpoint, ownPort: endpoint, ...localEnd(endpoint, host) };
  return { encapsulation: "sealed", ...places, mtu, ...indices, vni: 0, mac: "" };
}

/** To a peer without a link: packets wait in it. */
export const WAITING_TUNNEL: Tunnel = {
  encapsulation: "waiting",
  endpoint: "",
  ownPort: "",
  mtu: 0,
  sendIndex: 0,
  receiveIndex: 0,
  vni: 0,
  mac: "",
};

function localEnd(endpoint: string, host: HostFacts): { readonly local?: LocalEnd } {
  const local = host.local?.(endpoint) ?? null;
  return local === null ? {} : { local };
}

/** With a secret, our peers use the data header whatever the backend. */
export function encapsulationOf(mesh: MeshConfig): Encapsulation | "none" {
  return mesh.security === "sealed" ? "sealed" : PLAIN_ENCAPSULATIONS[mesh.backend];
}

/** The same address with another port. */
export function withPort(endpoint: string, port: number): string {
  return formatEndpoint({ address: parseEndpoint(endpoint)!.address, port });
}

export function staticTunnel(peer: StaticPeer, mesh: MeshConfig, host: HostFacts): Tunnel {
  const vxlan = peer.backend === "vxlan";
  const port = peer.port ?? (vxlan ? mesh.vxlanPort : FLANNEL_PORT);
  const endpoint = formatEndpoint(parseEndpoint(peer.address, port)!);
  const encapsulation = vxlan ? "vxlan" : "flannel";
  return {
    encapsulation,
    endpoint,
    ownPort: "",
    mtu: mtuOf(encapsulation, versionOf([endpoint]), host.pathMtu(endpoint)),
    sendIndex: 0,
    receiveIndex: 0,
    vni: vxlan ? peer.vni ?? mesh.vni : 0,
    mac: peer.mac ?? "",
  };
}
