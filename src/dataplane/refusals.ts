/**
 * What a router owes the sender of a packet it does not carry: ICMP errors (RFC 1812 §5.2.7, RFC 4443), and
 * fragments where Don't Fragment is not set (RFC 791 §2.3). Errors are rate-limited and written to TUN.
 */
import { BATCH, VNET_LEN } from "../ports/devices.ts";
import { putU16, u16 } from "../wire/bytes.ts";
import {
  encodeIcmpError,
  type IcmpReason,
  NO_ROUTE_REASON,
  PROHIBITED_REASON,
  TOO_BIG_REASON,
} from "../wire/icmp.ts";
import { ipAddressLength, ipDestinationAt, ipMayFragment, putIpTotalLength } from "../wire/ip.ts";
import { IPV4_FRAGMENT_AT, ipv4HeaderLength } from "../wire/ipv4.ts";
import { FRAGMENTED, ICMP_SENT, MALFORMED, TOO_BIG, TUN_WRITE_FAILED, type Verdict } from "./counters.ts";
import { encapsulate, flushSockets } from "./encapsulation.ts";
import type { Plane } from "./plane.ts";
import { FRAGMENT_SLOTS, ICMP_SLOT, packetAt } from "./pool.ts";

const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;
const MAX_DATAGRAM = 0xffff;

/** Tells the sender that nobody holds the destination. */
export function refuseNoRoute(plane: Plane, at: number, end: number): void {
  sendError(plane, NO_ROUTE_REASON, 0, at, end);
}

/** Tells the sender that its address is not part of our lease. */
export function refuseNotOurs(plane: Plane, at: number, end: number): void {
  sendError(plane, PROHIBITED_REASON, 0, at, end);
}

/** A packet longer than the path of its peer: an error that names the right size, or fragments. */
export function tooBig(plane: Plane, slot: number, at: number, length: number): Verdict {
  const mtu = plane.peers.mtu[slot]!;
  if (ipMayFragment(plane.b, at)) return fragment(plane, slot, at, length, mtu);
  sendError(plane, TOO_BIG_REASON, mtu, at, at + length);
  return TOO_BIG;
}

/** Writes an ICMP error about the packet at..end to TUN. */
function sendError(plane: Plane, reason: IcmpReason, mtu: number, at: number, end: number): void {
  if (plane.tun === null || !plane.icmpLimit.take(plane.now)) return;
  const b = plane.b;
  const out = packetAt(ICMP_SLOT);
  // The error comes from the address the packet was sent to. RFC 1812 §4.3.2.4 wants our own, but the kernel
  // drops what arrives on TUN from an address of this host (a martian source, accept_local = 0).
  const destination = ipDestinationAt(b, at);
  const source = b.subarray(destination, destination + ipAddressLength(b, at));
  const length = encodeIcmpError(b, out, { reason, mtu, source }, b.subarray(at, end));
  if (length === 0) return;
  b.fill(0, out - VNET_LEN, out);
  plane.tun.gather(out - VNET_LEN, VNET_LEN + length);
  plane.counters.add(plane.tun.write() === 0 ? ICMP_SENT : TUN_WRITE_FAILED);
}

/** Cuts an IPv4 packet into pieces of at most `mtu` bytes, each in a slot of its own. */
function fragment(plane: Plane, slot: number, at: number, length: number, mtu: number): Verdict {
  const b = plane.b;
  const header = ipv4HeaderLength(b, at);
  const step = (mtu - header) & ~7;
  if (step <= 0) return TOO_BIG;
  const field = u16(b, at + IPV4_FRAGMENT_AT);
  const first = field & OFFSET_MASK;
  if (first * 8 + length > MAX_DATAGRAM) return MALFORMED; // offsets would run over their 13 bits
  let verdict: Verdict = TOO_BIG;
  for (let from = header; from < length; from += step) {
    if (plane.fragments === BATCH) flushSockets(plane);
    const piece = packetAt(FRAGMENT_SLOTS + plane.fragments++);
    const size = Math.min(step, length - from);
    b.copyWithin(piece, at, at + header);
    b.copyWithin(piece + header, at + from, at + from + size);
    const more = from + size < length ? MORE_FRAGMENTS : field & MORE_FRAGMENTS;
    putU16(b, piece + IPV4_FRAGMENT_AT, more | (first + ((from - header) >>> 3)));
    putIpTotalLength(b, piece, header + size);
    plane.counters.add(FRAGMENTED);
    verdict = encapsulate(plane, slot, piece, header + size, false);
  }
  return verdict;
}
