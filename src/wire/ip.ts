/**
 * What the packet path asks of an IP header without caring which version it is: the packet says so itself. ipv4.ts and
 * ipv6.ts have each version's own fields. Every accessor takes the offset of the header and presumes that decodeIp
 * accepted it; offsets that are returned are absolute. Nothing is allocated. The caller owns every buffer.
 */

import { putU16, u16 } from "./bytes.ts";
import { pseudoHeaderSum4, pseudoHeaderSum6, updateChecksum16 } from "./checksum.ts";
import {
  decodeIpv4,
  fixIpv4Checksum,
  IPV4_CHECKSUM_AT,
  IPV4_DESTINATION_AT,
  IPV4_ID_AT,
  IPV4_PROTOCOL_AT,
  IPV4_TOTAL_LENGTH_AT,
  ipv4DontFragment,
  ipv4HeaderLength,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4TotalLength,
} from "./ipv4.ts";
import {
  decodeIpv6,
  IPV6_DESTINATION_AT,
  IPV6_LEN,
  IPV6_NEXT_HEADER_AT,
  IPV6_PAYLOAD_LENGTH_AT,
  ipv6IsFragment,
  ipv6TotalLength,
  ipv6Transport,
  ipv6TransportProtocol,
} from "./ipv6.ts";

/** Whether the packet names itself IPv4; else, once decoded, it is IPv6. */
export function ipIsV4(b: Uint8Array, at: number): boolean {
  return b[at]! >>> 4 === 4;
}

/**
 * The length of the IP header in bytes, without IPv6's extension headers, if a well-formed packet of either version is
 * at `at` and its total length fits before `end`; else −1. Bytes after the total length are allowed.
 */
export function decodeIp(b: Uint8Array, at: number, end: number): number {
  return ipIsV4(b, at) ? decodeIpv4(b, at, end) : decodeIpv6(b, at, end);
}

/** Bytes of header and payload. */
export function ipTotalLength(b: Uint8Array, at: number): number {
  return ipIsV4(b, at) ? ipv4TotalLength(b, at) : ipv6TotalLength(b, at);
}

/** Bytes of each address, 4 or 16. */
export function ipAddressLength(b: Uint8Array, at: number): number {
  return ipIsV4(b, at) ? 4 : 16;
}

/** Where the destination address lies. */
export function ipDestinationAt(b: Uint8Array, at: number): number {
  return at + (ipIsV4(b, at) ? IPV4_DESTINATION_AT : IPV6_DESTINATION_AT);
}

/** Whether the destination is no single host: 224/4 and 240/4, ff00::/8. */
export function ipIsToGroup(b: Uint8Array, at: number): boolean {
  return ipIsV4(b, at) ? b[at + IPV4_DESTINATION_AT]! >= 224 : b[at + IPV6_DESTINATION_AT] === 0xff;
}

/** The protocol number straight behind the header: with IPv6 perhaps an extension header's. */
export function ipProtocol(b: Uint8Array, at: number): number {
  return b[at + (ipIsV4(b, at) ? IPV4_PROTOCOL_AT : IPV6_NEXT_HEADER_AT)]!;
}

/** Where the transport header of a whole packet begins; −1 for fragments and chains that cannot be followed. */
export function ipTransport(b: Uint8Array, at: number, end: number): number {
  if (ipIsV4(b, at)) return ipv4IsFragment(b, at) ? -1 : at + ipv4HeaderLength(b, at);
  return ipv6IsFragment(b, at, end) ? -1 : ipv6Transport(b, at, end);
}

/** The protocol of the header at `transport`, which ipTransport returned for this packet. */
export function ipTransportProtocol(b: Uint8Array, at: number, transport: number): number {
  return ipIsV4(b, at) ? ipv4Protocol(b, at) : ipv6TransportProtocol(b, at, transport);
}

/** Whether a router may cut the packet: IPv4 without Don't Fragment. IPv6 is cut by its sender only. */
export function ipMayFragment(b: Uint8Array, at: number): boolean {
  return ipIsV4(b, at) && !ipv4DontFragment(b, at);
}

/** The unfolded sum of the pseudo-header; `length` is that of the transport header with its payload. */
export function ipPseudoSum(b: Uint8Array, at: number, protocol: number, length: number): number {
  return ipIsV4(b, at)
    ? pseudoHeaderSum4(b, at, protocol, length)
    : pseudoHeaderSum6(b, at, protocol, length);
}

/** Writes how many bytes header and payload have, and IPv4's header checksum anew. */
export function putIpTotalLength(b: Uint8Array, at: number, length: number): void {
  if (!ipIsV4(b, at)) return putU16(b, at + IPV6_PAYLOAD_LENGTH_AT, length - IPV6_LEN);
  putU16(b, at + IPV4_TOTAL_LENGTH_AT, length);
  fixIpv4Checksum(b, at);
}

/** Makes the identification `n` more, and IPv4's header checksum right for it; IPv6 has none. */
export function addToIpId(b: Uint8Array, at: number, n: number): void {
  if (!ipIsV4(b, at)) return;
  const id = u16(b, at + IPV4_ID_AT);
  const next = (id + n) & 0xffff;
  putU16(b, at + IPV4_ID_AT, next);
  putU16(b, at + IPV4_CHECKSUM_AT, updateChecksum16(u16(b, at + IPV4_CHECKSUM_AT), id, next));
}
