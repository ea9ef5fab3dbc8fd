/** What the control plane asks of this host while it decides, answered from the kernel and kept until it changes. */
import { BoundedMap } from "../../bounds/bounded_map.ts";
import type { HostSight as Sight } from "../../control/node/outside.ts";
import { type HostNetwork, TABLE_LOCAL } from "../../ports/host.ts";
import {
  addressOf,
  isIpv4,
  isLinkLocal,
  isLoopback,
  isMulticast,
  parseAddress,
  portOf,
} from "../../wire/address.ts";
import { type Prefix, samePrefix } from "../../wire/prefix.ts";

/** Addresses whose way is kept. */
const WAYS_MAX = 1024;

/** What it looks for. */
export interface SightOf {
  /** Our own port. */
  readonly port: number;
  /** Name of our device. */
  readonly device: () => string;
  /** The mesh's networks, whose routes are our own; none while they are not known. */
  readonly networks: () => readonly Prefix[];
}

export class HostSight implements Sight {
  readonly #net: HostNetwork;
  readonly #of: SightOf;
  /** BOUNDED: ≤ WAYS_MAX, the oldest go first: whether the way to an address leaves by our device. */
  readonly #ways = new BoundedMap<string, boolean>(WAYS_MAX);
  #own: ReadonlySet<string> | null = null;
  #networks: readonly Prefix[] = [];
  #changes = 0;
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
    this.#networks = this.#of.networks();
    this.#changes++;
  }

  revision(): number {
    if (this.#of.networks() !== this.#networks) this.changed();
    return this.#changes;
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
    if (this.#of.networks() !== this.#networks) this.changed();
    this.#leading ??= this.#findLeading();
    if (this.#leading === 0) return false;
    const known = this.#ways.get(address);
    if (known !== undefined) return known;
    const leads = parseAddress(address) !== null && this.#net.routeTo(address)?.iface === this.#leading;
    this.#ways.set(address, leads);
    return leads;
  }

  #findLeading(): number {
    const networks = this.#of.networks();
    const device = this.#net.interfaces().find((iface) => iface.name === this.#of.device());
    if (device === undefined) return 0;
    const leads = this.#net.routes({ iface: device.index }).some((r) =>
      r.type === "unicast" && r.table !== TABLE_LOCAL &&
      !networks.some((network) => samePrefix(r.destination, network)) && !isOfEachLink(r.destination)
    );
    return leads ? device.index : 0;
  }
}

/** Every device has those: fe80::/64, and ff00::/8. */
function isOfEachLink({ address }: Prefix): boolean {
  return !isIpv4(address) && (isLinkLocal(address) || isMulticast(address));
}
