/**
 * The end of a packet's way in, whatever it came by: whose it is, whether it may come from there, whether it is for
 * us. Addresses are looked up in the one table of routes.
 */
import { decodeIp, ipAddressLength, ipDestinationAt, ipSourceAt, ipTotalLength } from "../wire/ip.ts";
import { COUNTED_LATER, MALFORMED, NOT_FOR_US, SPOOFED, type Verdict } from "./counters.ts";
import type { Plane } from "./plane.ts";
import { OWN_SLOT } from "./route_table.ts";

export const NOT_IP = -2;
const NOBODY = -1;

/** The peer whose lease holds the source of the packet; NOBODY, or NOT_IP. */
export function senderOf(plane: Plane, at: number, end: number): number {
  const b = plane.b;
  if (decodeIp(b, at, end) < 0) return NOT_IP;
  const slot = plane.routes.lookup(b, ipSourceAt(b, at), ipAddressLength(b, at));
  return slot === OWN_SLOT ? NOBODY : slot;
}

/** The inner packet of a data datagram from peer `slot`: its source must lie in the peer's lease. */
export function accept(plane: Plane, slot: number, at: number, end: number, checksum: number): Verdict {
  const sender = senderOf(plane, at, end);
  if (sender === NOT_IP) return MALFORMED;
  return sender === slot ? deliver(plane, slot, at, checksum) : SPOOFED;
}

/**
 * Gives the decoded packet to the coalescer, which counts what it writes, and so to TUN, if it is for us. What the
 * datagram holds behind it is left out: frames are padded.
 */
export function deliver(plane: Plane, slot: number, at: number, checksum: number): Verdict {
  const b = plane.b;
  const length = ipTotalLength(b, at);
  if (plane.routes.lookup(b, ipDestinationAt(b, at), ipAddressLength(b, at)) !== OWN_SLOT) return NOT_FOR_US;
  if (plane.innerSegment > 0) plane.coalescer.addUdpSuperframe(at, length, plane.innerSegment);
  else plane.coalescer.add(at, length, checksum, slot);
  plane.counters.receivedFrom(slot, length);
  plane.lastSlot = slot;
  plane.lastChecksum = checksum;
  return COUNTED_LATER;
}
