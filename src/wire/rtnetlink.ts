/**
 * Links and addresses in rtnetlink (rtnetlink(7), linux/if_link.h, linux/if_addr.h): payloads of messages of
 * wire/netlink.ts. Routes and neighbours are in wire/rtnetlink_route.ts. Encoders return the whole payload,
 * fixed header and attributes; decoders return null when malformed and copy what they keep.
 */

import { type Address, addressFromU32, isIpv4 } from "./address.ts";
import { putU32le, u16, u16le, u32, u32le } from "./bytes.ts";
import {
  attribute,
  type Attributes,
  attributeText,
  attributeU32,
  decodeAttributes,
  join,
  nest,
  readNested,
  readText,
  readU32,
} from "./netlink.ts";

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;

export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_INET6 = 10;

export const IFF_UP = 1;
export const IFF_POINTOPOINT = 0x10;
export const IFF_NOARP = 0x80;

// struct ifinfomsg: | family u8 | pad u8 | type u16 | index i32 | flags u32 | change u32 |
const IFINFOMSG_LEN = 16;
const LINK_TYPE_AT = 2;
const LINK_INDEX_AT = 4;
const LINK_FLAGS_AT = 8;
const LINK_CHANGE_AT = 12;
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_TXQLEN = 13;
const IFLA_LINKINFO = 18;
const IFLA_STATS64 = 23;
const STATS_RX_DROPPED_AT = 48;
const STATS_TX_DROPPED_AT = 56;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;
const IFLA_GSO_MAX_SEGS = 40;
const IFLA_GSO_MAX_SIZE = 41;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
/** Where IFLA_INFO_DATA has the UDP port of a tunnel, big-endian. */
const UDP_PORTS: Readonly<Record<string, number>> = { vxlan: 15, geneve: 5 };
const RTEXT_FILTER_SKIP_STATS = 8;

// struct ifaddrmsg: | family u8 | prefixlen u8 | flags u8 | scope u8 | index u32 |
const IFADDRMSG_LEN = 8;
const IFLA_AF_SPEC = 26;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 2;
const IFA_F_SECONDARY = 0x01;
const IFA_F_DADFAILED = 0x08;
const IFA_F_DEPRECATED = 0x20;
const IFA_F_TENTATIVE = 0x40;
const TOLD_FLAGS = IFA_F_SECONDARY | IFA_F_DADFAILED | IFA_F_DEPRECATED | IFA_F_TENTATIVE;

/** A link as RTM_NEWLINK shows it. */
export interface LinkMessage {
  readonly index: number;
  readonly flags: number;
  readonly name: string;
  readonly mtu: number;
  /** IFLA_INFO_KIND. */
  readonly kind: string | null;
  /** Six bytes where the link is Ethernet, else null. */
  readonly mac: Uint8Array | null;
  readonly loopback: boolean;
  readonly master: number | null;
  /** The UDP port of a kernel VXLAN or Geneve device, else null. */
  readonly udpPort: number | null;
}

/** What to set on a link, or how to make one. What is left out stays as it is. */
export interface LinkChange {
  readonly index?: number;
  readonly name?: string;
  readonly up?: boolean;
  readonly mtu?: number;
  readonly txQueueLength?: number;
  /** It gets no IPv6 link-local address by itself when it comes up, and asks for no routers. */
  readonly linkLocal?: false;
  readonly mac?: Uint8Array;
  /** Index of the bridge; 0 takes it out. */
  readonly master?: number;
  /** Where the link is to live. */
  readonly namespaceFd?: number;
  readonly gsoMaxSize?: number;
  readonly gsoMaxSegments?: number;
  /** For a new link: "bridge", "veth", … */
  readonly kind?: string;
  /** The other end of a new veth. */
  readonly peer?: LinkChange;
}

/** An address as RTM_NEWADDR shows it. `prefixLength` counts within its family. */
export interface AddressMessage {
  readonly iface: number;
  readonly address: Address;
  readonly prefixLength: number;
  readonly scope: number;
  /** Of IFA_F_… secondary (IPv6: temporary), DAD failed, deprecated, tentative; absent: none of them. Not encoded. */
  readonly flags?: number;
}

