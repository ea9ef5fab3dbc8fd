/**
 * A packet's way out, in this order:
 *   1. outboundBatch   read up to BATCH packets from TUN, each into its slot; leave out what the next one says (acks.ts)
 *   2. outbound        parse; find the peer that holds the destination; the source must be ours
 *   3. encapsulate     stamp the header in front of it: data, VXLAN (RFC 7348), or none (flannel udp); or seal it
 *   4. flushSockets    send the batch                                  (3 and 4: encapsulation.ts)
 * What is refused goes to refusals.ts, which tells the sender; what needs a session first waits (waitForSession).
 */
import { BATCH, VNET_LEN } from "../ports/devices.ts";
import {
  decodeIp,
  ipAddressLength,
  ipDestinationAt,
  ipIsToGroup,
  ipSourceAt,
  ipTotalLength,
  ipTransport,
  ipTransportProtocol,
} from "../wire/ip.ts";
import { isBareAck, supersedes } from "./acks.ts";
import {
  ACK_SUPERSEDED,
  COUNTED_LATER,
  MALFORMED,
  MULTICAST,
  NO_PATH,
  NO_ROUTE,
  NO_SESSION,
  NOT_OURS,
  QUEUE_FULL,
  type Verdict,
} from "./counters.ts";
import { encapsulate, flushSockets } from "./encapsulation.ts";
import { BY_DATA, BY_SEALED, NO_TUNNEL } from "./peer_table.ts";
import type { Plane } from "./plane.ts";
import { packetAt, TUN_SLOTS } from "./pool.ts";
import { completeChecksum, isOwnChecksum, sendSuperframe } from "./segmentation.ts";
import { GSO_NONE, vnetGsoType, vnetNeedsChecksum } from "./vnet.ts";
import { refuseNoRoute, refuseNotOurs, tooBig } from "./refusals.ts";
import { OWN_SLOT } from "./route_table.ts";

/** A batch of superframes ends here: what fits in the processor's cache goes faster. */
const BATCH_BYTES = 512 * 1024;

/**
 * So many packets of so few bytes on average, and TUN is empty: they come one by one as quickly as we read. Reading later
 * brings more of them at once, and what is done once a batch is done less often (the Worker lets TUN rest).
 */
const FLOOD_PACKETS = 8;
const SMALL_BYTES = 2048;

/** Moves one batch from TUN to the sockets. Returns how many packets were read. */
export function outboundBatch(plane: Plane): number {
  const tun = plane.tun;
  if (tun === null) return 0;
  let count = 0;
  let bytes = 0;
  /** A bare acknowledgment, and its length, that leaves unless the next packet says more. 0: none. */
  let held = 0;
  let heldLength = 0;
  for (; count < BATCH && bytes < BATCH_BYTES; count++) {
    const slot = TUN_SLOTS + count;
    const length = tun.read(slot);
    if (length <= 0) {
      if (length < 0) plane.tun = null;
      break;
    }
    bytes += length;
    const at = packetAt(slot);
    const bare = isBareAck(plane.view, at, length);
    if (held > 0) {
      if (bare && length === heldLength && supersedes(plane.view, held, at)) {
        plane.counters.add(ACK_SUPERSEDED);
      } else sendOut(plane, held, heldLength);
    }
    held = bare ? at : 0;
    heldLength = length;
    if (!bare) sendOut(plane, at, length);
  }
  if (held > 0) sendOut(plane, held, heldLength);
  if (count > 0) flushSockets(plane);
  plane.flooded = count >= FLOOD_PACKETS && count < BATCH && bytes < count * SMALL_BYTES;
  return count;
}

function sendOut(plane: Plane, at: number, length: number): void {
  const verdict = outbound(plane, at, length);
  if (verdict !== COUNTED_LATER) plane.counters.add(verdict);
}

/** Decides about the packet of `length` bytes at `at` and queues it. */
export function outbound(plane: Plane, at: number, length: number): Verdict {
  const b = plane.b;
  const end = at + length;
  if (decodeIp(b, at, end) < 0) return MALFORMED;
  if (ipIsToGroup(b, at)) return MULTICAST;
  const addressLength = ipAddressLength(b, at);
  const slot = plane.routes.lookup(b, ipDestinationAt(b, at), addressLength);
  if (slot < 0 || slot === OWN_SLOT) {
    refuseNoRoute(plane, at, end);
    return NO_ROUTE;
  }
  if (plane.routes.lookup(b, ipSourceAt(b, at), addressLength) !== OWN_SLOT) {
    refuseNotOurs(plane, at, end);
    return NOT_OURS;
  }
  if (plane.peers.encapsulation[slot] === NO_TUNNEL) return NO_PATH;
  const size = ipTotalLength(b, at); // `length` may count bytes behind it
  if (plane.peers.encapsulation[slot] === BY_SEALED && plane.sessions.sending(slot) === null) {
    return waitForSession(plane, slot, at, size);
  }
  if (vnetGsoType(b, at) !== GSO_NONE) return sendSuperframe(plane, slot, at, size);
  const partial = vnetNeedsChecksum(b, at) && mayStayPartial(plane, slot, at, size);
  if (vnetNeedsChecksum(b, at) && !partial && !completeChecksum(b, at, size)) return MALFORMED;
  if (size > plane.peers.mtu[slot]!) return tooBig(plane, slot, at, size);
  return encapsulate(plane, slot, at, size, partial);
}

/** Keeps the packet until there is a session with the peer, and asks for one. */
function waitForSession(plane: Plane, slot: number, at: number, size: number): Verdict {
  plane.counters.add(NO_SESSION, plane.waiting.expire(plane.now));
  const lost = plane.waiting.keep(slot, plane.b.subarray(at - VNET_LEN, at + size), plane.now);
  if (plane.waiting.mayAsk(slot, plane.now) && plane.wantedLimit.take(plane.now)) {
    plane.waiting.asked(slot, plane.now);
    plane.handUp({ kind: "sessionWanted", slot });
  }
  if (lost > 0) plane.counters.add(QUEUE_FULL, lost);
  return COUNTED_LATER;
}

/** Sends what waited for the session that peer `slot` has now. Between batches only: it uses their slots. */
export function sendWaiting(plane: Plane, slot: number): void {
  const at = packetAt(TUN_SLOTS);
  plane.counters.add(NO_SESSION, plane.waiting.expire(plane.now));
  for (const frame of plane.waiting.take(slot)) {
    plane.b.set(frame, at - VNET_LEN);
    sendOut(plane, at, frame.length - VNET_LEN);
  }
  flushSockets(plane);
}

/** Between ovltun nodes nobody need finish a checksum that the receiving kernel would only check again. */
function mayStayPartial(plane: Plane, slot: number, at: number, size: number): boolean {
  const b = plane.b;
  const encapsulation = plane.peers.encapsulation[slot];
  if ((encapsulation !== BY_DATA && encapsulation !== BY_SEALED) || size > plane.peers.mtu[slot]!) {
    return false;
  }
  const transport = ipTransport(b, at, at + size);
  return transport >= 0 && isOwnChecksum(b, at, transport, ipTransportProtocol(b, at, transport));
}
