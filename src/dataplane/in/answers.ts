/** What the way in says to others: answers to their datagrams, and events for our own control plane. */
import type { DatagramSocket } from "../../ports/devices.ts";
import { CONTROL_OVERLOAD, HANDED_UP, SEND_FAILED, type Verdict } from "../tables/counters.ts";
import type { Incoming } from "../packet/incoming.ts";
import type { Plane } from "../plane/plane.ts";
import { tellSourceGone } from "../plane/sending.ts";

/**
 * Queues an answer of `length` bytes at `at`, where the question lay, to the peer of the datagram. A batch of trains may
 * hold more questions than the queue answers.
 */
export function answer(plane: Plane, { socket, slot }: Incoming, at: number, length: number): void {
  if (socket.enqueue(slot, at, length, 0, 0)) return;
  flushAnswers(plane, socket);
  if (!socket.enqueue(slot, at, length, 0, 0)) plane.counters.add(SEND_FAILED);
}

/** Sends the answers of a batch. */
export function flushAnswers(plane: Plane, socket: DatagramSocket): void {
  const refused = socket.flush();
  if (refused > 0) plane.counters.add(SEND_FAILED, refused);
  tellSourceGone(plane, socket);
}

/** The answer leaves from the address of ours that was called, and so does what else goes to that peer. */
export function followCalled(plane: Plane, { socket, train, slot }: Incoming): void {
  if (!socket.isTo(train, slot) && plane.peers.mayMoveLocal(slot, plane.now)) socket.followLocal(slot, train);
}

/** Our address that the datagram was sent to, for an event; without the field where the kernel does not say. */
export function calledAt({ socket, train }: Incoming): { readonly to?: string } {
  const to = socket.local(train);
  return to === "" ? {} : { to };
}

/** Tells the control plane, now and then, that a peer uses an index that is not in use. */
export function reportUnknown(plane: Plane, d: Incoming): void {
  if (!plane.unknownLimit.take(plane.now)) return;
  plane.handUp({ kind: "unknownIndex", from: d.socket.source(d.train), ...calledAt(d) });
}

/** Hands the datagram up to the control plane, as many as that takes, by `limit`. */
export function handUp(plane: Plane, d: Incoming, limit = plane.controlLimit): Verdict {
  if (!limit.take(plane.now)) return CONTROL_OVERLOAD;
  const bytes = plane.b.slice(d.at, d.end);
  plane.handUp({ kind: "datagram", bytes, from: d.socket.source(d.train), at: plane.now, ...calledAt(d) });
  return HANDED_UP;
}