/** Payload of RTM_NEWLINK, RTM_DELLINK, or RTM_GETLINK by index or name. */
export function encodeLink(change: LinkChange): Uint8Array {
  const header = new Uint8Array(IFINFOMSG_LEN);
  putU32le(header, LINK_INDEX_AT, change.index ?? 0);
  if (change.up !== undefined) {
    putU32le(header, LINK_FLAGS_AT, change.up ? IFF_UP : 0);
    putU32le(header, LINK_CHANGE_AT, IFF_UP);
  }
  const parts: Uint8Array[] = [header];
  const number = (type: number, value: number | undefined) => {
    if (value !== undefined) parts.push(attributeU32(type, value));
  };
  if (change.name !== undefined) parts.push(attributeText(IFLA_IFNAME, change.name));
  if (change.mac !== undefined) parts.push(attribute(IFLA_ADDRESS, change.mac));
  number(IFLA_MTU, change.mtu);
  number(IFLA_TXQLEN, change.txQueueLength);
  if (change.linkLocal === false) {
    const mode = attribute(IFLA_INET6_ADDR_GEN_MODE, Uint8Array.of(IN6_ADDR_GEN_MODE_NONE));
    parts.push(nest(IFLA_AF_SPEC, [nest(AF_INET6, [mode])]));
  }
  number(IFLA_MASTER, change.master);
  number(IFLA_NET_NS_FD, change.namespaceFd);
  number(IFLA_GSO_MAX_SIZE, change.gsoMaxSize);
  number(IFLA_GSO_MAX_SEGS, change.gsoMaxSegments);
  if (change.kind !== undefined) parts.push(linkInfo(change.kind, change.peer));
  return join(parts);
}

function linkInfo(kind: string, peer: LinkChange | undefined): Uint8Array {
  const parts = [attributeText(IFLA_INFO_KIND, kind)];
  if (peer !== undefined) parts.push(nest(IFLA_INFO_DATA, [nest(VETH_INFO_PEER, [encodeLink(peer)])]));
  return nest(IFLA_LINKINFO, parts);
}

/** Payload of a dump of all links, without their counters. */
export function encodeLinkDump(): Uint8Array {
  return join([new Uint8Array(IFINFOMSG_LEN), attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)]);
}

/** What every message of a link begins with, its name or none behind it; null when it is cut. */
export function decodeLinkHeader(
  b: Uint8Array,
): { readonly family: number; readonly index: number; readonly flags: number } | null {
  if (b.length < IFINFOMSG_LEN) return null;
  return { family: b[0]!, index: u32le(b, LINK_INDEX_AT), flags: u32le(b, LINK_FLAGS_AT) };
}

/** The payload of an RTM_NEWLINK or RTM_DELLINK; null when malformed. */
export function decodeLink(b: Uint8Array): LinkMessage | null {
  const attributes = b.length < IFINFOMSG_LEN ? null : decodeAttributes(b, IFINFOMSG_LEN);
  if (attributes === null) return null;
  const name = readText(attributes, IFLA_IFNAME);
  if (name === null) return null;
  const info = readNested(attributes, IFLA_LINKINFO);
  const hardware = u16le(b, LINK_TYPE_AT);
  const mac = attributes.get(IFLA_ADDRESS);
  const kind = info === null ? null : readText(info, IFLA_INFO_KIND);
  return {
    index: u32le(b, LINK_INDEX_AT),
    flags: u32le(b, LINK_FLAGS_AT),
    name,
    mtu: readU32(attributes, IFLA_MTU) ?? 0,
    kind,
    mac: hardware === ARPHRD_ETHER && mac?.length === 6 ? mac.slice() : null,
    loopback: hardware === ARPHRD_LOOPBACK,
    master: readU32(attributes, IFLA_MASTER),
    udpPort: info === null || kind === null ? null : tunnelPort(info, kind),
  };
}

