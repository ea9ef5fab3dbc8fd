/**
 * ICMP as a router sends it: errors about a packet that could not go on (RFC 792, RFC 1812 §4.3.2, RFC 1191 for
 * the next-hop MTU; RFC 4443 for IPv6), and echo for `ovltun ping`. An error is a whole IP datagram addressed to
 * the packet's sender, written into the caller's buffer; 0 is returned wherever the RFCs forbid one. Rate limits
 * are the caller's. The caller owns every buffer; `out` and `packet` must not be the same bytes.
 *
 *   | type 1 | code 1 | checksum 2 | rest of header 4 (MTU, or identifier 2 · sequence 2) | quoted packet or payload |
 */

import { putU16, putU32, u16, u32 } from "./bytes.ts";
import { checksum, fold, pseudoHeaderSum6, sum } from "./checksum.ts";
import { ipIsV4 } from "./ip.ts";
import * as ipv4 from "./ipv4.ts";
import * as ipv6 from "./ipv6.ts";

export const ICMP_LEN = 8;
/** The longest error datagrams, IP header included: `out` must have this much room. */
export const ICMP_ERROR4_MAX = 576; // RFC 1812 §4.3.2.3
export const ICMP_ERROR6_MAX = 1280; // RFC 4443 §2.4 (c)

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_ECHO_REQUEST = 8;
export const ICMP_TIME_EXCEEDED = 11;
/** Codes of ICMP_UNREACHABLE. */
export const ICMP_NET_UNREACHABLE = 0;
export const ICMP_FRAGMENTATION_NEEDED = 4;
export const ICMP_ADMIN_PROHIBITED = 13;

export const ICMPV6_UNREACHABLE = 1;
export const ICMPV6_PACKET_TOO_BIG = 2;
export const ICMPV6_TIME_EXCEEDED = 3;
export const ICMPV6_ECHO_REQUEST = 128;
export const ICMPV6_ECHO_REPLY = 129;
/** Codes of ICMPV6_UNREACHABLE. */
export const ICMPV6_NO_ROUTE = 0;
export const ICMPV6_ADMIN_PROHIBITED = 1;

const ICMPV6_REDIRECT = 137;
const CHECKSUM_AT = 2;
const REST_AT = 4;
const ERROR_TTL = 64;
const TOS_INTERNETWORK_CONTROL = 0xc0; // RFC 1812 §4.3.2.5

/** An error over IPv4. `mtu` goes on the wire only with code fragmentation needed; `source` is our address, u32. */
export interface IcmpError4 {
  readonly type: number;
  readonly code: number;
  readonly mtu: number;
  readonly source: number;
}

/** An error over IPv6. `mtu` goes on the wire only with packet too big; `source` is our address. */
export interface IcmpError6 {
  readonly type: number;
  readonly code: number;
  readonly mtu: number;
  readonly source: Uint8Array;
}

/**
 * Writes at `outAt` the error about the IPv4 packet that `packet` begins with, quoting it up to 576 bytes in all, and
 * returns the datagram's length; 0 where no error may be sent (RFC 1122 §3.2.2, RFC 1812 §4.3.2.7).
 */
export function encodeIcmpError4(
  out: Uint8Array,
  outAt: number,
  error: IcmpError4,
  packet: Uint8Array,
): number {
  const headerLen = ipv4.decodeIpv4(packet, 0, packet.length);
  if (headerLen < 0 || !mayAnswer4(packet, headerLen)) return 0;
  const quoteMax = ICMP_ERROR4_MAX - ipv4.IPV4_MIN_LEN - ICMP_LEN;
  const quote = Math.min(ipv4.ipv4TotalLength(packet, 0), quoteMax);
  const icmpAt = outAt + ipv4.IPV4_MIN_LEN;
  out.set(packet.subarray(0, quote), icmpAt + ICMP_LEN);
  ipv4.encodeIpv4(out, outAt, {
    totalLength: ipv4.IPV4_MIN_LEN + ICMP_LEN + quote,
    id: 0, // atomic (RFC 6864): DF is set
    dontFragment: true,
    ttl: ERROR_TTL,
    protocol: ipv4.PROTOCOL_ICMP,
    source: error.source,
    destination: ipv4.ipv4Source(packet, 0),
    tos: TOS_INTERNETWORK_CONTROL,
  });
  const hasMtu = error.type === ICMP_UNREACHABLE && error.code === ICMP_FRAGMENTATION_NEEDED;
  putHead(out, icmpAt, error.type, error.code, hasMtu ? Math.min(error.mtu, 0xffff) : 0);
  putU16(out, icmpAt + CHECKSUM_AT, checksum(out, icmpAt, ICMP_LEN + quote));
  return ipv4.IPV4_MIN_LEN + ICMP_LEN + quote;
}

