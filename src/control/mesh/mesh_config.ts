/**
 * A mesh's configuration, before and after: what the users of its nodes ask for, and what it has settled on, which is founded
 * once and learned by everybody who joins. Addresses and endpoints are canonical text.
 */

import type { Backend } from "../../wire/backend.ts";
import type { Prefix } from "../../wire/prefix.ts";

/** Whether everything on the wire is encrypted and authenticated under the network secret; one for the whole mesh. */
export type Security = "plain" | "sealed";

/** What is founded once and learned by joiners. Every value is settled: nothing here is a default any more. */
export interface MeshConfig {
  /** The overlay network, 10.42.0.0/16. */
  readonly network: Prefix;
  /** Length of each node's subnet as people write it: 24, or 32 for one address a host. */
  readonly subnetLen: number;
  /** First address of the first and of the last subnet that may be leased, "10.42.1.0" and "10.42.255.0". */
  readonly subnetMin: string;
  readonly subnetMax: string;
  readonly backend: Backend;
  /** VNI and port of the vxlan backend. */
  readonly vni: number;
  readonly vxlanPort: number;
  readonly security: Security;
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

/**
 * What a user asks of the mesh and of this node's place in it, by flags, environment or files (config/config.ts has what
 * concerns the host besides). Null: not said, so that it is learned from the mesh, and chosen when founding.
 */
export interface Asked {
  /** This node's name, for people; 1 to 63 characters. */
  readonly name: string;
  readonly networkName: string;
  /** "HOST" or "HOST:PORT" as given, names not resolved. */
  readonly peers: readonly string[];
  /** Found although there are peers. */
  readonly found: boolean;
  /** The mesh has no secret: nothing is encrypted. */
  readonly plain: boolean;
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
  backend: null,
  vni: null,
  vxlanPort: null,
  directRouting: false,
  allowPlainDirect: false,
  staticPeers: [],
};

/** What a node runs with: what its user asked for, and what its program and its host add. */
export interface Settings extends Asked {
  /** Version of this program, "0.1.0". */
  readonly version: string;
  /** Where others may reach us, "192.168.1.10:8473"; `--advertise` first. */
  readonly ownEndpoints: readonly string[];
  /** Asked once, when this node founds and no network was given: a free one, or why there is none. */
  readonly drawNetwork?: () => { readonly network: Prefix } | { readonly problem: string };
}

/** One `--peers` entry: the user's words and what they resolve to at the moment. */
export interface Seed {
  readonly text: string;
  /** Empty while the name cannot be resolved. */
  readonly endpoints: readonly string[];
}
