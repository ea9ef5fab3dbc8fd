/**
 * The headers of a superframe's segments (Documentation/networking/segmentation-offloads.rst): each is a copy of those
 * before it, in which only what differs is written. `head` is where they are; the payload stays in the superframe.
 */
import { putU16, u32 } from "../../wire/bytes.ts";
import { fold, sum } from "../../wire/checksum.ts";
import { ipPseudoSum, nextIpId, putIpTotalLength } from "../../wire/ip.ts";
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

/** Makes the headers at `head`, those of the segment before, those of segment `i`; its checksum stays what it is. */
export function putSegmentHeaders(b: Uint8Array, head: number, packet: Outgoing, i: number): void {
  const { headers, size, ipHeader } = packet;
  const rest = packet.length - headers - i * size;
  const last = rest <= size;
  const length = headers + (last ? rest : size);
  if (i > 0) nextIpId(b, head);
  if (i === 0 || last) putIpTotalLength(b, head, length);
  if (packet.isTcp) putTcpHeader(b, head + ipHeader, packet.flags, i === 0 ? 0 : size, last);
  else putU16(b, head + ipHeader + UDP_LENGTH_AT, length - ipHeader);
}

/**
 * TCP header of a segment, `offset` bytes after the one it is a copy of. `flags` are the superframe's: FIN and PSH
 * only on the last segment, CWR only on the first (RFC 3168 §6.1.2).
 */
function putTcpHeader(b: Uint8Array, tcp: number, flags: number, offset: number, last: boolean): void {
  if (offset > 0) {
    putTcpSequence(b, tcp, u32(b, tcp + TCP_SEQUENCE_AT) + offset);
    flags &= ~TCP_CWR;
  }
  b[tcp + TCP_FLAGS_AT] = last ? flags : flags & ~(TCP_FIN | TCP_PSH);
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
