/** The host's own network as the daemon needs it: where others reach us, how much fits, who shares a link with us. */
import { BoundedMap } from "../../bounds/bounded_map.ts";
import type { HostFacts } from "../../control/paths/tunnels.ts";
import type { PeerView } from "../../control/paths/view.ts";
import { nextHop } from "../../host/next_hop.ts";
import { passedOver } from "../../host/passed_over.ts";
import { advertisable, mtuTowards, underlayMtu } from "../../host/underlay.ts";
import type { UnderlayChoice } from "../../host/underlay.ts";
import { type LocalEnd, MAX_PEERS } from "../../ports/devices.ts";
import type { HostNetwork, NetworkInterface } from "../../ports/host.ts";
import type { Machine } from "../../ports/machine.ts";
import { SysError } from "../../ports/sys_error.ts";
import { addressOf, formatEndpoint, parseAddress } from "../../wire/address.ts";
import { Grounds } from "./grounds.ts";
import { PathMtus } from "./path_mtus.ts";
import { networkAround, type Prefix } from "../../wire/prefix.ts";

export interface UnderlayOptions {
  /** `--iface`, or null. */
  readonly iface: string | null;
  /** Our own device, which is no underlay. */
  readonly device: string;
  readonly port: number;
  /** As flannel's `Backend.MTU`: larger packets are not sent, whatever the underlay carries; null: no limit. */
  readonly underlayMtu: number | null;
}

const DEFAULT_MTU = 1500;

