/**
 * A packet's way out, in this order:
 *   1. outboundBatch      read up to BATCH packets from TUN, each into its slot; leave out what the next one says
 *   2. outbound           parse; find the peer that holds the destination; the source must be ours
 *   3. Encapsulator.send  put the peer's header in front of it, or seal it; queue it        (encapsulations/table.ts)
 *      sendSuperframe     the same for each segment of what stands for many packets         (superframe.ts)
 *   4. flushSockets       send the batch                                                    (sending.ts)
 * Each step writes what it finds out into plane.outgoing. What is refused goes to icmp_errors.ts, which tells the sender,
 * or in pieces (fragments.ts); what needs a session first waits (waitForSession).
 */
import { BATCH, VNET_LEN } from "../../ports/devices.ts";
import { decodeIp, ipIsToGroup, ipTotalLength } from "../../wire/ip.ts";
import { isBareAck, supersedes } from "../../wire/tcp.ts";
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
} from "../tables/counters.ts";
import { tooBig } from "./fragments.ts";
import { refuseNoRoute, refuseNotOurs } from "./icmp_errors.ts";
import type { Outgoing, Plane } from "../plane/plane.ts";
import {
  completeChecksum,
  GSO_NONE,
  isOwnChecksum,
  packetAt,
  TUN_SLOTS,
  vnetGsoType,
  vnetNeedsChecksum,
} from "../packet/packet_memory.ts";
import { OWN_SLOT } from "../tables/route_table.ts";
import { flushSockets } from "../plane/sending.ts";
import { sendSuperframe } from "./superframe.ts";

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
  const packet = plane.outgoing;
  packet.at = at;
  packet.length = length;
  const verdict = outbound(plane, packet);
  if (verdict !== COUNTED_LATER) plane.counters.add(verdict);
}

/** Decides about a packet and queues it. */
function outbound(plane: Plane, packet: Outgoing): Verdict {
  const { b, routes } = plane;
  const at = packet.at;
  if (decodeIp(b, at, at + packet.length) < 0) return MALFORMED;
  if (ipIsToGroup(b, at)) return MULTICAST;
  const slot = routes.destinationOf(b, at);
  if (slot < 0 || slot === OWN_SLOT) {
    refuseNoRoute(plane, packet);
    return NO_ROUTE;
  }
  if (routes.sourceOf(b, at) !== OWN_SLOT) {
    refuseNotOurs(plane, packet);
    return NOT_OURS;
  }
  const encapsulator = plane.encapsulators[slot]!;
  if (encapsulator === null) return NO_PATH;
  packet.slot = slot;
  packet.length = ipTotalLength(b, at); // what was read may have bytes behind it
  if (encapsulator.needsSession && plane.sessions.sending(slot) === null) {
    return waitForSession(plane, packet);
  }
  if (vnetGsoType(b, at) !== GSO_NONE) return sendSuperframe(plane, packet, encapsulator);
  const fits = packet.length <= plane.peers.mtu[slot]!;
  packet.partial = false;
  if (vnetNeedsChecksum(b, at)) {
    // Between ovltun nodes no checksum has to be finished that the receiving kernel would only check again.
    packet.partial = encapsulator.partial && fits && isOwnChecksum(b, at, packet.length);
    if (!packet.partial && !completeChecksum(b, at, packet.length)) return MALFORMED;
  }
  return fits ? encapsulator.send(plane, packet) : tooBig(plane, packet);
}

/** Keeps the packet until there is a session with the peer, and asks for one. */
function waitForSession(plane: Plane, { slot, at, length }: Outgoing): Verdict {
  plane.counters.add(NO_SESSION, plane.waiting.expire(plane.now));
  const lost = plane.waiting.keep(slot, plane.b.subarray(at - VNET_LEN, at + length), plane.now);
  if (plane.waiting.mayAsk(slot, plane.now) && plane.wantedLimit.take(plane.now)) {
    plane.waiting.asked(slot, plane.now);
    plane.handUp({ kind: "sessionWanted", slot });
  }
  if (lost > 0) plane.counters.add(QUEUE_FULL, lost);
  return COUNTED_LATER;
}

/**
 * Sends what waited for the session or the link that peer `slot` has now. Between batches only: it uses their slots, one
 * for each packet until they are sent, for not all are copied on their way.
 */
export function sendWaiting(plane: Plane, slot: number): void {
  plane.counters.add(NO_SESSION, plane.waiting.expire(plane.now));
  let queued = 0;
  for (const frame of plane.waiting.take(slot)) {
    const at = packetAt(TUN_SLOTS + queued);
    plane.b.set(frame, at - VNET_LEN);
    sendOut(plane, at, frame.length - VNET_LEN);
    if (++queued < BATCH) continue;
    flushSockets(plane);
    queued = 0;
  }
  flushSockets(plane);
}
