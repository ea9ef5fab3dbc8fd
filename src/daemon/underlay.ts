/** The host's own network as the daemon needs it: where others reach us, how much fits, who shares a link. */
import type { HostFacts } from "../control/reconcile.ts";
import { advertisedAddresses, isOnLink, underlayMtu } from "../host/underlay.ts";
import type { HostNetwork } from "../ports.ts";
import { formatEndpoint, parseAddress } from "../wire/address.ts";

export interface UnderlayOptions {
  /** `--iface`, or null. */
  readonly iface: string | null;
  /** Our own device, which is no underlay. */
  readonly device: string;
  readonly port: number;
}

export class Underlay {
  readonly #net: HostNetwork;
  readonly #options: UnderlayOptions;
  /** What `--advertise` resolves to, endpoints. */
  advertised: readonly string[] = [];
  /** What `--peers` resolves to, endpoints. */
  seeds: readonly string[] = [];

  constructor(net: HostNetwork, options: UnderlayOptions) {
    this.#net = net;
    this.#options = options;
  }

  /** Where others may reach us: what `--advertise` says first, then our addresses with our port. */
  endpoints(): string[] {
    const { port } = this.#options;
    const own = this.#addresses().map((text) => formatEndpoint({ address: parseAddress(text)!, port }));
    return [...new Set([...this.advertised, ...own])];
  }

  /** What reconcile asks about the host. */
  facts(): HostFacts {
    return {
      underlayMtu: underlayMtu(this.#net, this.#addresses()),
      onLink: (address) => isOnLink(this.#net, address)?.link ?? null,
    };
  }

  #addresses(): string[] {
    return advertisedAddresses(this.#net, {
      iface: this.#options.iface,
      towards: this.seeds.map(addressOf),
      exclude: this.#options.device,
    });
  }
}

/** "192.168.1.10" of "192.168.1.10:8473", "fd00::1" of "[fd00::1]:8473". */
function addressOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}