/**
 * Writes at `outAt` the error about the IPv6 packet that `packet` begins with, quoting it up to 1280 bytes in all, and
 * returns the datagram's length; 0 where no error may be sent (RFC 4443 §2.4 (e)).
 */
export function encodeIcmpError6(
  out: Uint8Array,
  outAt: number,
  error: IcmpError6,
  packet: Uint8Array,
): number {
  if (ipv6.decodeIpv6(packet, 0, packet.length) < 0) return 0;
  const tooBig = error.type === ICMPV6_PACKET_TOO_BIG;
  if (!mayAnswer6(packet, tooBig)) return 0;
  const quoteMax = ICMP_ERROR6_MAX - ipv6.IPV6_LEN - ICMP_LEN;
  const quote = Math.min(ipv6.ipv6TotalLength(packet, 0), quoteMax);
  const icmpAt = outAt + ipv6.IPV6_LEN;
  out.set(packet.subarray(0, quote), icmpAt + ICMP_LEN);
  ipv6.encodeIpv6(out, outAt, {
    payloadLength: ICMP_LEN + quote,
    nextHeader: ipv4.PROTOCOL_ICMPV6,
    hopLimit: ERROR_TTL,
    source: error.source,
    destination: packet.subarray(ipv6.IPV6_SOURCE_AT, ipv6.IPV6_DESTINATION_AT),
  });
  putHead(out, icmpAt, error.type, error.code, tooBig ? error.mtu : 0);
  const pseudo = pseudoHeaderSum6(out, outAt, ipv4.PROTOCOL_ICMPV6, ICMP_LEN + quote);
  putU16(out, icmpAt + CHECKSUM_AT, ~fold(sum(out, icmpAt, ICMP_LEN + quote, pseudo)) & 0xffff);
  return ipv6.IPV6_LEN + ICMP_LEN + quote;
}

/** Why a packet does not go on, as each version says it: ICMP's type and code, ICMPv6's type and code. */
export interface IcmpReason {
  readonly v4: readonly [type: number, code: number];
  readonly v6: readonly [type: number, code: number];
}

/** No lease holds the destination. */
export const NO_ROUTE_REASON: IcmpReason = {
  v4: [ICMP_UNREACHABLE, ICMP_NET_UNREACHABLE],
  v6: [ICMPV6_UNREACHABLE, ICMPV6_NO_ROUTE],
};
/** The source may not send here. */
export const PROHIBITED_REASON: IcmpReason = {
  v4: [ICMP_UNREACHABLE, ICMP_ADMIN_PROHIBITED],
  v6: [ICMPV6_UNREACHABLE, ICMPV6_ADMIN_PROHIBITED],
};
/** Longer than the path: the error names the MTU. */
export const TOO_BIG_REASON: IcmpReason = {
  v4: [ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED],
  v6: [ICMPV6_PACKET_TOO_BIG, 0],
};

/** An error over the version of the packet it is about; `source` is the address it comes from, 4 or 16 bytes. */
export interface IcmpError {
  readonly reason: IcmpReason;
  readonly mtu: number;
  readonly source: Uint8Array;
}

/** encodeIcmpError4 or encodeIcmpError6, as `packet` needs it. */
export function encodeIcmpError(
  out: Uint8Array,
  outAt: number,
  { reason, mtu, source }: IcmpError,
  packet: Uint8Array,
): number {
  const v4 = ipIsV4(packet, 0);
  const [type, code] = v4 ? reason.v4 : reason.v6;
  return v4
    ? encodeIcmpError4(out, outAt, { type, code, mtu, source: u32(source, 0) }, packet)
    : encodeIcmpError6(out, outAt, { type, code, mtu, source }, packet);
}

