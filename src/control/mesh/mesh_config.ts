/** What a mesh settled on: founded once, learned by everybody who joins. Addresses are canonical text. */

import type { Prefix } from "../../wire/prefix.ts";

/** How packets between two hosts of a mesh are carried; one for the whole mesh. */
export type Backend = "udp" | "vxlan" | "host-gw";

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
