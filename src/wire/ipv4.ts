/**
 * The IPv4 header (RFC 791). Every accessor takes the offset of the header and presumes that decodeIpv4 accepted
 * it. Addresses are unsigned 32-bit numbers. The caller owns every buffer.
 *
 *   | version·ihl 1 | TOS 1 | total length 2 | id 2 | flags·offset 2 | TTL 1 | protocol 1 | checksum 2 | source 4 |
 *   | destination 4 | options 0..40 |
 */

import { putU16, putU32, u16, u32 } from "./bytes.ts";
import { checksum, fold, sum } from "./checksum.ts";

export const IPV4_MIN_LEN = 20;
export const IPV4_MAX_HEADER_LEN = 60;
export const IPV4_TOS_AT = 1;
export const IPV4_TOTAL_LENGTH_AT = 2;
export const IPV4_ID_AT = 4;
export const IPV4_FRAGMENT_AT = 6;
export const IPV4_TTL_AT = 8;
export const IPV4_PROTOCOL_AT = 9;
export const IPV4_CHECKSUM_AT = 10;
export const IPV4_SOURCE_AT = 12;
export const IPV4_DESTINATION_AT = 16;

/** Protocol and next-header numbers (IANA). */
export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
export const PROTOCOL_ICMPV6 = 58;

const DONT_FRAGMENT = 0x40; // of the byte at IPV4_FRAGMENT_AT
const MORE_FRAGMENTS = 0x20;

/** What encodeIpv4 writes; addresses are u32, `tos` is 0 unless given. */
export interface Ipv4Fields {
  readonly totalLength: number;
  readonly id: number;
  readonly dontFragment: boolean;
  readonly ttl: number;
  readonly protocol: number;
  readonly source: number;
  readonly destination: number;
  readonly tos?: number;
}

/**
 * The header's length in bytes (20..60) if a well-formed IPv4 header is at `at` and its total length fits before
 * `end`, else −1. Bytes after the total length are allowed; the checksum is not looked at.
 */
export function decodeIpv4(b: Uint8Array, at: number, end: number): number {
  const room = end - at;
  if (room < IPV4_MIN_LEN) return -1;
  const first = b[at]!;
  const headerLen = (first & 15) << 2;
  if (first >>> 4 !== 4 || headerLen < IPV4_MIN_LEN) return -1;
  const total = (b[at + IPV4_TOTAL_LENGTH_AT]! << 8) | b[at + IPV4_TOTAL_LENGTH_AT + 1]!; // see ipv4TotalLength
  return total < headerLen || total > room ? -1 : headerLen;
}

/** Header length in bytes. */
export function ipv4HeaderLength(b: Uint8Array, at: number): number {
  return (b[at]! & 15) << 2;
}

/** Bytes of header and payload. Without u16: Bun inlines five calls deep, and the packet path is that deep here. */
export function ipv4TotalLength(b: Uint8Array, at: number): number {
  return (b[at + IPV4_TOTAL_LENGTH_AT]! << 8) | b[at + IPV4_TOTAL_LENGTH_AT + 1]!;
}

/** The transport protocol's number. */
export function ipv4Protocol(b: Uint8Array, at: number): number {
  return b[at + IPV4_PROTOCOL_AT]!;
}

/** Hops left. */
export function ipv4Ttl(b: Uint8Array, at: number): number {
  return b[at + IPV4_TTL_AT]!;
}

/** DSCP and ECN in one byte. */
export function ipv4Tos(b: Uint8Array, at: number): number {
  return b[at + IPV4_TOS_AT]!;
}

/** The identification field. */
export function ipv4Id(b: Uint8Array, at: number): number {
  return u16(b, at + IPV4_ID_AT);
}

/** The DF bit. */
export function ipv4DontFragment(b: Uint8Array, at: number): boolean {
  return (b[at + IPV4_FRAGMENT_AT]! & DONT_FRAGMENT) !== 0;
}

/** The MF bit. */
export function ipv4MoreFragments(b: Uint8Array, at: number): boolean {
  return (b[at + IPV4_FRAGMENT_AT]! & MORE_FRAGMENTS) !== 0;
}

/** Where this fragment begins in the datagram, in bytes. */
export function ipv4FragmentOffset(b: Uint8Array, at: number): number {
  return (u16(b, at + IPV4_FRAGMENT_AT) & 0x1fff) << 3;
}

/** Whether the packet is a piece of a datagram, the first one included. */
export function ipv4IsFragment(b: Uint8Array, at: number): boolean {
  return (u16(b, at + IPV4_FRAGMENT_AT) & 0x3fff) !== 0;
}

/** Source address, u32. */
export function ipv4Source(b: Uint8Array, at: number): number {
  return u32(b, at + IPV4_SOURCE_AT);
}

/** Destination address, u32. */
export function ipv4Destination(b: Uint8Array, at: number): number {
  return u32(b, at + IPV4_DESTINATION_AT);
}

/** Writes a header without options, its checksum included; returns IPV4_MIN_LEN. For cold paths. */
export function encodeIpv4(b: Uint8Array, at: number, fields: Ipv4Fields): number {
  b[at] = 0x45;
  b[at + IPV4_TOS_AT] = fields.tos ?? 0;
  putU16(b, at + IPV4_TOTAL_LENGTH_AT, fields.totalLength);
  putU16(b, at + IPV4_ID_AT, fields.id);
  putU16(b, at + IPV4_FRAGMENT_AT, fields.dontFragment ? DONT_FRAGMENT << 8 : 0);
  b[at + IPV4_TTL_AT] = fields.ttl;
  b[at + IPV4_PROTOCOL_AT] = fields.protocol;
  putU32(b, at + IPV4_SOURCE_AT, fields.source);
  putU32(b, at + IPV4_DESTINATION_AT, fields.destination);
  fixIpv4Checksum(b, at);
  return IPV4_MIN_LEN;
}

/** Computes the header checksum anew and writes it. */
export function fixIpv4Checksum(b: Uint8Array, at: number): void {
  putU16(b, at + IPV4_CHECKSUM_AT, 0);
  putU16(b, at + IPV4_CHECKSUM_AT, checksum(b, at, ipv4HeaderLength(b, at)));
}

/** Whether the header checksum is right. */
export function ipv4HeaderOk(b: Uint8Array, at: number): boolean {
  return fold(sum(b, at, ipv4HeaderLength(b, at), 0)) === 0xffff;
}
