/**
 * The headers of a superframe's segments (Documentation/networking/segmentation-offloads.rst): each is a copy of the
 * first's, in which only what differs is written. A copy of the one before would do, but reading words that were just
 * written byte by byte makes the processor wait. `head` is where they are; the payload stays in the superframe.
 */
import { putU16, u32 } from "../../wire/bytes.ts";
import { fold, sum } from "../../wire/checksum.ts";
import { addToIpId, ipPseudoSum, putIpTotalLength } from "../../wire/ip.ts";
import { PROTOCOL_TCP, PROTOCOL_UDP } from "../../wire/ipv4.ts";
import {
  decodeTcp,
  putTcpSequence,
  TCP_CHECKSUM_AT,
  TCP_CWR,
  TCP_FIN,
  TCP_FLAGS_AT,
  TCP_PSH,
  TCP_SEQUENCE_AT,
} from "../../wire/tcp.ts";
import { UDP_CHECKSUM_AT, UDP_LEN, UDP_LENGTH_AT, udpChecksumOnWire } from "../../wire/udp.ts";
import type { Outgoing } from "./outgoing.ts";
import { HEADERS_MAX } from "./pool.ts";
import { GSO_UDP_L4, vnetChecksumStart, vnetGsoSize, vnetGsoType } from "./vnet.ts";

/** TCP flags that only the last segment has. */
const AT_THE_END = TCP_FIN | TCP_PSH;

/** Reads how the superframe is made; false: it is none that can be cut. */
export function decodeSuperframe(b: Uint8Array, packet: Outgoing): boolean {
  const { at, length } = packet;
  packet.ipHeader = vnetChecksumStart(b, at);
  packet.isTcp = vnetGsoType(b, at) !== GSO_UDP_L4;
  packet.size = vnetGsoSize(b, at);
  const transport = at + packet.ipHeader;
  const transportLength = packet.isTcp ? decodeTcp(b, transport, at + length) : UDP_LEN;
  packet.headers = packet.ipHeader + transportLength;
  if (packet.ipHeader < 20 || transportLength < 0 || packet.size === 0) return false;
  if (packet.headers >= length || packet.headers > HEADERS_MAX) return false;
  packet.flags = b[transport + TCP_FLAGS_AT]!;
  return true;
}

/** Makes the superframe's headers at `head` those of its first segment; its checksum stays what it is. */
export function beginSegments(b: Uint8Array, head: number, packet: Outgoing): void {
  const { headers, ipHeader, size, isTcp, flags } = packet;
  const length = Math.min(packet.length, headers + size);
  putIpTotalLength(b, head, length);
  const transport = head + ipHeader;
  if (!isTcp) putU16(b, transport + UDP_LENGTH_AT, length - ipHeader);
  else if (length < packet.length) b[transport + TCP_FLAGS_AT] = flags & ~AT_THE_END;
}

/** Makes a copy of the first segment's headers those of segment `i`. */
export function putSegment(b: Uint8Array, head: number, packet: Outgoing, i: number): void {
  if (i === 0) return;
  const { ipHeader, size, isTcp } = packet;
  addToIpId(b, head, i);
  if (isTcp) {
    const tcp = head + ipHeader;
    putTcpSequence(b, tcp, u32(b, tcp + TCP_SEQUENCE_AT) + i * size);
    b[tcp + TCP_FLAGS_AT] = b[tcp + TCP_FLAGS_AT]! & ~TCP_CWR; // for the first only (RFC 3168 §6.1.2)
  }
  const rest = packet.length - packet.headers - i * size;
  if (rest <= size) endSegments(b, head, packet, rest);
}

/** The last has `rest` bytes of payload, and the flags that speak for the end. */
function endSegments(b: Uint8Array, head: number, packet: Outgoing, rest: number): void {
  const { headers, ipHeader, isTcp, flags } = packet;
  putIpTotalLength(b, head, headers + rest);
  const transport = head + ipHeader;
  if (!isTcp) putU16(b, transport + UDP_LENGTH_AT, headers - ipHeader + rest);
  else b[transport + TCP_FLAGS_AT] = b[transport + TCP_FLAGS_AT]! | (flags & AT_THE_END);
}

/** Completes the checksum of segment `i`, whose headers lie at `head`. */
export function completeSegment(b: Uint8Array, head: number, packet: Outgoing, i: number): void {
  const { headers, size, ipHeader, isTcp } = packet;
  const body = headers + i * size;
  const bodyLength = Math.min(size, packet.length - body);
  const transport = head + ipHeader;
  const field = transport + (isTcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT);
  putU16(b, field, 0);
  const transportLength = headers - ipHeader;
  const pseudo = ipPseudoSum(b, head, isTcp ? PROTOCOL_TCP : PROTOCOL_UDP, transportLength + bodyLength);
  const ofHeader = fold(sum(b, transport, transportLength, pseudo));
  const checksum = ~fold(sum(b, packet.at + body, bodyLength, ofHeader)) & 0xffff;
  putU16(b, field, isTcp ? checksum : udpChecksumOnWire(checksum));
}
