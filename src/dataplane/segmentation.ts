/**
 * A superframe's way out: TUN hands over up to 64 KiB of TCP (or UDP) as one packet, and each segment leaves as
 * a datagram of its own (Documentation/networking/segmentation-offloads.rst). Per segment only the headers are
 * written, into a block of their own; the payload stays where it was read and the kernel gathers both. Between
 * ovltun nodes the checksum stays partial; towards anybody else it is completed here. A segment that will be sealed
 * becomes whole where it lies: its headers go over the end of the one before, which is sealed by then.
 */
import { HEADROOM } from "../ports/devices.ts";
import { copyWords, putU16, u16, u32 } from "../wire/bytes.ts";
import { fold, sum } from "../wire/checksum.ts";
import { ipMayFragment, ipPseudoSum, nextIpId, putIpTotalLength } from "../wire/ip.ts";
import { IPV4_ID_AT, PROTOCOL_TCP, PROTOCOL_UDP } from "../wire/ipv4.ts";
import {
  decodeTcp,
  putTcpSequence,
  TCP_CHECKSUM_AT,
  TCP_CWR,
  TCP_FIN,
  TCP_FLAGS_AT,
  TCP_PSH,
  TCP_SEQUENCE_AT,
} from "../wire/tcp.ts";
import { UDP_CHECKSUM_AT, UDP_LEN, UDP_LENGTH_AT, udpChecksumOnWire } from "../wire/udp.ts";
import { MALFORMED, NO_PATH, SENT, TOO_BIG, type Verdict } from "./counters.ts";
import { flushSockets, queue, seal, stamp, stampAlike } from "./encapsulation.ts";
import { BY_DATA, BY_SEALED } from "./peer_table.ts";
import type { Plane } from "./plane.ts";
import { HEADER_BLOCKS, headerBlock, HEADERS_MAX } from "./pool.ts";
import { tooBig } from "./refusals.ts";
import { GSO_UDP_L4, vnetChecksumOffset, vnetChecksumStart, vnetGsoSize, vnetGsoType } from "./vnet.ts";

/** Sends the superframe of `length` bytes at `at` to peer `slot`, segment by segment. */
export function sendSuperframe(plane: Plane, slot: number, at: number, length: number): Verdict {
  const b = plane.b;
  const start = vnetChecksumStart(b, at);
  const isTcp = vnetGsoType(b, at) !== GSO_UDP_L4;
  const transport = at + start;
  const end = at + length;
  const transportLength = isTcp ? decodeTcp(b, transport, end) : UDP_LEN;
  const headers = start + transportLength;
  if (start < 20 || transportLength < 0 || headers >= length || headers > HEADERS_MAX) return MALFORMED;
  let size = vnetGsoSize(b, at);
  if (size === 0) return MALFORMED;
  const mtu = plane.peers.mtu[slot]!;
  if (headers + size > mtu) {
    // The sender does not know this path yet. Without Don't Fragment, smaller segments do instead of fragments.
    if (!ipMayFragment(b, at) || mtu <= headers) return tooBig(plane, slot, at, length);
    if (!isTcp) return fragmentDatagrams(plane, slot, at, length);
    size = mtu - headers;
  }
  if (plane.peers.encapsulation[slot] === BY_SEALED) {
    return sealSegments(plane, slot, at, length, headers, size);
  }
  const partial = plane.peers.encapsulation[slot] === BY_DATA;
  const count = Math.ceil((length - headers) / size);
  let before = at;
  let header = 0;
  for (let i = 0, body = headers; i < count; i++, body += size) {
    const bodyLength = Math.min(size, length - body);
    const head = nextHeader(plane);
    copyWords(plane.view, before, head, headers);
    putIpHeader(b, head, i, headers + bodyLength, i === 0 || i === count - 1);
    if (isTcp) {
      putTcpHeader(b, head + start, b[transport + TCP_FLAGS_AT]!, i === 0 ? 0 : size, i === count - 1);
    } else putU16(b, head + start + UDP_LENGTH_AT, UDP_LEN + bodyLength);
    if (!partial) completeSegment(b, head, start, transportLength, at + body, bodyLength, isTcp);
    if (i === 0) header = stamp(plane, slot, head, partial);
    else stampAlike(plane, slot, before, head, header);
    if (header < 0) return NO_PATH;
    queue(plane, slot, head - header, header + headers, at + body, bodyLength);
    before = head;
  }
  plane.counters.sentTo(slot, count * headers + length - headers, count);
  return SENT;
}

