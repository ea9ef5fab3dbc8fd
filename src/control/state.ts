// What a node keeps on disk between two runs, as plain JSON: the mesh it belongs to, its claim with the Lamport
// stamp, the version of its own record, and whom it knew. It is written before anything that depends on it is
// said, and read with suspicion: it may be cut short, edited by hand, or an old backup.

import type { MeshConfig } from "./events.ts";

export const STATE_VERSION = 1;

/** A peer as remembered: its signed record and where it last answered. */
export interface StoredPeer {
  /** The signed record, base64. */
  readonly record: string;
  readonly endpoint: string | null;
}

export interface StoredState {
  readonly version: typeof STATE_VERSION;
  readonly nodeId: string;
  readonly networkName: string;
  readonly mesh: MeshConfig | null;
  readonly claim: { readonly subnet: string; readonly stamp: number } | null;
  readonly incarnation: number;
  readonly epoch: number;
  readonly peers: readonly StoredPeer[];
}
