/**
 * The TCP header (RFC 9293 §3.1). Every accessor takes the offset of the header and presumes that decodeTcp accepted it. And
 * which acknowledgments say nothing that a later one does not. Sequence numbers are unsigned; compare their differences as
 * int32. The caller owns every buffer.
 *
 *   | source port 2 | destination port 2 | sequence 4 | acknowledgment 4 | data offset·reserved 1 | flags 1 | window 2 |
 *   | checksum 2 | urgent 2 | options 0..40 |
 */
import { putU16, putU32, u16, u32 } from "./bytes.ts";
import {
  IPV4_FRAGMENT_AT,
  IPV4_MIN_LEN,
  IPV4_PROTOCOL_AT,
  IPV4_SOURCE_AT,
  IPV4_TOTAL_LENGTH_AT,
  IPV4_TTL_AT,
  PROTOCOL_TCP,
} from "./ipv4.ts";
import { IPV6_LEN, IPV6_NEXT_HEADER_AT, IPV6_PAYLOAD_LENGTH_AT, IPV6_SOURCE_AT } from "./ipv6.ts";

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

// ----------------------------------------------------------------------------------------------------
// Acknowledgments that a later one makes superfluous: a receiver of superframes answers each, and several answers lie in
// one batch on the way back. A cumulative acknowledgment says all that those before it said (RFC 3449 §5.2.2, and the
// filter of Linux's sch_cake), so only the last of a run leaves. Only segments that say nothing else take part:
// no data, no flag but ACK, no option but timestamps. SACK blocks and ECN's marks always go out, duplicates and window
// updates unless a greater one follows at once.

/** NOP, NOP, then kind and length of timestamps: what every common sender puts in front of them (RFC 7323, appendix A). */
const TIMESTAMPS = 0x0101080a;
const TIMESTAMPS_LEN = 12;
const MORE_OR_OFFSET = 0x3fff;
/** Data offset, reserved bits and flags of a bare acknowledgment, without and with timestamps. */
const BARE = (TCP_MIN_LEN << 10) | TCP_ACK;
const BARE_STAMPED = ((TCP_MIN_LEN + TIMESTAMPS_LEN) << 10) | TCP_ACK;

/** Whether the packet of `length` bytes at `at` acknowledges and does nothing else. Reads nothing behind it. */
export function isBareAck(v: DataView, at: number, length: number): boolean {
  const ip = ipLength(v, at, length);
  if (ip === 0) return false;
  const tcp = at + ip;
  switch (length - ip) {
    case TCP_MIN_LEN:
      return v.getUint16(tcp + TCP_DATA_OFFSET_AT) === BARE;
    case TCP_MIN_LEN + TIMESTAMPS_LEN:
      return v.getUint16(tcp + TCP_DATA_OFFSET_AT) === BARE_STAMPED &&
        v.getUint32(tcp + TCP_MIN_LEN) === TIMESTAMPS;
    default:
      return false;
  }
}

/** The length of an IP header without options or fragments in front of TCP that ends the packet; 0: it is not that. */
function ipLength(v: DataView, at: number, length: number): number {
  if (length < IPV4_MIN_LEN + TCP_MIN_LEN) return 0;
  const first = v.getUint8(at);
  if (first === 0x45) {
    const plain = v.getUint16(at + IPV4_TOTAL_LENGTH_AT) === length &&
      (v.getUint16(at + IPV4_FRAGMENT_AT) & MORE_OR_OFFSET) === 0;
    return plain && v.getUint8(at + IPV4_PROTOCOL_AT) === PROTOCOL_TCP ? IPV4_MIN_LEN : 0;
  }
  if (first >>> 4 !== 6 || length < IPV6_LEN + TCP_MIN_LEN) return 0;
  const plain = v.getUint16(at + IPV6_PAYLOAD_LENGTH_AT) === length - IPV6_LEN;
  return plain && v.getUint8(at + IPV6_NEXT_HEADER_AT) === PROTOCOL_TCP ? IPV6_LEN : 0;
}

/**
 * Whether the bare acknowledgment at `q`, which came after the one of the same length at `p`, leaves it nothing to say:
 * of the same flow, with the same marks, it acknowledges more.
 */
export function supersedes(v: DataView, p: number, q: number): boolean {
  // Version, type of service, length; or version, traffic class, flow label.
  if (v.getInt32(p) !== v.getInt32(q)) return false;
  const v4 = v.getUint8(p) >>> 4 === 4;
  const hops = v4 ? IPV4_TTL_AT : IPV6_NEXT_HEADER_AT; // and the protocol
  if (v.getUint16(p + hops) !== v.getUint16(q + hops)) return false;
  if (v4 && v.getUint16(p + IPV4_FRAGMENT_AT) !== v.getUint16(q + IPV4_FRAGMENT_AT)) return false;
  const tcp = v4 ? IPV4_MIN_LEN : IPV6_LEN;
  // Both addresses, both ports, the sequence number.
  for (let i = v4 ? IPV4_SOURCE_AT : IPV6_SOURCE_AT; i < tcp + TCP_ACKNOWLEDGMENT_AT; i += 4) {
    if (v.getInt32(p + i) !== v.getInt32(q + i)) return false;
  }
  const acknowledged = tcp + TCP_ACKNOWLEDGMENT_AT;
  return ((v.getInt32(q + acknowledged) - v.getInt32(p + acknowledged)) | 0) > 0;
}