/** Seals the superframe segment by segment, `size` bytes of payload each. */
function sealSegments(
  plane: Plane,
  slot: number,
  at: number,
  length: number,
  headers: number,
  size: number,
): Verdict {
  const b = plane.b;
  const start = vnetChecksumStart(b, at);
  const isTcp = vnetGsoType(b, at) !== GSO_UDP_L4;
  const flags = b[at + start + TCP_FLAGS_AT]!;
  const count = Math.ceil((length - headers) / size);
  const next = nextHeader(plane); // the headers of the segment before, made those of the next
  copyWords(plane.view, at, next, headers);
  let verdict: Verdict = TOO_BIG;
  for (let i = 0, body = headers; i < count; i++, body += size) {
    const bodyLength = Math.min(size, length - body);
    putIpHeader(b, next, i, headers + bodyLength, i === 0 || i === count - 1);
    if (isTcp) putTcpHeader(b, next + start, flags, i === 0 ? 0 : size, i === count - 1);
    else putU16(b, next + start + UDP_LENGTH_AT, UDP_LEN + bodyLength);
    const head = at + body - headers;
    copyWords(plane.view, next, head, headers);
    verdict = seal(plane, slot, head, headers + bodyLength, true);
  }
  return verdict;
}

/** UDP has no smaller segments: its datagrams one by one, each in fragments. A datagram is made where it lies. */
function fragmentDatagrams(plane: Plane, slot: number, at: number, length: number): Verdict {
  const b = plane.b;
  const start = vnetChecksumStart(b, at);
  const size = vnetGsoSize(b, at);
  const headers = start + UDP_LEN;
  const original = nextHeader(plane);
  b.copyWithin(original, at, at + headers);
  let verdict: Verdict = TOO_BIG;
  for (let i = 0, body = headers; body < length; i++, body += size) {
    const bodyLength = Math.min(size, length - body);
    const datagram = at + body - headers; // over the end of the one before, whose fragments are copies
    b.copyWithin(datagram, original, original + headers);
    putU16(b, datagram + IPV4_ID_AT, u16(b, original + IPV4_ID_AT) + i);
    putIpHeader(b, datagram, 0, headers + bodyLength, true);
    putU16(b, datagram + start + UDP_LENGTH_AT, UDP_LEN + bodyLength);
    completeSegment(b, datagram, start, UDP_LEN, at + body, bodyLength, false);
    verdict = tooBig(plane, slot, datagram, headers + bodyLength);
  }
  return verdict;
}

/** A free header block; the queue is sent first when none is left. */
function nextHeader(plane: Plane): number {
  if (plane.headers === HEADER_BLOCKS) flushSockets(plane);
  return headerBlock(plane.headers++) + HEADROOM;
}

/** IP header of segment `i`, a copy of the one before. `anew`: the length, now `length`, may be another. */
function putIpHeader(b: Uint8Array, head: number, i: number, length: number, anew: boolean): void {
  if (i > 0) nextIpId(b, head);
  if (anew) putIpTotalLength(b, head, length);
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

/** Completes the checksum of a segment whose headers lie at `head` and whose payload at `body`. */
function completeSegment(
  b: Uint8Array,
  head: number,
  start: number,
  transportLength: number,
  body: number,
  bodyLength: number,
  isTcp: boolean,
): void {
  const transport = head + start;
  const field = transport + (isTcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT);
  putU16(b, field, 0);
  const pseudo = ipPseudoSum(b, head, isTcp ? PROTOCOL_TCP : PROTOCOL_UDP, transportLength + bodyLength);
  const ofHeader = fold(sum(b, transport, transportLength, pseudo));
  const checksum = ~fold(sum(b, body, bodyLength, ofHeader)) & 0xffff;
  putU16(b, field, isTcp ? checksum : udpChecksumOnWire(checksum));
}

/** Completes the partial checksum of a single packet from TUN; the field holds the pseudo-header sum. */
export function completeChecksum(b: Uint8Array, at: number, length: number): boolean {
  const start = vnetChecksumStart(b, at);
  const offset = vnetChecksumOffset(b, at);
  if (start + offset + 2 > length) return false;
  const checksum = ~fold(sum(b, at + start, length - start, 0)) & 0xffff;
  putU16(b, at + start + offset, offset === UDP_CHECKSUM_AT ? udpChecksumOnWire(checksum) : checksum);
  return true;
}

/** Whether csum_start and csum_offset name the packet's own TCP or UDP header: only then may it stay partial. */
export function isOwnChecksum(b: Uint8Array, at: number, transport: number, protocol: number): boolean {
  if (at + vnetChecksumStart(b, at) !== transport) return false;
  const offset = vnetChecksumOffset(b, at);
  return (protocol === PROTOCOL_TCP && offset === TCP_CHECKSUM_AT) ||
    (protocol === PROTOCOL_UDP && offset === UDP_CHECKSUM_AT);
}
