/** Packets longer than the path of their peer: an error that names the right size, or fragments (RFC 791 §2.3). */
import { BATCH } from "../../ports/devices.ts";
import { putU16, u16 } from "../../wire/bytes.ts";
import { ipMayFragment, putIpTotalLength } from "../../wire/ip.ts";
import { IPV4_FRAGMENT_AT, ipv4HeaderLength } from "../../wire/ipv4.ts";
import { FRAGMENTED, MALFORMED, TOO_BIG, type Verdict } from "../tables/counters.ts";
import { refuseTooBig } from "./icmp_errors.ts";
import type { Outgoing, Plane } from "../plane/plane.ts";
import { FRAGMENT_SLOTS, packetAt } from "../packet/packet_memory.ts";
import { flushSockets } from "../plane/sending.ts";

const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;
const MAX_DATAGRAM = 0xffff;

/** Sends what it may of the packet, or the error. */
export function tooBig(plane: Plane, packet: Outgoing): Verdict {
  const mtu = plane.peers.mtu[packet.slot]!;
  if (ipMayFragment(plane.b, packet.at)) return fragment(plane, packet, mtu);
  refuseTooBig(plane, packet, mtu);
  return TOO_BIG;
}

/** Cuts an IPv4 packet into pieces of at most `mtu` bytes, each in a slot of its own. */
function fragment(plane: Plane, packet: Outgoing, mtu: number): Verdict {
  const { b } = plane;
  const { at, length } = packet;
  const encapsulator = plane.encapsulators[packet.slot]!;
  const header = ipv4HeaderLength(b, at);
  const step = (mtu - header) & ~7;
  if (step <= 0) return TOO_BIG;
  const field = u16(b, at + IPV4_FRAGMENT_AT);
  const first = field & OFFSET_MASK;
  if (first * 8 + length > MAX_DATAGRAM) return MALFORMED; // offsets would run over their 13 bits
  packet.partial = false;
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
    packet.at = piece;
    packet.length = header + size;
    verdict = encapsulator.send(plane, packet);
  }
  return verdict;
}