function tunnelPort(info: Attributes, kind: string): number | null {
  const type = UDP_PORTS[kind];
  const port = type === undefined ? undefined : readNested(info, IFLA_INFO_DATA)?.get(type);
  return port?.length === 2 ? u16(port, 0) : null;
}

/** What a link dropped, as RTM_NEWLINK shows it (struct rtnl_link_stats64, linux/if_link.h); null: it does not. */
export function decodeLinkDrops(b: Uint8Array): { readonly rx: number; readonly tx: number } | null {
  const stats = b.length < IFINFOMSG_LEN ? undefined : decodeAttributes(b, IFINFOMSG_LEN)?.get(IFLA_STATS64);
  if (stats === undefined || stats.length < STATS_TX_DROPPED_AT + 8) return null;
  return { rx: u64le(stats, STATS_RX_DROPPED_AT), tx: u64le(stats, STATS_TX_DROPPED_AT) };
}

// Exact up to 2^53, which is more than any link drops.
function u64le(b: Uint8Array, at: number): number {
  return u32le(b, at) + u32le(b, at + 4) * 2 ** 32;
}

/** Payload of RTM_NEWADDR or RTM_DELADDR. IPv6 addresses are added without duplicate detection. */
export function encodeAddress(a: AddressMessage): Uint8Array {
  const header = new Uint8Array(IFADDRMSG_LEN);
  const family = familyOf(a.address);
  header[0] = family;
  header[1] = a.prefixLength;
  header[2] = family === AF_INET6 ? IFA_F_NODAD : 0;
  header[3] = a.scope;
  putU32le(header, 4, a.iface);
  const bytes = addressBytes(a.address, family);
  return join([header, attribute(IFA_LOCAL, bytes), attribute(IFA_ADDRESS, bytes)]);
}

/** Payload of a dump of all addresses of one family. */
export function encodeAddressDump(family: number): Uint8Array {
  const header = new Uint8Array(IFADDRMSG_LEN);
  header[0] = family;
  return header;
}

/** The payload of an RTM_NEWADDR or RTM_DELADDR; null when malformed or of another family. */
export function decodeAddress(b: Uint8Array): AddressMessage | null {
  const attributes = b.length < IFADDRMSG_LEN ? null : decodeAttributes(b, IFADDRMSG_LEN);
  if (attributes === null) return null;
  // IFA_ADDRESS is the other end of a point-to-point link; ours is IFA_LOCAL where that is given.
  const type = attributes.has(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS;
  const address = readAddress(attributes, type, b[0]!);
  if (address === null || b[1]! > bitsOf(b[0]!)) return null;
  // All 32 bits stand in the attribute, the first eight in the header too.
  const flags = (readU32(attributes, IFA_FLAGS) ?? b[2]!) & TOLD_FLAGS;
  const fields = { iface: u32le(b, 4), address, prefixLength: b[1]!, scope: b[3]! };
  return flags === 0 ? fields : { ...fields, flags };
}

/** AF_INET for a mapped address, else AF_INET6. */
export function familyOf(a: Address): number {
  return isIpv4(a) ? AF_INET : AF_INET6;
}

/** 32 or 128. */
export function bitsOf(family: number): number {
  return family === AF_INET ? 32 : 128;
}

/** The address as an attribute carries it: 4 or 16 bytes. */
export function addressBytes(a: Address, family: number): Uint8Array {
  return family === AF_INET ? a.slice(12) : a;
}

/** An address attribute of `family`; null when it is absent or of another size. */
export function readAddress(attributes: Attributes, type: number, family: number): Address | null {
  const value = attributes.get(type);
  return value === undefined ? null : addressOfFamily(value, family);
}

/** 4 bytes of AF_INET or 16 bytes of AF_INET6 as an address; null for anything else. */
export function addressOfFamily(value: Uint8Array, family: number): Address | null {
  if (family === AF_INET && value.length === 4) return addressFromU32(u32(value, 0));
  return family === AF_INET6 && value.length === 16 ? value.slice() : null;
}
