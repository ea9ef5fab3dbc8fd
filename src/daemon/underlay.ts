/** The host's own network as the daemon needs it: where others reach us, how much fits, who shares a link. */
import type { HostFacts } from "../control/reconcile.ts";
import { nextHopLink } from "../host/next_hop.ts";
import { advertisedAddresses, underlayMtu } from "../host/underlay.ts";
import type { HostNetwork, Link } from "../ports.ts";
import { pathMtu } from "../sys/path_mtu.ts";
import { SysError } from "../sys/sys_error.ts";
import { systemClock } from "../sys/system.ts";
import { addressOf, formatEndpoint, parseAddress } from "../wire/address.ts";
import { PathMtus } from "./path_mtus.ts";

export interface UnderlayOptions {
  /** `--iface`, or null. */
  readonly iface: string | null;
  /** Our own device, which is no underlay. */
  readonly device: string;
  readonly port: number;
}

const DEFAULT_MTU = 1500;

export class Underlay {
  readonly #net: HostNetwork;
  readonly #options: UnderlayOptions;
  /** What there was when there last was something: an interface may lose its address and get it back. */
  #addresses: readonly string[];
  #mtu = DEFAULT_MTU;
  #trouble: string | null = null;
  readonly #paths = new PathMtus();
  /** What `--advertise` resolves to, endpoints. */
  advertised: readonly string[] = [];
  /** What `--peers` resolves to, endpoints. */
  seeds: readonly string[] = [];

  /** Throws when there is no such interface as `--iface` says, or no address on it. */
  constructor(net: HostNetwork, options: UnderlayOptions) {
    this.#net = net;
    this.#options = options;
    this.#addresses = this.#find();
  }

  /** What keeps others from reaching us at the moment, a sentence, or null. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** Where others may reach us: what `--advertise` says first, then our addresses with our port. */
  endpoints(): string[] {
    const { port } = this.#options;
    const own = this.#current().map((text) => formatEndpoint({ address: parseAddress(text)!, port }));
    return [...new Set([...this.advertised, ...own])];
  }

  /** What reconcile asks about the host. */
  facts(): HostFacts {
    let links: readonly Link[] | null = null;
    this.#mtu = underlayMtu(this.#net, this.#current()) ?? this.#mtu;
    return {
      underlayMtu: this.#mtu,
      pathMtu: (endpoint) => Math.min(this.#mtu, this.#paths.mtu(endpoint, systemClock.now()) ?? this.#mtu),
      onLink: (address) => nextHopLink(this.#net, address, links ??= this.#net.links()),
    };
  }

  /** Asks the kernel what fits on the way to an endpoint. True when that is news. */
  learnPathMtu(endpoint: string): boolean {
    const mtu = pathMtu(endpoint);
    return mtu !== null && this.#paths.learn(endpoint, mtu, systemClock.now());
  }

  /** The addresses of now, or while `--iface` has none the last ones. */
  #current(): readonly string[] {
    try {
      this.#addresses = this.#find();
      this.#trouble = null;
    } catch (error) {
      if (error instanceof SysError) throw error;
      this.#trouble = error instanceof Error ? error.message : String(error);
    }
    return this.#addresses;
  }

  #find(): string[] {
    return advertisedAddresses(this.#net, {
      iface: this.#options.iface,
      towards: this.seeds.map(addressOf),
      exclude: this.#options.device,
    });
  }
}
