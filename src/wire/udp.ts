/**
 * The UDP header (RFC 768). Every accessor takes the offset of the header and presumes that decodeUdp accepted it.
 * A checksum of 0 means "none" over IPv4; a computed 0 is sent as 0xffff. The caller owns every buffer.
 *
 *   | source port 2 | destination port 2 | length 2 | checksum 2 | payload |
 */

import { putU16, u16 } from "./bytes.ts";

/** Where VXLAN is expected: Linux's own default (linux/drivers/net/vxlan), older than IANA's 4789. */
export const VXLAN_PORT = 8472;
/** Where flannel's udp backend listens. */
export const FLANNEL_PORT = 8285;

export const UDP_LEN = 8;
export const UDP_SOURCE_PORT_AT = 0;
export const UDP_DESTINATION_PORT_AT = 2;
export const UDP_LENGTH_AT = 4;
export const UDP_CHECKSUM_AT = 6;

/** UDP_LEN if the header fits before `end` and its length field is 8 or more and fits too, else −1. */
export function decodeUdp(b: Uint8Array, at: number, end: number): number {
  const room = end - at;
  if (room < UDP_LEN) return -1;
  const length = u16(b, at + UDP_LENGTH_AT);
  return length < UDP_LEN || length > room ? -1 : UDP_LEN;
}

/** Source port. */
export function udpSourcePort(b: Uint8Array, at: number): number {
  return u16(b, at + UDP_SOURCE_PORT_AT);
}

/** Destination port. */
export function udpDestinationPort(b: Uint8Array, at: number): number {
  return u16(b, at + UDP_DESTINATION_PORT_AT);
}

/** Bytes of header and payload. */
export function udpLength(b: Uint8Array, at: number): number {
  return u16(b, at + UDP_LENGTH_AT);
}

/** The checksum field; 0 means that there is none. */
export function udpChecksum(b: Uint8Array, at: number): number {
  return u16(b, at + UDP_CHECKSUM_AT);
}

/** Writes the checksum field as given; see udpChecksumOnWire for computed values. */
export function putUdpChecksum(b: Uint8Array, at: number, value: number): void {
  putU16(b, at + UDP_CHECKSUM_AT, value);
}

/** What to send for a computed checksum: 0xffff in place of 0. */
export function udpChecksumOnWire(computed: number): number {
  return computed === 0 ? 0xffff : computed;
}

/** Writes a header with a checksum of 0; `length` counts header and payload. Returns UDP_LEN. */
export function encodeUdp(
  b: Uint8Array,
  at: number,
  sourcePort: number,
  destinationPort: number,
  length: number,
): number {
  putU16(b, at + UDP_SOURCE_PORT_AT, sourcePort);
  putU16(b, at + UDP_DESTINATION_PORT_AT, destinationPort);
  putU16(b, at + UDP_LENGTH_AT, length);
  putU16(b, at + UDP_CHECKSUM_AT, 0);
  return UDP_LEN;
}
