/**
 * What we own on a host, and how it is told from what we do not: every route we install carries
 * ROUTE_PROTOCOL and leads into the overlay network, so that two instances with different networks leave each
 * other alone. Pure: the routes a state wants, and what differs from the routes there are. The host itself is
 * changed by reconcile_host.ts and cleanup.ts.
 */
import {
  type DirectRoute,
  type InterfaceAddress,
  type Route,
  SCOPE_LINK,
  TABLE_MAIN,
} from "../ports/host.ts";
import { hostPrefix, IPV4_BITS_AT, isInside, Prefix, samePrefix } from "../wire/prefix.ts";
import type { RouteFilter } from "../wire/route_filter.ts";
import { isIpv4, parseAddress } from "../wire/address.ts";

/**
 * rtm_protocol of our routes. Numbers from 4 up are free for routing daemons (rtnetlink(7)); 84 is in no list of
 * linux/rtnetlink.h or iproute2's rt_protos, where 42 is babel, 99 openr and 186 bgp.
 */
export const ROUTE_PROTOCOL = 84;
/** Where they are. */
export const OWN_ROUTES: RouteFilter = { protocol: ROUTE_PROTOCOL, table: TABLE_MAIN };
/** Loses to whatever an administrator or a bridge installs for our subnet; it only stops a loop through TUN. */
export const UNREACHABLE_METRIC = 0xff002000;

const IPV6_METRIC = 1024; // what the kernel makes of 0 there

/**
 * Type of Service of the probes that ask whether a direct route would carry data, and of the routes that only they take:
 * DSCP 7, of the pool for experimental and local use (RFC 2474 §6). Kernels before 6.13 look routes up by these bits alone
 * (IPTOS_RT_MASK). A source check (rp_filter) looks the way back up with the same bits, so the probe passes it exactly if
 * the other side has such a route to us, too.
 */
export const PROBE_TOS = 0x1c;

/** The host as it should be. */
export interface HostState {
  /**
   * Null without a tunnel (host-gw). The address is held as a /32 (IPv6: /128). `probed`: that of IPv6 at which others ask by
   * direct routes, where there are any.
   */
  readonly device: {
    readonly iface: number;
    readonly address: string;
    readonly probed?: string;
    readonly mtu: number;
  } | null;
  /** The overlay network. */
  readonly network: Prefix;
  /** Our lease. */
  readonly subnet: Prefix;
  readonly directRoutes: readonly DirectRoute[];
  /** The same to the addresses of devices, for probes alone. */
  readonly probeRoutes?: readonly DirectRoute[];
}

/**
 * The routes a state wants: the network by the device, nothing by default for our own subnet, and one route by
 * its gateway for each direct peer. All carry the device's address as their source, so that a connection
 * outlives a change between tunnel and direct route.
 */
export function wantedRoutes(state: HostState): Route[] {
  const source = state.device?.address ?? null;
  const routes: Route[] = [];
  if (state.device !== null) {
    const scope = isIpv4(state.network.address) ? SCOPE_LINK : 0;
    routes.push({ ...blank(state.network), iface: state.device.iface, source, scope });
  }
  routes.push({ ...blank(state.subnet), type: "unreachable", metric: UNREACHABLE_METRIC });
  for (const { destination, gateway, iface, mtu } of state.directRoutes) {
    routes.push({ ...blank(destination), gateway, iface, source, ...(mtu === undefined ? {} : { mtu }) });
  }
  const probed = state.device?.probed;
  for (const { destination, gateway, iface } of state.probeRoutes ?? []) {
    const way = { ...blank(destination), gateway, iface };
    routes.push(probed === undefined ? { ...way, source, tos: PROBE_TOS } : { ...way, source: probed });
  }
  return routes;
}

function blank(destination: Prefix): Route {
  return {
    destination,
    type: "unicast",
    gateway: null,
    iface: null,
    metric: isIpv4(destination.address) ? 0 : IPV6_METRIC,
    protocol: ROUTE_PROTOCOL,
    table: TABLE_MAIN,
    source: null,
    onlink: false,
    scope: 0,
  };
}

/** Whether a route is marked ours; with a network, whether it also leads into it. */
export function isOwned(route: Route, network: Prefix | null): boolean {
  if (route.protocol !== ROUTE_PROTOCOL || route.table !== TABLE_MAIN) return false;
  return network === null || isInside(route.destination, network);
}

/** Whether two routes take the same place in the kernel's table: only one of them can be there. */
export function samePlace(a: Route, b: Route): boolean {
  return samePrefix(a.destination, b.destination) && a.metric === b.metric && a.table === b.table &&
    (a.tos ?? 0) === (b.tos ?? 0);
}

// The scope is left out: for IPv6 the kernel reports its own.
function sameRoute(a: Route, b: Route): boolean {
  return samePlace(a, b) && a.type === b.type && a.gateway === b.gateway && a.iface === b.iface &&
    a.protocol === b.protocol && a.source === b.source && a.onlink === b.onlink && a.mtu === b.mtu;
}

/** What to add and what to remove. Routes that are not ours are never in it, identical ones are left in place. */
export function diffRoutes(
  wanted: readonly Route[],
  current: readonly Route[],
  own: { readonly network: Prefix },
): { add: Route[]; remove: Route[] } {
  const owned = current.filter((route) => isOwned(route, own.network));
  const there = byDestination(owned), asked = byDestination(wanted);
  return {
    add: wanted.filter((route) => !there(route.destination).some((one) => sameRoute(one, route))),
    remove: owned.filter((route) => !asked(route.destination).some((one) => sameRoute(one, route))),
  };
}

/** Finds the routes to a destination: a host with a thousand neighbours has two thousand routes of ours. */
export function byDestination(routes: readonly Route[]): (destination: Prefix) => readonly Route[] {
  const found = new Map<string, Route[]>(); // BOUNDED: by the routes
  for (const route of routes) {
    const likes = found.get(route.destination.text);
    if (likes === undefined) found.set(route.destination.text, [route]);
    else likes.push(route);
  }
  return ({ text }) => found.get(text) ?? [];
}

// ----------------------------------------------------------------------------------------------------
// Addresses of interfaces as prefixes. What the kernel lists is well-formed.

/** "10.42.7.1/24": the address with the length of its network, the bits of the host included. */
export function heldPrefix({ address, prefixLength }: InterfaceAddress): Prefix {
  const bytes = parseAddress(address)!;
  return new Prefix(bytes, prefixLength + (isIpv4(bytes) ? IPV4_BITS_AT : 0));
}

/** "10.42.7.1/32". */
export function addressAlone({ address }: InterfaceAddress): Prefix {
  return hostPrefix(parseAddress(address)!);
}
