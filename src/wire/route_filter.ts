/**
 * Which routes are of interest, so that a host with a hundred thousand of them is asked for few: what of it the kernel
 * can look for itself stands in the request for a dump (rtnetlink(7) with NETLINK_GET_STRICT_CHK, Linux 4.20), what it
 * cannot is found in the bytes of each answer. Older kernels answer with all: every answer is compared once more.
 */

import { u16le } from "./bytes.ts";
import { attributeU32, join } from "./netlink.ts";
import { IPV4_BITS_AT, isEverything, overlaps, type Prefix } from "./prefix.ts";
import { addressBytes, AF_INET, AF_INET6, bitsOf, familyOf } from "./rtnetlink.ts";
import {
  PROTOCOL_AT,
  RTA_DST,
  RTA_OIF,
  RTM_F_CLONED,
  RTMSG_FLAGS_AT,
  RTMSG_LEN,
  TABLE_AT,
} from "./rtnetlink_route.ts";

/** All that is named must fit. */
export interface RouteFilter {
  /** Who installed them. */
  readonly protocol?: number;
  readonly table?: number;
  /** They lead into this interface. */
  readonly iface?: number;
  /** They share addresses with it: longer, equal or shorter ones, default routes among them. */
  readonly overlapping?: Prefix;
  /** Default routes. */
  readonly defaults?: true;
}

/** What of a route a filter looks at. */
export interface Filtered {
  readonly destination: Prefix;
  readonly protocol: number;
  readonly table: number;
  readonly iface: number | null;
}

export function fitsFilter(route: Filtered, filter: RouteFilter): boolean {
  return (filter.protocol === undefined || route.protocol === filter.protocol) &&
    (filter.table === undefined || route.table === filter.table) &&
    (filter.iface === undefined || route.iface === filter.iface) &&
    (filter.overlapping === undefined || sharesAddresses(route.destination, filter.overlapping)) &&
    (filter.defaults === undefined || isEverything(route.destination));
}

/** Of one family: `::/0` has no IPv4 address. */
function sharesAddresses(p: Prefix, q: Prefix): boolean {
  return familyOf(p.address) === familyOf(q.address) && overlaps(p, q);
}

/** Equal for filters that ask for the same. */
export function filterText({ protocol, table, iface, overlapping, defaults }: RouteFilter): string {
  return `${protocol} ${table} ${iface} ${overlapping} ${defaults}`;
}

/** The address families in which there can be such routes. */
export function familiesOf({ overlapping }: RouteFilter): readonly number[] {
  return overlapping === undefined ? [AF_INET, AF_INET6] : [familyOf(overlapping.address)];
}

/** Payload of a dump of the routes of one family. */
export function encodeRouteDump(family: number, { protocol, table, iface }: RouteFilter = {}): Uint8Array {
  const header = new Uint8Array(RTMSG_LEN);
  header[0] = family;
  header[PROTOCOL_AT] = protocol ?? 0;
  // A larger number would need an attribute; the answers are compared in any case.
  header[TABLE_AT] = table !== undefined && table < 256 ? table : 0;
  return iface === undefined ? header : join([header, attributeU32(RTA_OIF, iface)]);
}

/**
 * A test for the payloads of a dump that is quick to say no, and sure: what it lets pass is to be decoded and compared
 * with `fitsFilter`. A route's destination is compared where it lies.
 */
export function payloadTest(family: number, filter: RouteFilter): (payload: Uint8Array) => boolean {
  const { protocol, overlapping, defaults } = filter;
  const network = overlapping === undefined ? null : addressBytes(overlapping.address, family);
  const length = (overlapping?.length ?? 128) - (family === AF_INET ? IPV4_BITS_AT : 0);
  return (b) => {
    if (b.length < RTMSG_LEN || b[0] !== family || (b[RTMSG_FLAGS_AT + 1]! & RTM_F_CLONED >> 8) !== 0) {
      return false;
    }
    if (protocol !== undefined && b[PROTOCOL_AT] !== protocol) return false;
    const bits = b[1]!;
    if (defaults !== undefined && bits !== 0) return false;
    if (network === null || bits > bitsOf(family)) return true;
    const at = destinationAt(b);
    return at < 0 || sharesBits(b, at, network, Math.min(bits, length));
  };
}

/** Where the destination's bytes are; -1: the message has none, or is odd. */
function destinationAt(b: Uint8Array): number {
  for (let at = RTMSG_LEN; b.length - at >= 4;) {
    const length = u16le(b, at);
    if (length < 4 || length > b.length - at) return -1;
    if (u16le(b, at + 2) === RTA_DST) return at + 4;
    at += (length + 3) & ~3;
  }
  return -1;
}

function sharesBits(b: Uint8Array, at: number, network: Uint8Array, bits: number): boolean {
  const whole = bits >>> 3;
  for (let i = 0; i < whole; i++) if (b[at + i] !== network[i]) return false;
  const rest = bits & 7;
  return rest === 0 || ((b[at + whole]! ^ network[whole]!) & (0xff00 >>> rest) & 0xff) === 0;
}
