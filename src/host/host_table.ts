/**
 * The host's network as it was read, kept right by the kernel's events: a host with a hundred thousand routes, of which
 * one changes all the time, costs a node nothing. What is asked for the first time is read; then a question is answered
 * from memory, after the events that wait have been heard, so that what we did ourselves is seen at once.
 *
 *  - Interfaces, addresses and rules are few: an event about them makes the next question read them again.
 *  - Routes are followed one by one, for each filter that was asked for (kept_routes.ts).
 *  - Ways to addresses are kept (kept_lookups.ts).
 *
 * Reading routes may mean a walk through all of them. So what is in doubt is read again at once, and when it keeps being
 * in doubt, as in a flood of events that the kernel cannot keep for us, after a pause; until then the last answer counts.
 * And whatever should escape the events is found after a while.
 */

import { BoundedMap } from "../bounds/bounded_map.ts";
import type {
  HostEvent,
  HostKernel,
  HostNetwork,
  InterfaceAddress,
  InterfaceChange,
  InterfaceDrops,
  NeighbourTable,
  NetworkInterface,
  Route,
  RouteLookup,
  RoutingRule,
} from "../ports/host.ts";
import { filterText, type RouteFilter } from "../wire/route_filter.ts";
import { KeptLookups } from "./kept_lookups.ts";
import { KeptRoutes } from "./kept_routes.ts";

/** Ours, the defaults, those of the mesh's network and of our device; and of what these were before. */
const FILTERS_MAX = 8;
/** Interfaces, addresses and rules are read again after this time, whatever was heard. */
const KEPT_MS = 60_000;
/** Ways are asked without listening first for this long: whoever asks for one asks for a thousand. */
const LISTEN_MS = 100;
/** From one forgetting of all ways to the next, where more happened than was looked at one by one. */
const FORGET_MS = 1000;

/** A list of the host, and when it was read. */
interface Read<T> {
  readonly list: readonly T[];
  readonly at: number;
}

export class HostTable implements HostNetwork {
  readonly #kernel: HostKernel;
  readonly #now: () => number;
  #interfaces: Read<NetworkInterface> | null = null;
  #addresses: Read<InterfaceAddress> | null = null;
  #rules: Read<RoutingRule> | null = null;
  /** BOUNDED: ≤ FILTERS_MAX, the one asked for longest ago goes first. */
  readonly #routes = new BoundedMap<string, KeptRoutes>(FILTERS_MAX);
  readonly #ways = new KeptLookups();
  #drops: { readonly index: number; readonly drops: InterfaceDrops | null; readonly at: number } | null =
    null;
  #changed = false;
  #revision = 0;
  #heardAt = -Infinity;
  #waysUnsure = false;
  #waysUnsureAt = -Infinity;

  /** Owns the kernel's connection from now on. `now`: milliseconds of a clock that does not jump. */
  constructor(kernel: HostKernel, now: () => number) {
    this.#kernel = kernel;
    this.#now = now;
    this.#hear();
  }

  /** As `HostKernel` has it; null: nothing tells when something happens. */
  get eventsFd(): number | null {
    return this.#kernel.eventsFd ?? null;
  }

