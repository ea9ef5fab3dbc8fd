/**
 * Our own header and AEAD, by the session of the peer. A datagram is written elsewhere, behind the one before, so that a
 * train is one piece of memory; the packet's own memory is free afterwards. What is sealed has to lie in one piece:
 * AEAD runs once over headers and payload together.
 */
import { copyWords } from "../../wire/bytes.ts";
import { DATA_PARTIAL } from "../../wire/data_header.ts";
import { payloadOverhead } from "../../wire/overhead.ts";
import { NO_PATH, NO_SESSION, SENT, TOO_BIG, type Verdict } from "../tables/counters.ts";
import type { Encapsulator, Outgoing, Plane } from "../plane/plane.ts";
import { SEALED_END } from "../packet/packet_memory.ts";
import type { Session } from "../tables/session_table.ts";
import { beginSegments, putSegment } from "../out/superframe.ts";
import { flushSockets, nextHeaderBlock } from "../plane/sending.ts";

const OVERHEAD = payloadOverhead("sealed");
/** A counter at which the control plane is asked for another session, and one that is never sent. */
const REKEY_AT = 2 ** 48;
const COUNTER_END = 2 ** 52;

class Sealed implements Encapsulator {
  readonly role = "own";
  readonly partial = true;
  readonly needsSession = true;
  readonly takesPlain = false;

  send(plane: Plane, packet: Outgoing): Verdict {
    return seal(plane, packet, packet.at, packet.length);
  }

  sendSegments(plane: Plane, packet: Outgoing): Verdict {
    return sealSegments(plane, packet);
  }
}

export const sealed: Encapsulator = new Sealed();

/** Tells the peer in `slot` that we have the session: a datagram with nothing in it. */
export function sendKeepalive(plane: Plane, slot: number): void {
  const packet = plane.outgoing;
  packet.slot = slot;
  packet.partial = false;
  seal(plane, packet, 0, 0);
  flushSockets(plane);
}

/** Seals `length` bytes at `from` for the peer of `packet`, and queues the datagram. */
function seal(plane: Plane, { slot, partial }: Outgoing, from: number, length: number): Verdict {
  const session = plane.sessions.sending(slot);
  const socket = plane.sockets.own;
  if (socket === null) return NO_PATH;
  if (session === null || !mayCount(plane, session)) return NO_SESSION;
  const size = length + OVERHEAD;
  if (plane.sealedAt + size > SEALED_END) flushSockets(plane);
  const header = plane.sealedAt;
  session.seal(plane.b, header, from, length, partial ? DATA_PARTIAL : 0);
  if (!socket.enqueue(slot, header, size, 0, 0)) {
    flushSockets(plane);
    socket.enqueue(slot, header, size, 0, 0);
  }
  plane.sealedAt = header + size;
  if (length > 0) plane.counters.sentTo(slot, length, 1);
  return SENT;
}

/** Whether the session has a counter left; the control plane is told in time. */
export function mayCount(plane: Plane, session: Session): boolean {
  if (session.counter < REKEY_AT) return true;
  if (!session.rekeyAsked) plane.handUp({ kind: "rekeyWanted", slot: session.slot });
  session.rekeyAsked = true;
  return session.counter < COUNTER_END;
}

/** A segment becomes whole where it lies: its headers go over the end of the one before, which is sealed by then. */
function sealSegments(plane: Plane, packet: Outgoing): Verdict {
  const { b, view } = plane;
  const { at, length, headers, size } = packet;
  packet.partial = true;
  const first = nextHeaderBlock(plane);
  copyWords(view, at, first, headers);
  beginSegments(b, first, packet);
  let verdict: Verdict = TOO_BIG;
  for (let i = 0, body = headers; body < length; i++, body += size) {
    const head = at + body - headers;
    copyWords(view, first, head, headers);
    putSegment(b, head, packet, i);
    verdict = seal(plane, packet, head, headers + Math.min(size, length - body));
  }
  return verdict;
}
