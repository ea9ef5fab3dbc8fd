/**
 * What everything that leaves shares, packets and answers to datagrams: room in the queues of the sockets and in packet
 * memory, and the sending of what is queued, with what the kernel says to that.
 */
import {
  type DatagramSocket,
  HEADROOM,
  REPLY_SLOT,
  SOCKET_ROLES,
  type SocketRole,
} from "../../ports/devices.ts";
import { SEND_FAILED, SOURCE_GONE } from "../tables/counters.ts";
import type { Incoming, Plane } from "./plane.ts";
import { HEADER_BLOCKS, headerBlock, SEALED_AT } from "../packet/packet_memory.ts";

/** The socket of a port. By constant names: a keyed read costs a packet as much as its header. */
export function socketOf({ sockets }: Plane, role: SocketRole): DatagramSocket | null {
  return role === "own" ? sockets.own : role === "vxlan" ? sockets.vxlan : sockets.flannel;
}

/** Sends what waits on every socket; the slots of the batch are free afterwards. */
export function flushSockets(plane: Plane): void {
  let refused = 0;
  for (const role of SOCKET_ROLES) {
    const socket = plane.sockets[role];
    if (socket !== null) refused += flush(plane, socket);
  }
  if (refused > 0) plane.counters.add(SEND_FAILED, refused);
  plane.fragments = 0;
  plane.headers = 0;
  plane.sealedAt = SEALED_AT;
}

function flush(plane: Plane, socket: DatagramSocket): number {
  const refused = socket.flush();
  tellSourceGone(plane, socket);
  if (refused === 0) return 0;
  const slot = socket.tooLongFor();
  if (slot >= 0 && plane.unknownLimit.take(plane.now)) plane.handUp({ kind: "pathTooSmall", slot });
  const refusal = socket.refusal();
  if (refusal !== null && plane.refusedLimit.take(plane.now)) {
    plane.handUp({ kind: "sendRefused", ...refusal });
  }
  return refused;
}

/** The address that datagrams for a peer left from is gone from this host: they left by another. */
function tellSourceGone(plane: Plane, socket: DatagramSocket): void {
  const slot = socket.sourceGoneFor();
  if (slot < 0) return;
  plane.counters.add(SOURCE_GONE);
  if (slot !== REPLY_SLOT) plane.handUp({ kind: "sourceGone", slot });
}

/**
 * Empties the queues for what did not fit. That may lie in the newest fragment slot or header block, so they do not
 * start over.
 */
export function makeRoom(plane: Plane): void {
  const { fragments, headers } = plane;
  flushSockets(plane);
  plane.fragments = fragments;
  plane.headers = headers;
}

/** A free header block, behind its headroom; the queues are sent first when none is left. */
export function nextHeaderBlock(plane: Plane): number {
  if (plane.headers === HEADER_BLOCKS) flushSockets(plane);
  return headerBlock(plane.headers++) + HEADROOM;
}

/**
 * Queues an answer of `length` bytes at `at`, where the question lay, to the peer of the datagram. A batch of trains may
 * hold more questions than the queue answers.
 */
export function answer(plane: Plane, { socket, slot }: Incoming, at: number, length: number): void {
  if (!socket.enqueue(slot, at, length, 0, 0)) {
    flushAnswers(plane, socket);
    if (!socket.enqueue(slot, at, length, 0, 0)) return plane.counters.add(SEND_FAILED);
  }
  plane.answering = true;
}

/** Sends the answers of a batch. */
export function flushAnswers(plane: Plane, socket: DatagramSocket): void {
  plane.answering = false;
  const refused = socket.flush();
  if (refused > 0) plane.counters.add(SEND_FAILED, refused);
  tellSourceGone(plane, socket);
}
