/**
 * A packet's way out, in this order:
 *   1. outboundBatch   read up to BATCH packets from TUN, each into its slot
 *   2. outbound        parse; find the peer that holds the destination; the source must be ours
 *   3. encapsulate     stamp the header in front of it: data, VXLAN (RFC 7348), or none (flannel udp)
 *   4. flushSockets    send the batch                                  (3 and 4: encapsulation.ts)
 * What is refused goes to refusals.ts, which tells the sender.
 */
import { BATCH } from "../ports.ts";
import { decodeIpv4, IPV4_DESTINATION_AT, IPV4_SOURCE_AT, ipv4TotalLength } from "../wire/ipv4.ts";
import { decodeIpv6, IPV6_DESTINATION_AT, IPV6_SOURCE_AT, ipv6TotalLength } from "../wire/ipv6.ts";
import { MALFORMED, MULTICAST, NO_PATH, NO_ROUTE, NOT_OURS, type Verdict } from "./counters.ts";
import { encapsulate, flushSockets } from "./encapsulation.ts";
import { NO_TUNNEL } from "./peer_table.ts";
import type { Plane } from "./plane.ts";
import { packetAt, TUN_SLOTS } from "./pool.ts";
import { refuseNoRoute, refuseNotOurs, tooBig } from "./refusals.ts";
import { OWN_SLOT } from "./route_table.ts";

/** Moves one batch from TUN to the sockets. Returns how many packets were read. */
export function outboundBatch(plane: Plane): number {
  const tun = plane.tun;
  if (tun === null) return 0;
  let count = 0;
  for (; count < BATCH; count++) {
    const slot = TUN_SLOTS + count;
    const length = tun.read(slot);
    if (length <= 0) {
      if (length < 0) plane.tun = null;
      break;
    }
    plane.counters.add(outbound(plane, packetAt(slot), length));
  }
  if (count > 0) flushSockets(plane);
  return count;
}

/** Decides about the packet of `length` bytes at `at` and queues it. */
export function outbound(plane: Plane, at: number, length: number): Verdict {
  const b = plane.b;
  const end = at + length;
  const v4 = b[at]! >>> 4 === 4;
  if ((v4 ? decodeIpv4(b, at, end) : decodeIpv6(b, at, end)) < 0) return MALFORMED;
  const addressLength = v4 ? 4 : 16;
  const destinationAt = at + (v4 ? IPV4_DESTINATION_AT : IPV6_DESTINATION_AT);
  if (isGroup(b[destinationAt]!, v4)) return MULTICAST;
  const slot = plane.routes.lookup(b, destinationAt, addressLength);
  if (slot < 0 || slot === OWN_SLOT) {
    refuseNoRoute(plane, at, end);
    return NO_ROUTE;
  }
  const sourceAt = at + (v4 ? IPV4_SOURCE_AT : IPV6_SOURCE_AT);
  if (plane.routes.lookup(b, sourceAt, addressLength) !== OWN_SLOT) {
    refuseNotOurs(plane, at, end);
    return NOT_OURS;
  }
  if (plane.peers.encapsulation[slot] === NO_TUNNEL) return NO_PATH;
  const size = v4 ? ipv4TotalLength(b, at) : ipv6TotalLength(b, at); // `length` may count bytes behind it
  if (size > plane.peers.mtu[slot]!) return tooBig(plane, slot, at, size);
  return encapsulate(plane, slot, at, size);
}

/** Multicast and broadcast never cross the overlay: 224/4 and 240/4, ff00::/8. */
function isGroup(firstByte: number, v4: boolean): boolean {
  return v4 ? firstByte >= 224 : firstByte === 0xff;
}
