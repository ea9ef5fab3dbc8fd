// From what is known to what is wanted: which tunnels the data plane should have, which prefixes lead into them,
// which routes the host should carry instead, and for each peer why it is so. Pure; the daemon compares the
// result with what is and applies the difference.

import type { OwnNetwork, Tunnel } from "../ports.ts";

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

export interface Wanted {
  /** Null while we hold no confirmed lease: no device then. */
  readonly own: OwnNetwork | null;
  readonly deviceMtu: number;
  /** BOUNDED: one per peer, ≤ MAX_PEERS. */
  readonly tunnels: ReadonlyMap<PeerKey, Tunnel>;
  /** What the data plane's table should hold. */
  readonly routes: readonly { readonly prefix: string; readonly peerKey: PeerKey }[];
  /** Host routes around the tunnel. */
  readonly directRoutes: readonly {
    readonly destination: string;
    readonly gateway: string;
    readonly link: number;
  }[];
  /** BOUNDED: one per peer, ≤ MAX_PEERS. */
  readonly paths: ReadonlyMap<PeerKey, Path>;
  /** Further sockets to open: the VXLAN port (null = none) and flannel's 8285. */
  readonly sockets: { readonly vxlan: number | null; readonly flannel: boolean };
}
