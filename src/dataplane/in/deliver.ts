/**
 * The end of a packet's way in, whatever it came by: whose it is, whether it may come from there, whether it is for
 * us. Addresses are looked up in the one table of routes.
 */
import { decodeIp, ipTotalLength } from "../../wire/ip.ts";
import { COUNTED_LATER, MALFORMED, NOT_FOR_US, SPOOFED, type Verdict } from "../tables/counters.ts";
import type { Incoming } from "../packet/incoming.ts";
import type { Plane } from "../plane/plane.ts";
import { OWN_SLOT } from "../tables/route_table.ts";

export const NOT_IP = -2;
const NOBODY = -1;

/** The peer whose lease holds the source of the packet; NOBODY, or NOT_IP. */
export function senderOf({ b, routes }: Plane, { at, end }: Incoming): number {
  if (decodeIp(b, at, end) < 0) return NOT_IP;
  const slot = routes.sourceOf(b, at);
  return slot === OWN_SLOT ? NOBODY : slot;
}

/** The packet of a datagram that named its peer: its source must lie in the peer's lease. */
export function accept(plane: Plane, d: Incoming): Verdict {
  const sender = senderOf(plane, d);
  if (sender === NOT_IP) return MALFORMED;
  return sender === d.slot ? deliver(plane, d) : SPOOFED;
}

/**
 * Gives the decoded packet to the coalescer, which counts what it writes, and so to TUN, if it is for us. What the
 * datagram holds behind it is left out: frames are padded.
 */
export function deliver(plane: Plane, d: Incoming): Verdict {
  const { b, coalescer } = plane;
  const at = d.at;
  const length = ipTotalLength(b, at);
  if (plane.routes.destinationOf(b, at) !== OWN_SLOT) return NOT_FOR_US;
  if (d.segment > 0) coalescer.addUdpSuperframe(at, length, d.segment);
  else coalescer.add(at, length, d.checksum, d.slot);
  plane.counters.receivedFrom(d.slot, length);
  return COUNTED_LATER;
}
