/**
 * The IPv6 header and the chain of extension headers behind it (RFC 8200; AH: RFC 4302 §2.2). Every accessor takes
 * the offset of the fixed header and presumes that decodeIpv6 accepted it. Addresses stay in the packet: read
 * them at IPV6_SOURCE_AT and IPV6_DESTINATION_AT. The caller owns every buffer.
 *
 *   | version·class·flow label 4 | payload length 2 | next header 1 | hop limit 1 | source 16 | destination 16 |
 */

import { putU16, putU32, u16, u32 } from "./bytes.ts";

export const IPV6_LEN = 40;
/** What every link of IPv6 carries, bytes (RFC 8200 §5). */
export const IPV6_MTU_MIN = 1280;
export const IPV6_PAYLOAD_LENGTH_AT = 4;
export const IPV6_NEXT_HEADER_AT = 6;
export const IPV6_HOP_LIMIT_AT = 7;
export const IPV6_SOURCE_AT = 8;
export const IPV6_DESTINATION_AT = 24;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AH = 51;
const DESTINATION_OPTIONS = 60;
const FRAGMENT_LEN = 8;
const MAX_EXTENSIONS = 8; // no honest packet has more; a hostile one must not cost more

/** IPV6_LEN if a well-formed header is at `at` and its payload length fits before `end`, else −1. No jumbograms. */
export function decodeIpv6(b: Uint8Array, at: number, end: number): number {
  const room = end - at;
  if (room < IPV6_LEN || b[at]! >>> 4 !== 6) return -1;
  return u16(b, at + IPV6_PAYLOAD_LENGTH_AT) > room - IPV6_LEN ? -1 : IPV6_LEN;
}

/** Bytes after the fixed header, extension headers included. */
export function ipv6PayloadLength(b: Uint8Array, at: number): number {
  return u16(b, at + IPV6_PAYLOAD_LENGTH_AT);
}

/** Bytes of header and payload. */
export function ipv6TotalLength(b: Uint8Array, at: number): number {
  return IPV6_LEN + u16(b, at + IPV6_PAYLOAD_LENGTH_AT);
}

/** What follows the fixed header: an extension header or the transport. */
export function ipv6NextHeader(b: Uint8Array, at: number): number {
  return b[at + IPV6_NEXT_HEADER_AT]!;
}

/** Hops left. */
export function ipv6HopLimit(b: Uint8Array, at: number): number {
  return b[at + IPV6_HOP_LIMIT_AT]!;
}

/** DSCP and ECN in one byte. */
export function ipv6TrafficClass(b: Uint8Array, at: number): number {
  return (u16(b, at) >>> 4) & 0xff;
}

/** The flow label, 20 bits. */
export function ipv6FlowLabel(b: Uint8Array, at: number): number {
  return u32(b, at) & 0xfffff;
}

/** What encodeIpv6 writes; addresses are 16 bytes. */
export interface Ipv6Fields {
  readonly payloadLength: number;
  readonly nextHeader: number;
  readonly hopLimit: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

/** Writes a fixed header of traffic class and flow label 0; returns IPV6_LEN. For cold paths. */
export function encodeIpv6(b: Uint8Array, at: number, fields: Ipv6Fields): number {
  putU32(b, at, 0x60000000);
  putU16(b, at + IPV6_PAYLOAD_LENGTH_AT, fields.payloadLength);
  b[at + IPV6_NEXT_HEADER_AT] = fields.nextHeader;
  b[at + IPV6_HOP_LIMIT_AT] = fields.hopLimit;
  b.set(fields.source, at + IPV6_SOURCE_AT);
  b.set(fields.destination, at + IPV6_DESTINATION_AT);
  return IPV6_LEN;
}

/**
 * The absolute offset of the header after all extension headers, or −1 when the chain is cut, longer than eight
 * headers, or the packet is a fragment other than the first, which has none. Ask ipv6TransportProtocol what it
 * is: TCP, UDP, but perhaps ESP (50) or nothing (59). A first fragment has its header but not all its payload:
 * ask ipv6IsFragment before a checksum is touched.
 */
export function ipv6Transport(b: Uint8Array, at: number, end: number): number {
  let next = b[at + IPV6_NEXT_HEADER_AT]!;
  let here = at + IPV6_LEN;
  const stop = Math.min(end, here + u16(b, at + IPV6_PAYLOAD_LENGTH_AT));
  for (let seen = 0; isExtension(next); seen++) {
    if (seen === MAX_EXTENSIONS || stop - here < 8) return -1;
    if (next === FRAGMENT && fragmentOffset(b, here) !== 0) return -1;
    const length = extensionLength(b, here, next);
    next = b[here]!;
    here += length;
    if (here > stop) return -1;
  }
  return here;
}

/** The protocol of the header at `transportAt`, an offset that ipv6Transport returned for this packet. */
export function ipv6TransportProtocol(b: Uint8Array, at: number, transportAt: number): number {
  let next = b[at + IPV6_NEXT_HEADER_AT]!;
  for (let here = at + IPV6_LEN; here < transportAt;) {
    const length = extensionLength(b, here, next);
    next = b[here]!;
    here += length;
  }
  return next;
}

/**
 * The absolute offset of the fragment header, or −1 when there is none or the chain before it is cut. An atomic
 * fragment (RFC 6946) has one too: see ipv6IsFragment.
 */
export function ipv6FragmentAt(b: Uint8Array, at: number, end: number): number {
  let next = b[at + IPV6_NEXT_HEADER_AT]!;
  let here = at + IPV6_LEN;
  const stop = Math.min(end, here + u16(b, at + IPV6_PAYLOAD_LENGTH_AT));
  for (let seen = 0; isExtension(next); seen++) {
    if (seen === MAX_EXTENSIONS || stop - here < FRAGMENT_LEN) return -1;
    if (next === FRAGMENT) return here;
    const length = extensionLength(b, here, next);
    next = b[here]!;
    here += length;
  }
  return -1;
}

/** Whether the packet is a piece of a datagram; an atomic fragment, whole in itself, is not. */
export function ipv6IsFragment(b: Uint8Array, at: number, end: number): boolean {
  const fragmentAt = ipv6FragmentAt(b, at, end);
  return fragmentAt >= 0 && (u16(b, fragmentAt + 2) & 0xfff9) !== 0;
}

function isExtension(next: number): boolean {
  return next === HOP_BY_HOP || next === ROUTING || next === FRAGMENT || next === AH ||
    next === DESTINATION_OPTIONS;
}

// In bytes; at least 8, so that every walk ends.
function extensionLength(b: Uint8Array, at: number, kind: number): number {
  if (kind === FRAGMENT) return FRAGMENT_LEN;
  if (kind === AH) return (b[at + 1]! + 2) << 2;
  return (b[at + 1]! + 1) << 3;
}

function fragmentOffset(b: Uint8Array, at: number): number {
  return u16(b, at + 2) & 0xfff8; // the field counts eights and lies three bits up: already bytes
}