export class UnderlayWatch {
  readonly #machine: Pick<Machine, "clock" | "udp">;
  readonly #net: HostNetwork;
  readonly #options: UnderlayOptions;
  /** What there was when there last was something: an interface may lose its address and get it back. */
  #addresses: readonly string[] = [];
  #onlyGuests = false;
  #mtu = DEFAULT_MTU;
  /** Whether that was found by the way to peers that are still to be reached. */
  #towardsPeers = false;
  #trouble: string | null = null;
  readonly #addressesRestOn = new Grounds();
  readonly #mtuRestsOn = new Grounds();
  readonly #paths = new PathMtus();
  /** Where each peer was last. BOUNDED: one per peer, ≤ MAX_PEERS */
  #reached: ReadonlyMap<string, string> = new Map();
  /** By endpoint. BOUNDED: ≤ MAX_PEERS, the oldest go first; emptied when the host's network changes. */
  readonly #locals = new BoundedMap<string, { readonly called: string; readonly end: LocalEnd | null }>(
    MAX_PEERS,
  );
  /** Which of our addresses the node at an endpoint uses, as the control plane knows. */
  called: (endpoint: string) => string | undefined = () => undefined;
  /** What `--advertise` says and what it resolves to, endpoints. */
  advertised: readonly string[] = [];
  /** What `--peers` resolves to, endpoints. */
  seeds: readonly string[] = [];
  /** The overlay's networks, once they are known: nothing in them is of the underlay. */
  networks: readonly Prefix[] = [];

  /** An interface that is not there yet, or has no address yet, is waited for. */
  constructor(machine: Pick<Machine, "clock" | "udp">, net: HostNetwork, options: UnderlayOptions) {
    this.#machine = machine;
    this.#net = net;
    this.#options = options;
    this.#current();
  }

  /** What keeps others from reaching us at the moment, a sentence, or null. */
  get trouble(): string | null {
    const endpoints = this.endpoints();
    if (this.#trouble !== null) return this.#trouble;
    const inside = this.advertised.filter((one) => this.#isInside(addressOf(one)));
    if (inside.length > 0) {
      const network = networkAround(this.networks, addressOf(inside[0]!));
      return `--advertise ${inside.join(", ")} is not used: it is in the mesh's own network ${network}, ` +
        "which others can reach only once they have a path to this host";
    }
    const { device } = this.#options;
    if (endpoints.length > 0) {
      return this.#onlyGuests && this.advertised.length === 0
        ? `Only guests (containers, VMs) of this host can reach this node, at ${endpoints.join(", ")} ` +
          "(--iface, --advertise)"
        : null;
    }
    return "No other host can reach this node: none of its interfaces has a usable address: " +
      `${passedOver(this.#net, device)}. It will continue as soon as one has; --iface selects an interface ` +
      "to wait for, --advertise sets an address that leads here";
  }

  /** Where others may reach us: what `--advertise` says first, then our addresses with our port. */
  endpoints(): string[] {
    const { port } = this.#options;
    const own = this.#current().map((text) => formatEndpoint({ address: parseAddress(text)!, port }));
    const advertised = this.advertised.filter((one) => !this.#isInside(addressOf(one)));
    return [...new Set([...advertised, ...own])];
  }

  /** What wantedFrom asks about the host. */
  facts(): HostFacts {
    const { clock } = this.#machine;
    let interfaces: readonly NetworkInterface[] | null = null;
    if (this.#mtuRestsOn.news(this.#net.revision(), this.seeds, this.networks, this.#reached)) {
      this.#findMtu();
    }
    const underlayMtu = Math.min(this.#mtu, this.#options.underlayMtu ?? Infinity);
    return {
      underlayMtu,
      pathMtu: (endpoint) => Math.min(underlayMtu, this.#paths.mtu(endpoint, clock.now()) ?? Infinity),
      nextHop: (address) => nextHop(this.#net, address, interfaces ??= this.#net.interfaces()),
      local: (endpoint) => this.local(endpoint),
    };
  }

  /** While the way to all peers is missing, as between two leases of DHCP, the MTU that was found by it stays. */
  #findMtu(): void {
    const towardsAll = [...this.#choice().towards, ...[...this.#reached.values()].map(addressOf)];
    const outside = towardsAll.filter((address) => !this.#isInside(address));
    const choice: UnderlayChoice = { ...this.#choice(), towards: outside };
    const towards = mtuTowards(this.#net, choice);
    this.#towardsPeers = choice.towards.length > 0 && (towards !== null || this.#towardsPeers);
    if (towards === null && this.#towardsPeers) return;
    this.#mtu = towards ?? underlayMtu(this.#net, choice) ?? this.#mtu;
  }

  /** Where the peers are: the way to them decides the MTU. Of one that is away the last place counts. */
  reach(peers: readonly Pick<PeerView, "id" | "endpoint">[]): void {
    const places = new Map<string, string>(); // BOUNDED: as #reached
    for (const { id, endpoint } of peers) {
      const place = endpoint ?? this.#reached.get(id);
      if (place !== undefined) places.set(id, place);
    }
    this.#reached = places;
  }

  /**
   * Our own end of the path to an endpoint; null: not known, or no address of this host any more. The kernel chooses the
   * source wherever it would choose the address that is called: so packets follow when its routes change.
   */
  local(endpoint: string): LocalEnd | null {
    const called = this.called(endpoint);
    if (called === undefined) return null;
    let local = this.#locals.get(endpoint);
    if (local?.called !== called) {
      local = { called, end: this.#judge(addressOf(endpoint), called) };
      this.#locals.set(endpoint, local);
    }
    return local.end;
  }

  #judge(peer: string, address: string): LocalEnd | null {
    if (this.#net.routeTo(address)?.type !== "local") return null;
    return { address, pinned: this.#net.routeTo(peer)?.source !== address };
  }

  /** Interfaces, addresses or routes changed: what was found out about them is asked again. */
  hostChanged(): void {
    this.#locals.clear();
  }

  /** Asks the kernel what fits on the way to an endpoint. True when that is news. */
  learnPathMtu(endpoint: string): boolean {
    const { udp, clock } = this.#machine;
    const mtu = udp.pathMtu(endpoint);
    return mtu !== null && this.#paths.learn(endpoint, mtu, clock.now());
  }

  /** The addresses of now, or while `--iface` has none the last ones. */
  #current(): readonly string[] {
    if (!this.#addressesRestOn.news(this.#net.revision(), this.seeds, this.networks)) return this.#addresses;
    try {
      const { addresses, onlyGuests } = advertisable(this.#net, this.#choice());
      this.#addresses = addresses;
      this.#onlyGuests = onlyGuests;
      this.#trouble = null;
    } catch (error) {
      if (error instanceof SysError) throw error;
      const what = error instanceof Error ? error.message : String(error);
      const told = this.#addresses.length === 0
        ? "no address of this host is announced"
        : `still announcing ${this.#addresses.join(", ")}`;
      this.#trouble = `${what}: waiting for it (--iface); meanwhile ${told}`;
    }
    return this.#addresses;
  }

  #choice(): UnderlayChoice {
    const { iface, device: exclude } = this.#options;
    return { iface, towards: this.seeds.map(addressOf), exclude, networks: this.networks };
  }

  #isInside(address: string): boolean {
    return networkAround(this.networks, address) !== null;
  }
}
