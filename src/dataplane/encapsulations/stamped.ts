/**
 * Encapsulations that leave the packet where it was read: their header is stamped in front of it, into the headroom of its
 * slot, or in front of a segment's headers, into a block of their own. The kernel gathers head and payload from where
 * they lie, so both stay untouched until flushSockets.
 */
import type { SocketRole } from "../../ports/devices.ts";
import { copyWords } from "../../wire/bytes.ts";
import { NO_PATH, SENT, type Verdict } from "../tables/counters.ts";
import type { Encapsulator, Outgoing, Plane } from "../plane/plane.ts";
import { beginSegments, completeSegment, putSegment } from "../out/superframe.ts";
import { makeRoom, nextHeaderBlock, socketOf } from "../plane/sending.ts";

/** What is stamped. */
export interface Header {
  /** Its bytes. */
  readonly length: number;
  readonly role: SocketRole;
  readonly partial: boolean;
  readonly takesPlain: boolean;
  /** Writes it in front of `at`, where an IP header is, for the packet's peer. */
  stamp(plane: Plane, packet: Outgoing, at: number): void;
  /** Makes the copy of the first segment's in front of `at` that of the next one. */
  restamp(plane: Plane, packet: Outgoing, at: number): void;
}

export class Stamped implements Encapsulator {
  readonly role: SocketRole;
  readonly partial: boolean;
  readonly needsSession = false;
  readonly takesPlain: boolean;
  readonly header: Header;

  constructor(header: Header) {
    this.role = header.role;
    this.partial = header.partial;
    this.takesPlain = header.takesPlain;
    this.header = header;
  }

  send(plane: Plane, packet: Outgoing): Verdict {
    const socket = socketOf(plane, this.role);
    if (socket === null) return NO_PATH;
    const { at, length, slot } = packet;
    const header = this.header;
    header.stamp(plane, packet, at);
    const head = at - header.length;
    if (!socket.enqueue(slot, head, header.length + length, 0, 0)) {
      makeRoom(plane);
      socket.enqueue(slot, head, header.length + length, 0, 0);
    }
    plane.counters.sentTo(slot, length, 1);
    return SENT;
  }

  sendSegments(plane: Plane, packet: Outgoing): Verdict {
    const socket = socketOf(plane, this.role);
    if (socket === null) return NO_PATH;
    const { b, view } = plane;
    const { at, length, slot, headers, size } = packet;
    const header = this.header;
    const stamped = header.length;
    packet.partial = this.partial;
    // The superframe's own headers become the first segment's: nothing else is read of them any more.
    beginSegments(b, at, packet);
    header.stamp(plane, packet, at);
    let i = 0;
    for (let body = headers; body < length; i++, body += size) {
      const ip = nextHeaderBlock(plane);
      copyWords(view, at - stamped, ip - stamped, stamped + headers);
      putSegment(b, ip, packet, i);
      if (!this.partial) completeSegment(b, ip, packet, i);
      if (i > 0) header.restamp(plane, packet, ip);
      const rest = Math.min(size, length - body);
      if (!socket.enqueue(slot, ip - stamped, stamped + headers, at + body, rest)) {
        makeRoom(plane);
        socket.enqueue(slot, ip - stamped, stamped + headers, at + body, rest);
      }
    }
    plane.counters.sentTo(slot, i * headers + length - headers, i);
    return SENT;
  }
}
