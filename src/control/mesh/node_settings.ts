/** What a user asked of a node, from the command line or a file. Addresses and endpoints are canonical text. */

import type { Prefix } from "../../wire/prefix.ts";
import type { Backend, Security } from "./mesh_config.ts";

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

/** What the user asked for. Null = not said: learned from the mesh when joining, a default when founding. */
export interface Settings {
  /** The host's name in the mesh, for people. */
  readonly name: string;
  /** Version of this program, "0.1.0". */
  readonly version: string;
  readonly networkName: string;
  /** `--found`: found although peers were given. */
  readonly found: boolean;
  /** `--network`. */
  readonly network: Prefix | null;
  /** Asked once, when this node founds and no network was given: a free one, or why there is none. */
  readonly drawNetwork?: () => { readonly network: Prefix } | { readonly problem: string };
  /** The user gave `--network`: a mesh with another one is refused. */
  readonly networkExplicit: boolean;
  /** As people write it, 24 for IPv4. */
  readonly subnetLen: number | null;
  /** What founding takes where `subnetLen` is null; 24 when it is not said. */
  readonly defaultSubnetLen?: number;
  /** First address of the first / last subnet to lease, "10.42.1.0". */
  readonly subnetMin: string | null;
  readonly subnetMax: string | null;
  /** `--subnet`: taken when it is free. */
  readonly subnetWish: Prefix | null;
  readonly backend: Backend | null;
  readonly vni: number | null;
  readonly vxlanPort: number | null;
  /** `--peers` was given, whether or not its names could be resolved yet. */
  readonly hasSeeds: boolean;
  readonly security: Security;
  readonly directRouting: boolean;
  /** In a sealed mesh: routes around the tunnel, which are in the clear, are right with this user. */
  readonly allowPlainDirect: boolean;
  readonly staticPeers: readonly StaticPeer[];
  /** Where others may reach us, "192.168.1.10:8473"; `--advertise` first. */
  readonly ownEndpoints: readonly string[];
}

/** A user who asked for nothing. */
export const NOTHING_ASKED: Omit<Settings, "name" | "version" | "networkName" | "security"> = {
  found: false,
  network: null,
  networkExplicit: false,
  subnetLen: null,
  subnetMin: null,
  subnetMax: null,
  subnetWish: null,
  backend: null,
  vni: null,
  vxlanPort: null,
  hasSeeds: false,
  directRouting: false,
  allowPlainDirect: false,
  staticPeers: [],
  ownEndpoints: [],
};

/** One `--peers` entry: the user's words and what they resolve to at the moment. */
export interface Seed {
  readonly text: string;
  /** Empty while the name cannot be resolved. */
  readonly endpoints: readonly string[];
}
