/**
 * Which networks are free on a host. An overlay network in which the host has a route or an address already cannot
 * be reached as a whole: a founder, or a host that joins for the first time, is refused and told what is in the way,
 * and a founder without --network gets one at random that overlaps nothing. What overlaps a node that holds a lease
 * is for shadows.ts. Pure; the routes are those of ports.HostNetwork, all tables.
 *
 * What counts: a route as long as the network's or longer, of any table, and an address in the network. A shorter one
 * does not: among routes of one table the longest wins, so that 10.0.0.0/8 goes on for all but the mesh. Nor does one
 * that only drops (blackhole, unreachable, prohibit, throw) and contains the network: nothing is behind it.
 */

import {
  type InterfaceAddress,
  type NetworkInterface,
  type Route,
  type RouteType,
  TABLE_LOCAL,
  TABLE_MAIN,
} from "../ports/host.ts";
import type { Random } from "../ports/time.ts";
import { isIpv4, isLinkLocal, isLoopback, isMulticast } from "../wire/address.ts";
import {
  IPV4_BITS_AT,
  isInside,
  networkOf,
  nthSubnet,
  overlaps,
  Prefix,
  prefix,
  writtenLength,
} from "../wire/prefix.ts";
import { describeRoute } from "./describe.ts";
import { heldPrefix } from "./owned.ts";

const RANDOM_LENGTH = IPV4_BITS_AT + 16;
/** Of which a network is drawn (RFC 4193: those that a site chooses itself). */
export const UNIQUE_LOCAL = prefix("fd00::/8");
const ULA_LENGTH = 48;
/** Of 2^40 networks a host has few: so many that are taken are no accident. */
const ULA_TRIES = 16;
const SINKS: readonly RouteType[] = ["blackhole", "unreachable", "prohibit", "throw"];

/**
 * Where a founder's network comes from, the best first: what few others use, the rest of RFC 1918 but for the defaults
 * of others, and those. 100.64.0.0/10 is left out, it belongs to providers (RFC 6598) and Tailscale.
 */
function foundingNetworks(): Prefix[][] {
  const rest = [
    ...range("10.0.0.0/8", 0, 127),
    ...range("10.0.0.0/8", 255, 255),
    ...range("172.16.0.0/12", 0, 15),
    ...range("192.168.0.0/16", 0, 0),
  ];
  return [range("10.0.0.0/8", 128, 254), rest.filter((one) => !isDefault(one)), rest.filter(isDefault)];
}

/** Where all of these are. */
export const FOUNDING_RANGES: readonly Prefix[] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map(
  prefix,
);

/** Of k3s, Kubernetes, Docker, and of routers at home. */
function isDefault(network: Prefix): boolean {
  return ["10.42.0.0/16", "10.43.0.0/16", "10.96.0.0/16", "172.17.0.0/16", "192.168.0.0/16", "10.0.0.0/16"]
    .includes(network.text);
}

function range(within: string, first: number, last: number): Prefix[] {
  const found: Prefix[] = [];
  for (let n = first; n <= last; n++) found.push(nthSubnet(prefix(within), RANDOM_LENGTH, n));
  return found;
}

/** What on the host is ours, or there because of us. */
export interface OwnMarks {
  /** ROUTE_PROTOCOL. */
  readonly protocol: number;
  /** Interface index of our device. */
  readonly device: number | null;
  /** Our lease: a container bridge rightly holds an address of it. */
  readonly subnet: Prefix | null;
  /** Devices of other ovltun instances, whose routes carry our mark. */
  readonly otherDevices?: readonly number[];
}

/**
 * The routes and addresses of the host that overlap `network` and are not ours; an address is shown as the route it makes.
 */
export function overlappingRoutes(
  routes: readonly Route[],
  addresses: readonly InterfaceAddress[],
  ours: Prefix,
  own: OwnMarks,
): Route[] {
  const candidates = [
    ...routes.filter((route) => route.table !== TABLE_LOCAL && route.type !== "multicast"),
    ...addresses.map(addressRoute),
    ...routes.filter((route) => route.table === TABLE_LOCAL && route.type === "local"),
  ];
  return candidates.filter((route) => {
    const { destination } = route;
    if (isOwn(route, own) || !isOrdinary(destination) || !overlaps(destination, ours)) return false;
    return destination.length > ours.length || (destination.length === ours.length && !isSink(route));
  });
}

/** Whether a route only drops what it takes. */
export function isSink(route: Route): boolean {
  return SINKS.includes(route.type);
}

