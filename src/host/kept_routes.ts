/**
 * The routes that fit one filter, read once and kept right by the kernel's events (host_table.ts). IPv4 routes go without
 * a word with their interface, with its last address, with their next-hop object, and on older kernels with their source;
 * and of a replaced route the kernel says only what took its place. What is sure to be gone goes here, too; and wherever
 * it is not sure what there is, the routes are outdated, to be read again.
 */

import { type HostEvent, type Route, TABLE_LOCAL } from "../ports/host.ts";
import { isIpv4 } from "../wire/address.ts";
import { fitsFilter, type RouteFilter } from "../wire/route_filter.ts";
import { samePlace } from "./owned.ts";

/** Without any doubt they are read again after this time: who knows what the kernel does not tell. */
const KEPT_MS = 30_000;
/** A host may have a million routes. What reading took, so many times, is the time to the next: when in doubt, else. */
const PAUSE = 20;
const KEPT = 1000;
/** What takes longer would make others doubt that we live: it is read again only in doubt. */
const LONG_MS = 500;

type RouteChange = Extract<HostEvent, { kind: "route" }>;

export class KeptRoutes {
  readonly filter: RouteFilter;
  /** By destination, in the kernel's order. BOUNDED: by the host's routes */
  readonly #at = new Map<string, readonly Route[]>();
  /** All of them, once somebody has asked since the last change. */
  #list: readonly Route[] | null = null;
  #readAt = -Infinity;
  #took = 0;
  #outdated = true;
  #owesAnswer = false;

  constructor(filter: RouteFilter) {
    this.filter = filter;
  }

  /** As far as they are known. */
  answer(): readonly Route[] {
    this.#owesAnswer ||= this.#outdated;
    return this.#routes();
  }

  #routes(): readonly Route[] {
    return this.#list ??= [...this.#at.values()].flat();
  }

  /** Whether somebody was given an outdated answer. */
  get owesAnswer(): boolean {
    return this.#owesAnswer;
  }

  /** Whether they are to be read now: outdated or old, and not so soon that reading would be all that is done. */
  isDue(now: number): boolean {
    const age = now - this.#readAt;
    if (this.#outdated) return age >= this.#took * PAUSE;
    return this.#took <= LONG_MS && age >= Math.max(KEPT_MS, this.#took * KEPT);
  }

  /** They were read, from one moment to another. */
  take(routes: readonly Route[], from: number, to: number): void {
    this.#at.clear();
    this.#list = null;
    for (const route of routes) this.#set(route, [...this.#likes(route), route]);
    this.#readAt = to;
    this.#took = to - from;
    this.#outdated = false;
    this.#owesAnswer = false;
  }

  /** What happened to the host; true where it bears on these. */
  hear(event: HostEvent): boolean {
    switch (event.kind) {
      case "lost":
        return this.#doubt();
      case "route":
        return this.#follow(event);
      case "interface":
        return event.down && this.#lose(({ iface }) => iface === event.iface, () => true);
      case "address":
        return event.gone && this.#lose(
          ({ iface, source }) => iface === event.iface || source === event.address,
          ({ source }) => source === event.address,
        );
      case "nexthop":
        return this.#lose(() => false, () => false);
      case "rule":
      case "settings":
        return false;
    }
  }

  /** Of those that may be gone the kernel has dropped some for sure. What has more hops may always be among them. */
  #lose(maybe: (route: Route) => boolean, surely: (route: Route) => boolean): boolean {
    const touched = this.#routes().filter((route) => route.manyHops || maybe(route));
    for (const route of touched) {
      const { manyHops, table, destination } = route;
      if (manyHops || table === TABLE_LOCAL || !isIpv4(destination.address) || !surely(route)) continue;
      this.#set(route, this.#likes(route).filter((one) => one !== route));
    }
    return touched.length > 0 && this.#doubt();
  }

  #doubt(): true {
    this.#outdated = true;
    return true;
  }

  #follow({ how, route }: RouteChange): boolean {
    const fits = fitsFilter(route, this.filter);
    if (!fits && how !== "replaced") return false;
    const there = this.#likes(route);
    // What took the place may fit no longer; and what was there first, and went, may be none of these.
    if (how === "replaced" && !(fits && this.#knowsPlaces()) && there.some((one) => samePlace(one, route))) {
      return this.#doubt();
    }
    if (!fits) return false;
    const same = there.findIndex((one) => identical(one, route));
    const rivals = there.filter((one) => samePlace(one, route));
    if (how === "removed") {
      if (same < 0) return rivals.length > 0 && this.#doubt();
      this.#set(route, there.toSpliced(same, 1));
      return true;
    }
    if (same >= 0) return false; // from before they were read
    // IPv6 tells of a next hop that joins others as of the whole; of several, any may be the one that was replaced.
    const joined = rivals.length > 0 && [...rivals, route].some(({ manyHops }) => manyHops);
    if (joined || (how === "replaced" && rivals.length > 1)) return this.#doubt();
    const at = rivals.length === 0 || how === "appended" ? there.length : there.indexOf(rivals[0]!);
    this.#set(route, there.toSpliced(at, how === "replaced" ? rivals.length : 0, route));
    return true;
  }

  /** Whether it has, of each place, all routes. */
  #knowsPlaces(): boolean {
    return this.filter.protocol === undefined && this.filter.iface === undefined;
  }

  /** Those with the destination of a route. */
  #likes({ destination }: Route): readonly Route[] {
    return this.#at.get(destination.text) ?? [];
  }

  #set({ destination }: Route, routes: readonly Route[]): void {
    if (routes.length === 0) this.#at.delete(destination.text);
    else this.#at.set(destination.text, routes);
    this.#list = null;
  }
}

function identical(a: Route, b: Route): boolean {
  return samePlace(a, b) && a.type === b.type && a.gateway === b.gateway && a.iface === b.iface &&
    a.protocol === b.protocol && a.source === b.source && a.onlink === b.onlink && a.scope === b.scope &&
    a.mtu === b.mtu && a.manyHops === b.manyHops;
}
