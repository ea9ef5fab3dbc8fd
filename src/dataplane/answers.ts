/** What the way in says to others: answers to their datagrams, and events for our own control plane. */
import type { DatagramSocket } from "../ports.ts";
import { CONTROL_OVERLOAD, HANDED_UP, SEND_FAILED, type Verdict } from "./counters.ts";
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
}

/** Tells the control plane, now and then, that somebody believes in an index of ours that is none. */
export function reportUnknown(plane: Plane, socket: DatagramSocket, i: number): void {
  if (plane.unknownLimit.take(plane.now)) plane.handUp({ kind: "unknownIndex", from: socket.source(i) });
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
  plane.handUp({ kind: "datagram", bytes: plane.b.slice(at, end), from: socket.source(i), at: plane.now });
  return HANDED_UP;
}
