/**
 * Routes and neighbours in rtnetlink (rtnetlink(7), linux/rtnetlink.h, linux/neighbour.h): payloads of messages
 * of wire/netlink.ts. Of a route with several next hops the first one is shown: we install none, and the program that
 * reads them asks only what a destination is taken by. Forwarding database entries are neighbours of AF_BRIDGE.
 */

import { type Address, addressFromU32 } from "./address.ts";
import { Prefix } from "./prefix.ts";
import { putU16le, putU32le, u16le, u32le } from "./bytes.ts";
import {
  attribute,
  type Attributes,
  attributeU32,
  decodeAttributes,
  join,
  nest,
  readNested,
  readU32,
} from "./netlink.ts";
import {
  addressBytes,
  addressOfFamily,
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  bitsOf,
  familyOf,
  readAddress,
} from "./rtnetlink.ts";

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

export const RTNH_F_ONLINK = 4;
export const RTM_F_CLONED = 0x200; // a cached exception (a path MTU), not a route
export const NUD_PERMANENT = 0x80;
const NTF_SELF = 2;

// struct rtmsg: | family | dst_len | src_len | tos | table | protocol | scope | type | flags u32 |
export const RTMSG_LEN = 12;
const TOS_AT = 3;
export const TABLE_AT = 4;
export const PROTOCOL_AT = 5;
const SCOPE_AT = 6;
const TYPE_AT = 7;
export const RTMSG_FLAGS_AT = 8;

export const RTA_DST = 1;
export const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTA_NH_ID = 30;
const RTAX_MTU = 2;
const RTNEXTHOP_LEN = 8; // | len u16 | flags u8 | hops u8 | ifindex i32 |, then attributes

// struct ndmsg: | family u8 | pad 3 | ifindex i32 | state u16 | flags u8 | type u8 |
const NDMSG_LEN = 12;
const NDA_DST = 1;
const NDA_LLADDR = 2;

/** A route as RTM_NEWROUTE shows it, and as we ask for one. */
export interface RouteMessage {
  /** AF_INET or AF_INET6; when encoding, that of the destination counts. */
  readonly family: number;
  readonly destination: Prefix;
  /** rtm_type: 1 unicast, 2 local, 7 unreachable, … */
  readonly type: number;
  readonly scope: number;
  readonly protocol: number;
  readonly table: number;
  /** RTNH_F_… and RTM_F_… */
  readonly flags: number;
  readonly gateway: Address | null;
  readonly iface: number | null;
  readonly metric: number;
  readonly source: Address | null;
  /** RTAX_MTU, or null where the link's MTU counts. */
  readonly mtu: number | null;
  /** rtm_tos; absent: 0, all packets. */
  readonly tos?: number;
  /** It has several next hops, or a next-hop object (RTA_NH_ID), which changes by itself. Not encoded. */
  readonly manyHops?: true;
}

/** A neighbour, or with `bridge` an entry of a forwarding database (where `address` is the remote VTEP). */
export interface NeighbourMessage {
  readonly iface: number;
  readonly address: Address | null;
  readonly mac: Uint8Array | null;
  /** NUD_…: 0x80 permanent, 2 reachable, … */
  readonly state: number;
  readonly bridge: boolean;
}

/** Payload of RTM_NEWROUTE or RTM_DELROUTE. */
export function encodeRoute(r: RouteMessage): Uint8Array {
  const family = familyOf(r.destination.address);
  const header = new Uint8Array(RTMSG_LEN);
  header[0] = family;
  header[1] = r.destination.length - 128 + bitsOf(family);
  header[TOS_AT] = r.tos ?? 0;
  header[TABLE_AT] = r.table > 255 ? 0 : r.table;
  header[PROTOCOL_AT] = r.protocol;
  header[SCOPE_AT] = r.scope;
  header[TYPE_AT] = r.type;
  putU32le(header, RTMSG_FLAGS_AT, r.flags);
  const parts: Uint8Array[] = [header, attributeU32(RTA_TABLE, r.table)];
  if (header[1]! > 0) parts.push(attribute(RTA_DST, addressBytes(r.destination.address, family)));
  if (r.gateway !== null) parts.push(encodeGateway(r.gateway, family));
  if (r.iface !== null) parts.push(attributeU32(RTA_OIF, r.iface));
  if (r.metric !== 0) parts.push(attributeU32(RTA_PRIORITY, r.metric));
  if (r.source !== null) parts.push(attribute(RTA_PREFSRC, addressBytes(r.source, family)));
  if (r.mtu !== null) parts.push(nest(RTA_METRICS, [attributeU32(RTAX_MTU, r.mtu)]));
  return join(parts);
}

// RTA_VIA is a gateway of another family: struct rtvia, | family u16 | address |.
function encodeGateway(gateway: Address, family: number): Uint8Array {
  const own = familyOf(gateway);
  const bytes = addressBytes(gateway, own);
  return own === family
    ? attribute(RTA_GATEWAY, bytes)
    : attribute(RTA_VIA, join([Uint8Array.of(own, 0), bytes]));
}

