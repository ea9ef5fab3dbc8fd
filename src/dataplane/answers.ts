/** What the way in says to others: answers to their datagrams, and events for our own control plane. */
import { type DatagramSocket, REPLY_SLOT } from "../ports/devices.ts";
import { CONTROL_OVERLOAD, HANDED_UP, SEND_FAILED, SOURCE_GONE, type Verdict } from "./counters.ts";
import type { Plane } from "./plane.ts";

/** Queues what answers a datagram, where that lay. A batch of trains may hold more questions than the queue answers. */
export function answer(plane: Plane, socket: DatagramSocket, slot: number, at: number, length: number): void {
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

/** The address that datagrams for a peer left from is gone from this host: they left by another. */
export function tellSourceGone(plane: Plane, socket: DatagramSocket): void {
  const slot = socket.sourceGoneFor();
  if (slot < 0) return;
  plane.counters.add(SOURCE_GONE);
  if (slot !== REPLY_SLOT) plane.handUp({ kind: "sourceGone", slot });
}

/** Our address that datagram `i` was sent to, for an event; without the field where the kernel does not say. */
export function calledAt(socket: DatagramSocket, i: number): { readonly to?: string } {
  const to = socket.local(i);
  return to === "" ? {} : { to };
}

/** Tells the control plane, now and then, that somebody believes in an index of ours that is none. */
export function reportUnknown(plane: Plane, socket: DatagramSocket, i: number): void {
  if (!plane.unknownLimit.take(plane.now)) return;
  plane.handUp({ kind: "unknownIndex", from: socket.source(i), ...calledAt(socket, i) });
}

/** Hands the datagram at..end up to the control plane, as many as that takes, by `limit`. */
export function handUp(
  plane: Plane,
  socket: DatagramSocket,
  i: number,
  at: number,
  end: number,
  limit = plane.controlLimit,
): Verdict {
  if (!limit.take(plane.now)) return CONTROL_OVERLOAD;
  const bytes = plane.b.slice(at, end);
  plane.handUp({ kind: "datagram", bytes, from: socket.source(i), at: plane.now, ...calledAt(socket, i) });
  return HANDED_UP;
}
