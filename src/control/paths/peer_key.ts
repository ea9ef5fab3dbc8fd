// By what the data plane's tunnels, the paths and the reports know a peer: a node by its id, a static peer by its subnet.

import type { StaticPeer } from "../mesh/node_settings.ts";

/** A node id, or "static:10.42.3.0/24". The command line reads it in `id`: part of the contract of --json. */
export type PeerKey = string;

/** The key of a static peer. */
export function staticKey({ subnet }: Pick<StaticPeer, "subnet">): PeerKey {
  return `static:${subnet.text}`;
}
