/** What the control plane asks of this host while it decides, answered from the kernel and kept until it changes. */
import type { HostSight as Sight } from "../../control/node/host_sight.ts";
import type { HostNetwork } from "../../ports/host.ts";
import { addressOf, isLoopback, liesWithin, parseAddress, portOf } from "../../wire/address.ts";

/** Addresses whose way is kept. */
const WAYS_MAX = 1024;
const TABLE_LOCAL = 255;

/** What it looks for. */
export interface SightOf {
  /** Our own port. */
  readonly port: number;
  /** Name of our device. */
  readonly device: () => string;
  /** The mesh's network, whose route is our own; null while it is not known. */
  readonly network: () => string | null;
}

export class HostSight implements Sight {
  readonly #net: HostNetwork;
  readonly #of: SightOf;
  /** BOUNDED: ≤ WAYS_MAX, the oldest go first: whether the way to an address leaves by our device. */
  readonly #ways = new Map<string, boolean>();
  #own: ReadonlySet<string> | null = null;
  #network: string | null = null;
  /** Index of our device where routes beside those of the mesh lead into it; 0: none do; null: not looked at yet. */
  #leading: number | null = null;

  constructor(net: HostNetwork, of: SightOf) {
    this.#net = net;
    this.#of = of;
  }

  /** The host changed, or the mesh's network became known: what was found out counts no longer. */
  changed(): void {
    this.#ways.clear();
    this.#own = this.#leading = null;
    this.#network = this.#of.network();
  }

  owns(endpoint: string): boolean {
    if (Number(portOf(endpoint)) !== this.#of.port) return false;
    const text = addressOf(endpoint);
    const address = parseAddress(text);
    if (address !== null && isLoopback(address)) return true;
    this.#own ??= new Set(this.#net.addresses().map((a) => a.address));
    return this.#own.has(text);
  }

  /** Asked for every datagram of the control plane: the kernel only where routes of the host's user call for it. */
  tunnelled(address: string): boolean {
    if (this.#of.network() !== this.#network) this.changed();
    this.#leading ??= this.#findLeading();
    if (this.#leading === 0) return false;
    const known = this.#ways.get(address);
    if (known !== undefined) return known;
    const leads = parseAddress(address) !== null && this.#net.routeTo(address)?.link === this.#leading;
    this.#ways.set(address, leads);
    if (this.#ways.size > WAYS_MAX) this.#ways.delete(this.#ways.keys().next().value!);
    return leads;
  }

  #findLeading(): number {
    const network = this.#of.network();
    const device = this.#net.links().find((link) => link.name === this.#of.device());
    if (device === undefined) return 0;
    const leads = this.#net.routes().some((r) =>
      r.link === device.index && r.type === "unicast" && r.table !== TABLE_LOCAL &&
      r.destination !== network && !isLinkLocalRoute(r.destination)
    );
    return leads ? device.index : 0;
  }
}

function isLinkLocalRoute(destination: string): boolean {
  return liesWithin("fe80::/10", destination.split("/")[0]!) || destination.startsWith("ff00:");
}
