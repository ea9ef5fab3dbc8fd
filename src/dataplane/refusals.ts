/**
 * What a router owes the sender of a packet it does not carry: ICMP errors (RFC 1812 §5.2.7, RFC 4443), and
 * fragments where Don't Fragment is not set (RFC 791 §2.3). Errors are rate-limited and written to TUN.
 */
import { BATCH, VNET_LEN } from "../ports/devices.ts";
import { putU16, u16 } from "../wire/bytes.ts";
import {
  encodeIcmpError4,
  encodeIcmpError6,
  ICMP_ADMIN_PROHIBITED,
  ICMP_FRAGMENTATION_NEEDED,
  ICMP_NET_UNREACHABLE,
  ICMP_UNREACHABLE,
  ICMPV6_ADMIN_PROHIBITED,
  ICMPV6_NO_ROUTE,
  ICMPV6_PACKET_TOO_BIG,
  ICMPV6_UNREACHABLE,
} from "../wire/icmp.ts";
import {
  fixIpv4Checksum,
  IPV4_FRAGMENT_AT,
  IPV4_TOTAL_LENGTH_AT,
  ipv4Destination,
  ipv4DontFragment,
  ipv4HeaderLength,
} from "../wire/ipv4.ts";
import { FRAGMENTED, ICMP_SENT, MALFORMED, TOO_BIG, TUN_WRITE_FAILED, type Verdict } from "./counters.ts";
import { encapsulate, flushSockets } from "./encapsulation.ts";
import type { Plane } from "./plane.ts";
import { FRAGMENT_SLOTS, ICMP_SLOT, packetAt } from "./pool.ts";

const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;
const MAX_DATAGRAM = 0xffff;

/** Tells the sender that nobody holds the destination. */
export function refuseNoRoute(plane: Plane, at: number, end: number): void {
  sendError(plane, ICMP_NET_UNREACHABLE, ICMPV6_UNREACHABLE, ICMPV6_NO_ROUTE, 0, at, end);
}

/** Tells the sender that its address is not part of our lease. */
export function refuseNotOurs(plane: Plane, at: number, end: number): void {
  sendError(plane, ICMP_ADMIN_PROHIBITED, ICMPV6_UNREACHABLE, ICMPV6_ADMIN_PROHIBITED, 0, at, end);
}

/** A packet longer than the path of its peer: an error that names the right size, or fragments. */
export function tooBig(plane: Plane, slot: number, at: number, length: number): Verdict {
  const mtu = plane.peers.mtu[slot]!;
  if (plane.b[at]! >>> 4 === 4 && !ipv4DontFragment(plane.b, at)) {
    return fragment(plane, slot, at, length, mtu);
  }
  sendError(plane, ICMP_FRAGMENTATION_NEEDED, ICMPV6_PACKET_TOO_BIG, 0, mtu, at, at + length);
  return TOO_BIG;
}

/** Writes an ICMP error about the packet to TUN. `code4` is a code of ICMP destination unreachable. */
function sendError(
  plane: Plane,
  code4: number,
  type6: number,
  code6: number,
  mtu: number,
  at: number,
  end: number,
): void {
  if (plane.tun === null || !plane.icmpLimit.take(plane.now)) return;
  const out = packetAt(ICMP_SLOT);
  const v4 = plane.b[at]! >>> 4 === 4;
  // The error comes from the address the packet was sent to. RFC 1812 §4.3.2.4 wants our own, but the kernel
  // drops what arrives on TUN from an address of this host (a martian source, accept_local = 0).
  const length = v4
    ? encodeIcmpError4(
      plane.b,
      out,
      { type: ICMP_UNREACHABLE, code: code4, mtu, source: ipv4Destination(plane.b, at) },
      plane.b,
      at,
      end,
    )
    : encodeIcmpError6(
      plane.b,
      out,
      { type: type6, code: code6, mtu, source: plane.b.subarray(at + 24, at + 40) },
      plane.b,
      at,
      end,
    );
  if (length === 0) return;
  plane.b.fill(0, out - VNET_LEN, out);
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
    putU16(b, piece + IPV4_TOTAL_LENGTH_AT, header + size);
    putU16(b, piece + IPV4_FRAGMENT_AT, more | (first + ((from - header) >>> 3)));
    fixIpv4Checksum(b, piece);
    plane.counters.add(FRAGMENTED);
    verdict = encapsulate(plane, slot, piece, header + size, false);
  }
  return verdict;
}