function putHead(b: Uint8Array, at: number, type: number, code: number, rest: number): void {
  b[at] = type;
  b[at + 1] = code;
  putU16(b, at + CHECKSUM_AT, 0);
  putU32(b, at + REST_AT, rest);
}

function mayAnswer4(packet: Uint8Array, headerLen: number): boolean {
  if (ipv4.ipv4FragmentOffset(packet, 0) !== 0) return false;
  if (!isOneHost4(ipv4.ipv4Source(packet, 0)) || !isOneHost4(ipv4.ipv4Destination(packet, 0))) return false;
  if (ipv4.ipv4Protocol(packet, 0) !== ipv4.PROTOCOL_ICMP) return true;
  if (ipv4.ipv4TotalLength(packet, 0) === headerLen) return false; // its type cannot be told
  return !isErrorType4(packet[headerLen]!);
}

// Neither this network (0/8), loopback, multicast, reserved nor broadcast.
function isOneHost4(address: number): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

function isErrorType4(type: number): boolean {
  return type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
}

function mayAnswer6(packet: Uint8Array, tooBig: boolean): boolean {
  if (!isOneHost6(packet, ipv6.IPV6_SOURCE_AT)) return false;
  // Packet Too Big alone may answer a multicast packet, or path MTU discovery would fail for it.
  const destination = ipv6.IPV6_DESTINATION_AT;
  if (!isOneHost6(packet, destination) && !(tooBig && packet[destination] === 0xff)) return false;
  const transportAt = ipv6.ipv6Transport(packet, 0, packet.length);
  if (transportAt < 0) return false; // a later fragment, or a chain that cannot be followed
  if (ipv6.ipv6TransportProtocol(packet, 0, transportAt) !== ipv4.PROTOCOL_ICMPV6) return true;
  if (transportAt >= ipv6.ipv6TotalLength(packet, 0)) return false;
  const type = packet[transportAt]!;
  return type >= 128 && type !== ICMPV6_REDIRECT;
}

// Neither unspecified, loopback nor multicast.
function isOneHost6(b: Uint8Array, at: number): boolean {
  if (b[at] === 0xff) return false;
  for (let i = 0; i < 15; i++) if (b[at + i] !== 0) return true;
  return b[at + 15]! > 1;
}

/** An echo message; `type` is one of the four ECHO constants. */
export interface Echo {
  readonly type: number;
  readonly identifier: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/**
 * Writes an echo message for a raw socket, without an IP header, and returns its length. ICMP gets its checksum;
 * ICMPv6 leaves 0 there, for the kernel computes it on every raw ICMPv6 socket (RFC 3542 §3.1).
 */
export function encodeEcho(b: Uint8Array, at: number, echo: Echo): number {
  const length = ICMP_LEN + echo.payload.length;
  putHead(b, at, echo.type, 0, 0);
  putU16(b, at + REST_AT, echo.identifier);
  putU16(b, at + REST_AT + 2, echo.sequence);
  b.set(echo.payload, at + ICMP_LEN);
  if (!isEcho6(echo.type)) putU16(b, at + CHECKSUM_AT, checksum(b, at, length));
  return length;
}

/**
 * Reads an echo request or reply that ends at `end`, or null. The ICMP checksum is verified; that of ICMPv6 was by
 * the kernel. A raw IPv4 socket hands over the IP header too: skip it first. The payload is borrowed from `b`.
 */
export function decodeEcho(b: Uint8Array, at: number, end: number): Echo | null {
  if (end - at < ICMP_LEN || b[at + 1] !== 0) return null;
  const type = b[at]!;
  if (type !== ICMP_ECHO_REPLY && type !== ICMP_ECHO_REQUEST && !isEcho6(type)) return null;
  if (!isEcho6(type) && checksum(b, at, end - at) !== 0) return null;
  return {
    type,
    identifier: u16(b, at + REST_AT),
    sequence: u16(b, at + REST_AT + 2),
    payload: b.subarray(at + ICMP_LEN, end),
  };
}

function isEcho6(type: number): boolean {
  return type === ICMPV6_ECHO_REQUEST || type === ICMPV6_ECHO_REPLY;
}
