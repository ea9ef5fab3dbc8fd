/**
 * The TCP header (RFC 9293 §3.1). Every accessor takes the offset of the header and presumes that decodeTcp accepted
 * it. Sequence numbers are unsigned; compare their differences as int32. The caller owns every buffer.
 *
 *   | source port 2 | destination port 2 | sequence 4 | acknowledgment 4 | data offset·reserved 1 | flags 1 | window 2 |
 *   | checksum 2 | urgent 2 | options 0..40 |
 */

import { putU16, putU32, u16, u32 } from "./bytes.ts";

export const TCP_MIN_LEN = 20;
export const TCP_SOURCE_PORT_AT = 0;
export const TCP_DESTINATION_PORT_AT = 2;
export const TCP_SEQUENCE_AT = 4;
export const TCP_ACKNOWLEDGMENT_AT = 8;
export const TCP_DATA_OFFSET_AT = 12;
export const TCP_FLAGS_AT = 13;
export const TCP_WINDOW_AT = 14;
export const TCP_CHECKSUM_AT = 16;

export const TCP_FIN = 0x01;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_CWR = 0x80;

/** The header's length in bytes (20..60) if it fits before `end`, else −1. */
export function decodeTcp(b: Uint8Array, at: number, end: number): number {
  const room = end - at;
  if (room < TCP_MIN_LEN) return -1;
  const headerLen = (b[at + TCP_DATA_OFFSET_AT]! >>> 4) << 2;
  return headerLen < TCP_MIN_LEN || headerLen > room ? -1 : headerLen;
}

/** Header length in bytes. */
export function tcpHeaderLength(b: Uint8Array, at: number): number {
  return (b[at + TCP_DATA_OFFSET_AT]! >>> 4) << 2;
}

/** Source port. */
export function tcpSourcePort(b: Uint8Array, at: number): number {
  return u16(b, at + TCP_SOURCE_PORT_AT);
}

/** Destination port. */
export function tcpDestinationPort(b: Uint8Array, at: number): number {
  return u16(b, at + TCP_DESTINATION_PORT_AT);
}

/** Sequence number, u32. */
export function tcpSequence(b: Uint8Array, at: number): number {
  return u32(b, at + TCP_SEQUENCE_AT);
}

/** Writes the low 32 bits of `sequence`; the checksum is the caller's business. */
export function putTcpSequence(b: Uint8Array, at: number, sequence: number): void {
  putU32(b, at + TCP_SEQUENCE_AT, sequence);
}

/** Acknowledgment number, u32. */
export function tcpAcknowledgment(b: Uint8Array, at: number): number {
  return u32(b, at + TCP_ACKNOWLEDGMENT_AT);
}

/** The eight TCP_ flag bits. */
export function tcpFlags(b: Uint8Array, at: number): number {
  return b[at + TCP_FLAGS_AT]!;
}

/** Receive window, unscaled. */
export function tcpWindow(b: Uint8Array, at: number): number {
  return u16(b, at + TCP_WINDOW_AT);
}

/** The checksum field. */
export function tcpChecksum(b: Uint8Array, at: number): number {
  return u16(b, at + TCP_CHECKSUM_AT);
}

/** Writes the checksum field. */
export function putTcpChecksum(b: Uint8Array, at: number, value: number): void {
  putU16(b, at + TCP_CHECKSUM_AT, value);
}
