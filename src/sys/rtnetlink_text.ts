/**
 * Between the two languages of host_network.ts: ports/host.ts speaks of addresses and route types as text,
 * wire/rtnetlink.ts as bytes and numbers. Text that is not an address is a mistake of ours: TypeError.
 */

import type { InterfaceAddress, NetworkInterface, Route, RouteType, RoutingRule } from "../ports/host.ts";
import { type Address, formatAddress, formatMac, parseAddress, parseMac } from "../wire/address.ts";
import type { NetlinkMessage } from "../wire/netlink.ts";
import {
  type AddressMessage,
  familyOf,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_UP,
  type LinkMessage,
} from "../wire/rtnetlink.ts";
import { type NeighbourMessage, type RouteMessage, RTNH_F_ONLINK } from "../wire/rtnetlink_route.ts";
import { FR_ACT_TO_TBL, type RuleMessage } from "../wire/rtnetlink_rule.ts";

// rtm_type by its number; the rest is "other".
const ROUTE_TYPES = new Map<number, RouteType>([
  [1, "unicast"],
  [2, "local"],
  [3, "broadcast"],
  [5, "multicast"],
  [6, "blackhole"],
  [7, "unreachable"],
  [8, "prohibit"],
  [9, "throw"],
]);
const REJECTING: readonly RouteType[] = ["blackhole", "unreachable", "prohibit", "throw"];

/** An entry of a neighbour table or, with `bridge`, of an interface's forwarding database. */
export interface Neighbour {
  readonly iface: number;
  /** The neighbour's address; in a forwarding database that of the remote VTEP, or null. */
  readonly address: string | null;
  readonly mac: string | null;
  /** NUD_…: 128 permanent, 2 reachable, 4 stale, … */
  readonly state: number;
  readonly bridge: boolean;
}

/**
 * The entries in the answers of that type. What the kernel says is well-formed; should it not be, the entry is
 * left out rather than the host refused.
 */
export function decoded<T>(
  answers: NetlinkMessage[],
  type: number,
  decode: (payload: Uint8Array) => T | null,
): T[] {
  return answers.filter((m) => m.type === type).map((m) => decode(m.payload)).filter((entry) =>
    entry !== null
  );
}

export function toInterface(m: LinkMessage): NetworkInterface {
  return {
    index: m.index,
    name: m.name,
    kind: m.kind,
    mtu: m.mtu,
    up: (m.flags & IFF_UP) !== 0,
    loopback: m.loopback,
    ...((m.flags & (IFF_NOARP | IFF_POINTOPOINT)) === 0 ? {} : { noNeighbours: true }),
    mac: m.mac === null ? null : formatMac(m.mac),
    master: m.master,
    ...(m.udpPort === null ? {} : { udpPort: m.udpPort }),
  };
}

export function toAddress(m: AddressMessage): InterfaceAddress {
  return { ...m, address: formatAddress(m.address) };
}

export function fromAddress(a: InterfaceAddress): AddressMessage {
  return { iface: a.iface, address: textAddress(a.address), prefixLength: a.prefixLength, scope: a.scope };
}

/** A rejecting IPv6 route is shown by the kernel on `lo`; that interface means nothing and is left out. */
export function toRoute(m: RouteMessage): Route {
  const type = ROUTE_TYPES.get(m.type) ?? "other";
  return {
    destination: m.destination,
    type,
    gateway: m.gateway === null ? null : formatAddress(m.gateway),
    iface: REJECTING.includes(type) ? null : m.iface,
    metric: m.metric,
    protocol: m.protocol,
    table: m.table,
    source: m.source === null ? null : formatAddress(m.source),
    onlink: (m.flags & RTNH_F_ONLINK) !== 0,
    scope: m.scope,
    ...(m.tos === undefined ? {} : { tos: m.tos }),
    ...(m.mtu === null ? {} : { mtu: m.mtu }),
    ...(m.manyHops === undefined ? {} : { manyHops: true }),
  };
}

/** Throws TypeError for a route of type "other" and for text that is no address. */
export function fromRoute(r: Route): RouteMessage {
  const { destination } = r;
  const type = [...ROUTE_TYPES].find(([, name]) => name === r.type)?.[0];
  if (type === undefined) throw new TypeError(`Cannot express a route of type "${r.type}"`);
  return {
    family: familyOf(destination.address),
    destination,
    type,
    scope: r.scope,
    protocol: r.protocol,
    table: r.table,
    flags: r.onlink ? RTNH_F_ONLINK : 0,
    gateway: r.gateway === null ? null : textAddress(r.gateway),
    iface: r.iface,
    metric: r.metric,
    source: r.source === null ? null : textAddress(r.source),
    mtu: r.mtu ?? null,
    ...(r.tos === undefined ? {} : { tos: r.tos }),
  };
}

/** Null for a rule that sends to no table. */
export function toRule(m: RuleMessage): RoutingRule | null {
  if (m.action !== FR_ACT_TO_TBL) return null;
  // `not fwmark X` takes what is unmarked; the opposite of another condition is a condition, too.
  const fits = m.mark === 0;
  return {
    priority: m.priority,
    table: m.table,
    suppress: m.suppress,
    to: m.to === null || m.inverted ? null : m.to,
    unmarked: m.inverted && m.to === null && !m.conditional ? !fits : fits || m.inverted,
    partial: m.conditional || (m.inverted && m.to !== null),
  };
}

export function toNeighbour(m: NeighbourMessage): Neighbour {
  return {
    iface: m.iface,
    address: m.address === null ? null : formatAddress(m.address),
    mac: m.mac === null ? null : formatMac(m.mac),
    state: m.state,
    bridge: m.bridge,
  };
}

export function fromNeighbour(n: Neighbour): NeighbourMessage {
  return {
    iface: n.iface,
    address: n.address === null ? null : textAddress(n.address),
    mac: n.mac === null ? null : textMac(n.mac),
    state: n.state,
    bridge: n.bridge,
  };
}

/** `unreachable 10.42.7.0/24 metric 5`, `10.42.9.0/24 via 192.168.1.11 link 2`. */
export function routeText(r: Route): string {
  const type = r.type === "unicast" ? "" : `${r.type} `;
  const via = r.gateway === null ? "" : ` via ${r.gateway}`;
  const iface = r.iface === null ? "" : ` link ${r.iface}`;
  const metric = r.metric === 0 ? "" : ` metric ${r.metric}`;
  const tos = r.tos === undefined ? "" : ` tos 0x${r.tos.toString(16)}`;
  return `${type}${r.destination}${tos}${via}${iface}${metric}`;
}

/** The bytes of an address that ovltun itself wrote; TypeError when it is none. */
export function textAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === null) throw new TypeError(`Not an address: "${text}"`);
  return address;
}

/** The bytes of an Ethernet address that ovltun itself wrote; TypeError when it is none. */
export function textMac(text: string): Uint8Array {
  const mac = parseMac(text);
  if (mac === null) throw new TypeError(`Not an Ethernet address: "${text}"`);
  return mac;
}
