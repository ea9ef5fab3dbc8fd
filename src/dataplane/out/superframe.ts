/**
 * A superframe's way out: TUN hands over up to 64 KiB of TCP (or UDP) as one packet, and each segment leaves as a
 * datagram of its own (Documentation/networking/segmentation-offloads.rst):
 *   1. sendSuperframe   how it is cut
 *   2. sendSegments     the peer's encapsulation queues each segment                        (Encapsulator, plane.ts)
 *   3. beginSegments    makes the headers those of the first segment
 *      putSegment       makes a copy of these those of segment i; completeSegment its checksum, where that may not stay
 *                       partial
 * In a copy only what differs is written. A copy of the segment before would do, but reading words that were just
 * written byte by byte makes the processor wait. `head` is where headers are; the payload stays in the superframe.
 */
import { copyWords, putU16, u32 } from "../../wire/bytes.ts";
import { fold, sum } from "../../wire/checksum.ts";
import { addToIpId, ipMayFragment, ipPseudoSum, putIpTotalLength } from "../../wire/ip.ts";
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
import { MALFORMED, TOO_BIG, type Verdict } from "../tables/counters.ts";
import { tooBig } from "./fragments.ts";
import type { Encapsulator, Outgoing, Plane } from "../plane/plane.ts";
import {
  GSO_UDP_L4,
  HEADERS_MAX,
  vnetChecksumStart,
  vnetGsoSize,
  vnetGsoType,
} from "../packet/packet_memory.ts";
import { nextHeaderBlock } from "../plane/sending.ts";

/** TCP flags that only the last segment has. */
const AT_THE_END = TCP_FIN | TCP_PSH;

/** Sends the superframe to its peer, segment by segment. */
export function sendSuperframe(plane: Plane, packet: Outgoing, encapsulator: Encapsulator): Verdict {
  const { b } = plane;
  if (!decodeSuperframe(b, packet)) return MALFORMED;
  const room = plane.peers.mtu[packet.slot]! - packet.headers;
  if (packet.size > room) {
    // The sender does not know this path yet. Without Don't Fragment, smaller segments do instead of fragments.
    if (!ipMayFragment(b, packet.at) || room <= 0) return tooBig(plane, packet);
    if (!packet.isTcp) return fragmentDatagrams(plane, packet);
    packet.size = room;
  }
  return encapsulator.sendSegments(plane, packet);
}

/** UDP has no smaller segments: its datagrams one by one, each in fragments. A datagram is made where it lies. */
function fragmentDatagrams(plane: Plane, packet: Outgoing): Verdict {
  const { b, view } = plane;
  const { at, length, headers, size } = packet;
  const first = nextHeaderBlock(plane);
  copyWords(view, at, first, headers);
  beginSegments(b, first, packet);
  let verdict: Verdict = TOO_BIG;
  for (let i = 0, body = headers; body < length; i++, body += size) {
    const datagram = at + body - headers; // over the end of the one before, whose fragments are copies
    copyWords(view, first, datagram, headers);
    putSegment(b, datagram, packet, i);
    completeSegment(b, datagram, packet, i);
    packet.at = datagram;
    packet.length = headers + Math.min(size, length - body);
    verdict = tooBig(plane, packet);
    packet.at = at;
    packet.length = length;
  }
  return verdict;
}

/** Reads how the superframe is made; false: it is none that can be cut. */
function decodeSuperframe(b: Uint8Array, packet: Outgoing): boolean {
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