/** Whether a route is ours, or there because of us. */
export function isOwn(route: Route, own: OwnMarks): boolean {
  if (route.iface !== null && route.iface === own.device) return true;
  if (own.subnet !== null && isInside(route.destination, own.subnet)) return true;
  if (route.protocol !== own.protocol) return false;
  return route.iface === null || own.otherDevices?.includes(route.iface) !== true;
}

/** The route that an address makes. */
export function addressRoute(a: InterfaceAddress): Route {
  return {
    destination: networkOf(heldPrefix(a)),
    type: "unicast",
    gateway: null,
    iface: a.iface,
    metric: 0,
    protocol: 0,
    table: TABLE_MAIN,
    source: null,
    onlink: false,
    scope: a.scope,
  };
}

/**
 * `Network "10.42.0.0/16" overlaps the route 10.42.0.0/24 dev cni0; choose another with --network`. `settled`: the
 * network is a mesh's, which others chose.
 */
export function describeOverlap(
  network: Prefix,
  route: Route,
  interfaces: readonly NetworkInterface[],
  settled: boolean,
): string {
  const flag = isIpv4(network.address) ? "--network" : "--network6";
  const remedy = settled
    ? "the network of a mesh cannot be changed: remove the route from this host, or found a new mesh with " +
      `another ${flag}`
    : `choose another with ${flag}`;
  return `Network "${network}" overlaps the route ${describeRoute(route, interfaces)}; ${remedy}`;
}

/**
 * A random private /16 that no route and no address of the host touches: between 10.128.0.0 and 10.254.0.0 while there
 * is one, else elsewhere. Only where broad routes cover all of them (10.0.0.0/8 of an office or a VPN, and so
 * on) one inside such a route, which goes on for the rest. Throws an Error that names what is in the way when there is
 * none.
 */
export function randomNetwork(
  random: Random,
  routes: readonly Route[],
  addresses: readonly InterfaceAddress[] = [],
): Prefix {
  const { broad, used } = inTheWay([...routes, ...addresses.map(addressRoute)]);
  const [best, ...others] = foundingNetworks();
  for (const broader of [broad, []]) {
    for (const candidates of [best!, ...others]) {
      const free = candidates.filter((one) =>
        !used.has(slash16(one)) && !broader.some((prefix) => overlaps(prefix, one))
      );
      if (free.length > 0) return free[random.below(free.length)]!;
    }
  }
  const shown = best!.flatMap((one) => used.get(slash16(one)) ?? []);
  throw new Error(
    `No private /16 is free (routes: ${shown.slice(0, 3).join(", ")}, …); choose a network with --network`,
  );
}

/** Of a hundred thousand routes each is looked at once: a longer one lies in one /16, and broader ones are few. */
function inTheWay(routes: readonly Route[]): { broad: Prefix[]; used: ReadonlyMap<number, Prefix> } {
  // BOUNDED: each ≤ 65,536, the numbers of 16 bits
  const broad = new Map<string, Prefix>(), used = new Map<number, Prefix>();
  for (const { type, destination } of routes) {
    if (type === "multicast" || !isIpv4(destination.address) || !isOrdinary(destination)) continue;
    if (destination.length < RANDOM_LENGTH) broad.set(destination.text, destination);
    else if (!used.has(slash16(destination))) used.set(slash16(destination), destination);
  }
  return { broad: [...broad.values()], used };
}

/** The first two bytes of an IPv4 address. */
function slash16({ address }: Prefix): number {
  return address[12]! << 8 | address[13]!;
}

/**
 * A random unique local /48 (RFC 4193) that no route and no address of the host touches. Throws an Error that names what is
 * in the way when there is none.
 */
export function randomNetwork6(
  random: Random,
  routes: readonly Route[],
  addresses: readonly InterfaceAddress[] = [],
): Prefix {
  const taken = [...routes, ...addresses.map(addressRoute)].map(({ destination }) => destination)
    .filter(isOrdinary);
  const longer = taken.filter(({ length }) => length >= ULA_LENGTH);
  for (const inTheWay of [taken, longer]) {
    for (let i = 0; i < ULA_TRIES; i++) {
      const address = new Uint8Array(16);
      address[0] = 0xfd;
      address.set(random.bytes(5), 1);
      const network = new Prefix(address, ULA_LENGTH);
      if (!inTheWay.some((one) => overlaps(one, network))) return network;
    }
  }
  throw new Error("No unique local /48 is free on this host; choose a network with --network6");
}

// Neither a default route (or half of one), nor one of the special ranges that every host has.
function isOrdinary(p: Prefix): boolean {
  if (writtenLength(p) <= 1) return false;
  return !isMulticast(p.address) && !isLinkLocal(p.address) && !isLoopback(p.address);
}
