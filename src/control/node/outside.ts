// Which endpoints lie outside the mesh: only there may a peer be. Datagrams to an address inside it would leave by our own
// device, into the link that they are to keep up.

import { addressOf } from "../../wire/address.ts";
import { liesWithin, type Prefix } from "../../wire/prefix.ts";
import type { HostSight } from "./host_sight.ts";

export class Outside {
  readonly #host: HostSight;
  #network: Prefix | null;

  /** `network`: the mesh's; before it is known, the one that the user says it has, or null. */
  constructor(network: Prefix | null, host: HostSight) {
    this.#host = host;
    this.#network = network;
  }

  /** The mesh has this network. */
  setNetwork(network: Prefix): void {
    this.#network = network;
  }

  /** Whether datagrams to this endpoint stay outside. */
  has(endpoint: string): boolean {
    const text = addressOf(endpoint);
    return !liesWithin(this.#network, text) && !this.#host.tunnelled(text);
  }
}
