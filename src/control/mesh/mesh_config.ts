/**
 * A mesh's configuration, before and after: what the users of its nodes ask for, and what it has settled on, which is founded
 * once and learned by everybody who joins. Addresses and endpoints are canonical text.
 */

import type { Backend } from "../../wire/backend.ts";
import type { Prefix } from "../../wire/prefix.ts";

/** Whether everything on the wire is encrypted and authenticated under the network secret; one for the whole mesh. */
export type Security = "plain" | "sealed";

/** A network of one family, and what of it is leased. */
export interface LeasableRange {
  /** The overlay network, 10.42.0.0/16. */
  readonly network: Prefix;
  /** Length of each node's subnet as people write it: 24, or 32 for one address a host. */
  readonly subnetLen: number;
  /** First address of the first and of the last subnet that may be leased, "10.42.1.0" and "10.42.255.0". */
  readonly subnetMin: string;
  readonly subnetMax: string;
}

/** What is founded once and learned by joiners. Every value is settled: nothing here is a default any more. */
export interface MeshConfig extends LeasableRange {
  /** The IPv6 half of a mesh of both families, whose first half is IPv4; absent: the mesh has one family. */
  readonly second?: LeasableRange;
  readonly backend: Backend;
  /** VNI and port of the vxlan backend. */
  readonly vni: number;
  readonly vxlanPort: number;
  readonly security: Security;
}

/** Of each family of the mesh, IPv4 first. */
export function rangesOf(mesh: MeshConfig): readonly LeasableRange[] {
  return mesh.second === undefined ? [mesh] : [mesh, mesh.second];
}

/** The networks of the mesh, IPv4 first. */
export function networksOf(mesh: MeshConfig): readonly Prefix[] {
  return rangesOf(mesh).map(({ network }) => network);
}

/** A peer that does not speak our protocol: a kernel VXLAN device or a flannel node. */
export interface StaticPeer {
  /** The subnet behind it, 10.42.3.0/24. */
  readonly subnet: Prefix;
  /** Its underlay address. */
  readonly address: string;
  /** Null: the mesh's VXLAN port, or 8285 for `udp`. */
  readonly port: number | null;
  /** `vxlan` = RFC 7348, `udp` = flannel's bare IP packets. */
  readonly backend: "vxlan" | "udp";
  /** VTEP MAC; `vxlan` needs one. */
  readonly mac: string | null;
  /** Null: the mesh's. */
  readonly vni: number | null;
}

/** What a user asks of the addresses of one family. */
export interface AskedRange {
  /** A mesh with another one is refused. */
  readonly network: Prefix | null;
  /** As people write it, 24 for IPv4. */
  readonly subnetLen: number | null;
  /** What founding takes where `subnetLen` is null. */
  readonly defaultSubnetLen: number;
  /** First address of the first and of the last subnet to lease, "10.42.1.0". */
  readonly subnetMin: string | null;
  readonly subnetMax: string | null;
  /** The lease this node would like: it gets it if it is free. */
  readonly subnet: Prefix | null;
}

/** The same of IPv6, which a mesh has only where its founder asks for it. */
export interface AskedIpv6 extends AskedRange {
  /** `none`: a mesh without; `auto`: any network, and a founder draws one; null: as `network` says, or nothing is said. */
  readonly choice: "none" | "auto" | null;
}

/**
 * What a user asks of the mesh and of this node's place in it, by flags, environment or files (config/config.ts has what
 * concerns the host besides). Null: not said, so that it is learned from the mesh, and chosen when founding.
 */
export interface Asked extends AskedRange {
  /** This node's name, for people; 1 to 63 characters. */
  readonly name: string;
  readonly networkName: string;
  /** "HOST" or "HOST:PORT" as given, names not resolved. */
  readonly peers: readonly string[];
  /** Found although there are peers. */
  readonly found: boolean;
  /** The mesh has no secret: nothing is encrypted. */
  readonly plain: boolean;
  /** The mesh is to have no IPv4 (`--network none`): the fields of IPv4 say nothing then. */
  readonly withoutIpv4: boolean;
  readonly ipv6: AskedIpv6;
  readonly backend: Backend | null;
  readonly vni: number | null;
  readonly vxlanPort: number | null;
  readonly directRouting: boolean;
  /** In a sealed mesh: routes around the tunnel, which are in the clear, are right with this user. */
  readonly allowPlainDirect: boolean;
  readonly staticPeers: readonly StaticPeer[];
}

/** A user who asks for nothing. */
export const NOTHING_ASKED: Omit<Asked, "name" | "networkName" | "plain"> = {
  peers: [],
  found: false,
  network: null,
  subnetLen: null,
  defaultSubnetLen: 24,
  subnetMin: null,
  subnetMax: null,
  subnet: null,
  withoutIpv4: false,
  ipv6: {
    choice: null,
    network: null,
    subnetLen: null,
    defaultSubnetLen: 64,
    subnetMin: null,
    subnetMax: null,
    subnet: null,
  },
  backend: null,
  vni: null,
  vxlanPort: null,
  directRouting: false,
  allowPlainDirect: false,
  staticPeers: [],
};

/** The networks that a user names, IPv4 first. */
export function askedNetworks({ network, ipv6 }: Pick<Asked, "network" | "ipv6">): readonly Prefix[] {
  return [network, ipv6.network].filter((one) => one !== null);
}

type Draw = () => { readonly network: Prefix } | { readonly problem: string };

/** What a node runs with: what its user asked for, and what its program and its host add. */
export interface Settings extends Asked {
  /** Version of this program, "0.1.0". */
  readonly version: string;
  /** Where others may reach us, "192.168.1.10:8473"; `--advertise` first. */
  readonly ownEndpoints: readonly string[];
  /** Asked once, when this node founds and no network was given: a free one, or why there is none. */
  readonly drawNetwork?: Draw;
  /** The same for `--network6 auto`. */
  readonly drawNetwork6?: Draw;
}

/** One `--peers` entry: the user's words and what they resolve to at the moment. */
export interface Seed {
  readonly text: string;
  /** Empty while the name cannot be resolved. */
  readonly endpoints: readonly string[];
}
