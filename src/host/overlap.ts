// Which networks are free on a host. An overlay network that overlaps a route or an address of the host would
// take traffic away from it, so we refuse it and name what is in the way, and a founder picks one at random
// among those that overlap nothing. Pure; the routes are those of ports.HostNetwork, all tables.

import type { Link, LinkAddress, Random, Route } from "../ports.ts";
import {
  formatPrefix,
  isIpv4,
  isLinkLocal,
  isLoopback,
  isMulticast,
  networkOf,
  nthSubnet,
  overlaps,
  parseInterface,
  parsePrefix,
  type Prefix,
} from "../wire/address.ts";
import { describeRoute } from "./describe.ts";
import { isInside } from "./owned.ts";

const TABLE_LOCAL = 255; // the addresses once more, broadcasts, multicast
const RANDOM_SPACE = "10.0.0.0/8";
const RANDOM_LENGTH = 96 + 16;
const RANDOM_FIRST = 128;
const RANDOM_LAST = 254;

/** What on the host is ours, or there because of us. */
export interface OwnMarks {
  /** ROUTE_PROTOCOL. */
  readonly protocol: number;
  /** Link index of our device. */
  readonly device: number | null;
  /** A lease we held before: a container bridge may rightly hold an address of it. */
  readonly subnet: string | null;
}

/**
 * The first route or address of the host that overlaps `network` and is not ours; an address is shown as the
 * route it makes. Default routes, also in two halves as VPNs write them, are no overlap.
 * Throws RangeError when `network` is no prefix.
 */
export function overlappingRoute(
  routes: readonly Route[],
  addresses: readonly LinkAddress[],
  network: string,
  own: OwnMarks,
): Route | null {
  const ours = prefixOf(network);
  const candidates = [
    ...routes.filter((route) => route.table !== TABLE_LOCAL && route.type !== "multicast"),
    ...addresses.map(addressRoute),
  ];
  for (const route of candidates) {
    if (route.protocol === own.protocol || (route.link !== null && route.link === own.device)) continue;
    if (own.subnet !== null && isInside(route.destination, own.subnet)) continue;
    const prefix = parsePrefix(route.destination);
    if (prefix !== null && isSpecific(prefix) && overlaps(prefix, ours)) return route;
  }
  return null;
}

/**
 * `Network "10.42.0.0/16" overlaps the route 10.42.0.0/24 dev cni0; choose another with --network`. `settled`: the
 * network is a mesh's, which others chose.
 */
export function describeOverlap(
  network: string,
  route: Route,
  links: readonly Link[],
  settled: boolean,
): string {
  const remedy = settled
    ? "the mesh has that network for good: remove the route from this host, or found the mesh with another --network"
    : "choose another with --network";
  return `Network "${network}" overlaps the route ${describeRoute(route, links)}; ${remedy}`;
}

/**
 * A random /16 between 10.128.0.0 and 10.254.0.0 that overlaps no route of the host, local ones included.
 * Throws an Error that names what is in the way when there is none.
 */
export function randomNetwork(random: Random, routes: readonly Route[]): string {
  const taken = routes.map((route) => parsePrefix(route.destination)).filter((p) => p !== null).filter(
    isSpecific,
  );
  const free: Prefix[] = [];
  for (let n = RANDOM_FIRST; n <= RANDOM_LAST; n++) {
    const candidate = nthSubnet(prefixOf(RANDOM_SPACE), RANDOM_LENGTH, n);
    if (!taken.some((prefix) => overlaps(prefix, candidate))) free.push(candidate);
  }
  if (free.length > 0) return formatPrefix(free[random.below(free.length)]!);
  const inTheWay = taken.filter((prefix) => overlaps(prefix, prefixOf(RANDOM_SPACE))).map(formatPrefix);
  throw new Error(
    `No /16 between 10.128.0.0 and 10.254.0.0 is free (routes: ${
      inTheWay.slice(0, 3).join(", ")
    }); choose one with --network`,
  );
}

// Neither a default route (or half of one), nor one of the special ranges that every host has.
function isSpecific(p: Prefix): boolean {
  if (p.length - (isIpv4(p.address) ? 96 : 0) <= 1) return false;
  return !isMulticast(p.address) && !isLinkLocal(p.address) && !isLoopback(p.address);
}

function addressRoute(a: LinkAddress): Route {
  const whole = parseInterface(`${a.address}/${a.prefixLength}`);
  return {
    destination: whole === null ? `${a.address}/${a.prefixLength}` : formatPrefix(networkOf(whole)),
    type: "unicast",
    gateway: null,
    link: a.link,
    metric: 0,
    protocol: 0,
    table: TABLE_LOCAL,
    source: null,
    onlink: false,
    scope: a.scope,
  };
}

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === null) throw new RangeError(`Not a network: "${text}"`);
  return prefix;
}