/** Payload of an RTM_GETROUTE for one destination: which way would a packet take. */
export function encodeRouteLookup(to: Address, tos = 0): Uint8Array {
  const family = familyOf(to);
  const header = new Uint8Array(RTMSG_LEN);
  header[0] = family;
  header[TOS_AT] = tos;
  header[1] = bitsOf(family);
  return join([header, attribute(RTA_DST, addressBytes(to, family))]);
}

/** The payload of an RTM_NEWROUTE or RTM_DELROUTE; null when malformed or of another family. */
export function decodeRoute(b: Uint8Array): RouteMessage | null {
  const attributes = b.length < RTMSG_LEN ? null : decodeAttributes(b, RTMSG_LEN);
  const family = b[0];
  if (attributes === null || (family !== AF_INET && family !== AF_INET6)) return null;
  const destination = readDestination(attributes, family, b[1]!);
  const hop = readHop(attributes, family);
  if (destination === null || hop === null) return null;
  const metrics = readNested(attributes, RTA_METRICS);
  return {
    family,
    destination,
    type: b[TYPE_AT]!,
    scope: b[SCOPE_AT]!,
    protocol: b[PROTOCOL_AT]!,
    table: readU32(attributes, RTA_TABLE) ?? b[TABLE_AT]!,
    flags: (u32le(b, RTMSG_FLAGS_AT) | hop.flags) >>> 0,
    gateway: hop.gateway,
    iface: hop.iface,
    metric: readU32(attributes, RTA_PRIORITY) ?? 0,
    source: readAddress(attributes, RTA_PREFSRC, family),
    mtu: metrics === null ? null : readU32(metrics, RTAX_MTU),
    ...(b[TOS_AT] === 0 ? {} : { tos: b[TOS_AT]! }),
    ...(attributes.has(RTA_MULTIPATH) || attributes.has(RTA_NH_ID) ? { manyHops: true } : {}),
  };
}

function readDestination(attributes: Attributes, family: number, bits: number): Prefix | null {
  const length = bits + 128 - bitsOf(family);
  if (length > 128) return null;
  if (attributes.has(RTA_DST)) {
    const address = readAddress(attributes, RTA_DST, family);
    return address === null ? null : new Prefix(address, length);
  }
  return new Prefix(family === AF_INET ? addressFromU32(0) : new Uint8Array(16), length);
}

interface Hop {
  readonly gateway: Address | null;
  readonly iface: number | null;
  readonly flags: number;
}

function readHop(attributes: Attributes, family: number): Hop | null {
  const several = attributes.get(RTA_MULTIPATH);
  if (several === undefined) {
    return { gateway: readGateway(attributes, family), iface: readU32(attributes, RTA_OIF), flags: 0 };
  }
  const length = several.length < RTNEXTHOP_LEN ? 0 : u16le(several, 0);
  if (length < RTNEXTHOP_LEN || length > several.length) return null;
  const own = decodeAttributes(several.subarray(0, length), RTNEXTHOP_LEN);
  if (own === null) return null;
  return { gateway: readGateway(own, family), iface: u32le(several, 4), flags: several[2]! };
}

function readGateway(attributes: Attributes, family: number): Address | null {
  const via = attributes.get(RTA_VIA);
  if (via !== undefined && via.length > 2) return addressOfFamily(via.subarray(2), u16le(via, 0));
  return readAddress(attributes, RTA_GATEWAY, family);
}

/** Payload of RTM_NEWNEIGH or RTM_DELNEIGH. */
export function encodeNeighbour(n: NeighbourMessage): Uint8Array {
  const header = encodeNeighbourDump(n.bridge ? AF_BRIDGE : n.address === null ? 0 : familyOf(n.address));
  putU32le(header, 4, n.iface);
  putU16le(header, 8, n.state);
  header[10] = n.bridge ? NTF_SELF : 0;
  const parts: Uint8Array[] = [header];
  if (n.address !== null) parts.push(attribute(NDA_DST, addressBytes(n.address, familyOf(n.address))));
  if (n.mac !== null) parts.push(attribute(NDA_LLADDR, n.mac));
  return join(parts);
}

/** Payload of a dump of the neighbours of one family, AF_BRIDGE for the forwarding databases. */
export function encodeNeighbourDump(family: number): Uint8Array {
  const header = new Uint8Array(NDMSG_LEN);
  header[0] = family;
  return header;
}

/** The payload of an RTM_NEWNEIGH or RTM_DELNEIGH; null when malformed. */
export function decodeNeighbour(b: Uint8Array): NeighbourMessage | null {
  const attributes = b.length < NDMSG_LEN ? null : decodeAttributes(b, NDMSG_LEN);
  if (attributes === null) return null;
  const to = attributes.get(NDA_DST);
  const mac = attributes.get(NDA_LLADDR);
  return {
    iface: u32le(b, 4),
    address: to === undefined ? null : addressOfFamily(to, to.length === 4 ? AF_INET : AF_INET6),
    mac: mac?.length === 6 ? mac.slice() : null,
    state: u16le(b, 8),
    bridge: b[0] === AF_BRIDGE,
  };
}
