/**
 * Which endpoints lie outside the mesh: only there may a peer be. Datagrams to an address inside it would leave by our own
 * device, into the link that they are to keep up. And what the control plane asks about its host while it decides: a
 * question answered at once, from what the daemon holds.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import { addressOf } from "../../wire/address.ts";
import { networkAround, type Prefix } from "../../wire/prefix.ts";

const ADDRESSES_MAX = 2 * MAX_PEERS;

/** The host as the control plane sees it. Endpoints and addresses are canonical text. */
export interface HostSight {
  /** Whether datagrams to this endpoint come back to this very process: an address of this host, with our port. */
  owns(endpoint: string): boolean;
  /** Whether the way to this address leaves by our own device, whatever the mesh's network is. */
  tunnelled(address: string): boolean;
  /** Changes with the answers of `tunnelled`; absent: they may be others at any time. */
  revision?(): number;
}

/** Nothing is known of the host. */
export const NO_SIGHT: HostSight = { owns: () => false, tunnelled: () => false, revision: () => 0 };

export class Outside {
  readonly #host: HostSight;
  #networks: readonly Prefix[];
  #changes = 0;
  // BOUNDED: ≤ ADDRESSES_MAX, the oldest go first: whether an address lies in one of them
  readonly #inside = new BoundedMap<string, boolean>(ADDRESSES_MAX);

  /** `networks`: the mesh's; before they are known, those that the user says it has. */
  constructor(networks: readonly Prefix[], host: HostSight) {
    this.#host = host;
    this.#networks = networks;
  }

  /** The mesh has these networks. */
  setNetworks(networks: readonly Prefix[]): void {
    this.#networks = networks;
    this.#inside.clear();
    this.#changes++;
  }

  /** Another one whenever `has` may answer otherwise than before. */
  revision(): string {
    const host = this.#host.revision?.() ?? ++this.#changes;
    return `${host} ${this.#changes}`;
  }

  /** Whether datagrams to this endpoint stay outside. */
  has(endpoint: string): boolean {
    const text = addressOf(endpoint);
    return !this.#isInside(text) && !this.#host.tunnelled(text);
  }

  // Asked about every datagram, and of every target when the host has changed.
  #isInside(address: string): boolean {
    const known = this.#inside.get(address);
    if (known !== undefined) return known;
    const inside = networkAround(this.#networks, address) !== null;
    this.#inside.set(address, inside);
    return inside;
  }
}
