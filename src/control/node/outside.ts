/**
 * Which endpoints lie outside the mesh: only there may a peer be. Datagrams to an address inside it would leave by our own
 * device, into the link that they are to keep up. And what the control plane asks about its host while it decides: a
 * question answered at once, from what the daemon holds.
 */

import { addressOf } from "../../wire/address.ts";
import { networkAround, type Prefix } from "../../wire/prefix.ts";

/** The host as the control plane sees it. Endpoints and addresses are canonical text. */
export interface HostSight {
  /** Whether datagrams to this endpoint come back to this very process: an address of this host, with our port. */
  owns(endpoint: string): boolean;
  /** Whether the way to this address leaves by our own device, whatever the mesh's network is. */
  tunnelled(address: string): boolean;
}

/** Nothing is known of the host. */
export const NO_SIGHT: HostSight = { owns: () => false, tunnelled: () => false };

export class Outside {
  readonly #host: HostSight;
  #networks: readonly Prefix[];

  /** `networks`: the mesh's; before they are known, those that the user says it has. */
  constructor(networks: readonly Prefix[], host: HostSight) {
    this.#host = host;
    this.#networks = networks;
  }

  /** The mesh has these networks. */
  setNetworks(networks: readonly Prefix[]): void {
    this.#networks = networks;
  }

  /** Whether datagrams to this endpoint stay outside. */
  has(endpoint: string): boolean {
    const text = addressOf(endpoint);
    return networkAround(this.#networks, text) === null && !this.#host.tunnelled(text);
  }
}