  interfaces(): readonly NetworkInterface[] {
    this.#hear();
    return (this.#interfaces = this.#fresh(this.#interfaces) ?? this.#read(this.#kernel.interfaces())).list;
  }

  addresses(): readonly InterfaceAddress[] {
    this.#hear();
    return (this.#addresses = this.#fresh(this.#addresses) ?? this.#read(this.#kernel.addresses())).list;
  }

  rules(): readonly RoutingRule[] {
    this.#hear();
    return (this.#rules = this.#fresh(this.#rules) ?? this.#read(this.#kernel.rules())).list;
  }

  /** Those of a filter are kept from the first time on, but for what is asked for once. */
  routes(filter?: RouteFilter, once = false): readonly Route[] {
    this.#hear();
    if (filter === undefined || once) return this.#kernel.routes(filter);
    const key = filterText(filter);
    const kept = this.#routes.get(key) ?? new KeptRoutes(filter);
    this.#routes.renew(key, kept);
    const now = this.#now();
    if (kept.isDue(now)) {
      this.#revision++;
      kept.take(this.#kernel.routes(filter), now, this.#now());
    }
    return kept.answer();
  }

  routeTo(address: string, tos = 0): RouteLookup | null {
    const now = this.#now();
    if (now - this.#heardAt >= LISTEN_MS) this.#hear();
    const known = this.#ways.find(address, tos, now);
    if (known !== undefined) return known;
    const answer = this.#kernel.routeTo(address, tos);
    this.#ways.take(address, tos, answer, now);
    return answer;
  }

  /** Keeps the answer for the interface that was asked for last. */
  interfaceDrops(index: number, maxAgeMs = 0): InterfaceDrops | null {
    const now = this.#now();
    const known = this.#drops;
    if (known !== null && known.index === index && now - known.at < maxAgeMs) return known.drops;
    const drops = this.#kernel.interfaceDrops(index);
    this.#drops = { index, drops, at: now };
    return drops;
  }

  unsentDatagrams(): number {
    return this.#kernel.unsentDatagrams();
  }

  neighbourTables(): readonly NeighbourTable[] {
    return this.#kernel.neighbourTables();
  }

  setInterface(index: number, change: InterfaceChange): void {
    this.#write(() => this.#kernel.setInterface(index, change));
  }

  deleteInterface(index: number): void {
    this.#write(() => this.#kernel.deleteInterface(index));
  }

  addAddress(address: InterfaceAddress): void {
    this.#write(() => this.#kernel.addAddress(address));
  }

  deleteAddress(address: InterfaceAddress): void {
    this.#write(() => this.#kernel.deleteAddress(address));
  }

  addRoute(route: Route, before?: boolean): void {
    this.#write(() => this.#kernel.addRoute(route, before));
  }

  deleteRoute(route: Route): void {
    this.#write(() => this.#kernel.deleteRoute(route));
  }

  /** Also true when an answer that was in doubt can be had anew by now. */
  changed(): boolean {
    this.#hear();
    const overdue = [...this.#routes.values()].some((kept) => kept.owesAnswer && kept.isDue(this.#now()));
    const changed = this.#changed || overdue;
    this.#changed = false;
    return changed;
  }

  revision(): number {
    this.#hear();
    return this.#revision;
  }

  close(): void {
    this.#kernel.close();
  }

  #read<T>(list: readonly T[]): Read<T> {
    this.#revision++;
    return { list, at: this.#now() };
  }

  #fresh<T>(read: Read<T> | null): Read<T> | null {
    return read !== null && this.#now() - read.at < KEPT_MS ? read : null;
  }

  /** What it did is heard before the next answer, refused or not. */
  #write(act: () => void): void {
    this.#heardAt = -Infinity;
    act();
  }

  #hear(): void {
    const events = this.#kernel.events();
    this.#heardAt = this.#now();
    for (const event of events) this.#take(event);
    const routes = events.flatMap((event) => event.kind === "route" ? [event.route] : []);
    if (routes.length > 0 && this.#ways.routesChanged(routes)) this.#note();
    if (this.#waysUnsure && this.#heardAt - this.#waysUnsureAt >= FORGET_MS) {
      this.#waysUnsureAt = this.#heardAt;
      this.#forgetWays();
    }
  }

  #take(event: HostEvent): void {
    for (const kept of this.#routes.values()) if (kept.hear(event)) this.#note();
    switch (event.kind) {
      case "route":
        return;
      case "interface":
        this.#interfaces = null;
        return this.#forgetWays();
      case "address":
        this.#addresses = null;
        return this.#forgetWays();
      case "rule":
        this.#rules = null;
        return this.#forgetWays();
      case "lost":
        this.#interfaces = this.#addresses = this.#rules = null;
        this.#waysUnsure = true;
        return;
      case "settings":
        return this.#forgetWays();
      case "nexthop":
        this.#waysUnsure = true;
    }
  }

  #forgetWays(): void {
    this.#ways.forget();
    this.#waysUnsure = false;
    this.#note();
  }

  #note(): void {
    this.#changed = true;
    this.#revision++;
  }
}
