/**
 * A packet's way in, in this order:
 *   1. inboundBatch   receive up to BATCH trains of datagrams from one socket
 *   2. Port.receive   what the datagram is, by the port it came to                      (encapsulations/table.ts)
 *        own_port.ts  classify by the first byte: data goes on, sealed data is opened where it lies, the rest is handed
 *                     up or answered
 *        vxlan.ts     RFC 7348, Ethernet; ARP for our addresses is answered
 *        flannel.ts   a bare IP packet
 *   3. accept         the inner source must lie in the sender's lease (VXLAN, flannel: it tells who sent it)
 *   4. deliver        the destination must lie in ours
 *   5. coalescer.ts   segments of one flow become one write to TUN
 * Each step writes what it finds out into plane.incoming. Datagrams are untrusted: nothing here throws because of one,
 * and each is counted once. Nothing of the way out is called: a session that may send now is left in plane.unblocked.
 */
import { GOSSIP_WAITS_MAX, HANDSHAKES_WAIT_MAX, STRANGERS_WAIT_MAX } from "../tables/backlog.ts";
import { SOCKET_ROLES, type SocketRole } from "../../ports/devices.ts";
import { TYPE_COOKIE, TYPE_HANDSHAKE, TYPE_HELLO } from "../../wire/datagram.ts";
import { decodeIp, ipTotalLength } from "../../wire/ip.ts";
import {
  CONTROL_BEHIND,
  CONTROL_OVERLOAD,
  COUNTED_LATER,
  HANDED_UP,
  MALFORMED,
  NOT_FOR_US,
  RECEIVE_OVERFLOW,
  SPOOFED,
  type Verdict,
} from "../tables/counters.ts";
import type { Incoming, Plane, Port } from "../plane/plane.ts";
import { flushAnswers } from "../plane/sending.ts";
import { OWN_SLOT } from "../tables/route_table.ts";

/** Moves one batch from the socket of a port to TUN. Returns how many trains were received. */
export function inboundBatch(plane: Plane, role: SocketRole, port: Port): number {
  const socket = plane.sockets[role];
  if (socket === null) return 0;
  const d = plane.incoming;
  d.socket = socket;
  const count = socket.receive();
  for (let train = 0; train < count; train++) {
    const first = socket.position(train);
    const stop = first + socket.length(train);
    const segment = socket.segment(train);
    const isTrain = segment > 0 && segment < stop - first;
    const isOne = isTrain && port.isOne(plane, first, stop, segment);
    const size = isTrain && !isOne ? segment : stop - first;
    d.train = train;
    d.segment = isOne ? segment : 0;
    let before = NOTHING;
    let at = first;
    do {
      d.at = at;
      d.end = Math.min(at + size, stop);
      if (before !== NOTHING && goesOn(plane, port, d, before)) before = at;
      else {
        const verdict = port.receive(plane, d);
        if (verdict !== COUNTED_LATER) plane.counters.add(verdict);
        before = verdict === COUNTED_LATER ? at : NOTHING;
      }
      at += size;
    } while (at < stop);
  }
  if (count > 0) {
    plane.coalescer.flush();
    if (plane.answering) flushAnswers(plane, socket);
    plane.counters.set(RECEIVE_OVERFLOW, overflows(plane));
  }
  return count;
}

/** No datagram of this train went to TUN before. */
const NOTHING = -1;

/**
 * Takes the next datagram of a train when it is to the one before what a segment is to its neighbour: whatever was
 * asked about that one has the same answer. False: it has to be looked at in full.
 */
function goesOn(plane: Plane, port: Port, d: Incoming, before: number): boolean {
  const header = port.sameHeader(plane, before, d.at);
  if (header < 0) return false;
  const length = d.end - d.at - header;
  if (!plane.coalescer.extend(d.at + header, length, d.checksum, d.slot)) return false;
  plane.counters.receivedFrom(d.slot, length);
  return true;
}

function overflows(plane: Plane): number {
  let sum = 0;
  for (const role of SOCKET_ROLES) sum += plane.sockets[role]?.overflows() ?? 0;
  return sum;
}

// The end of the way, whatever the packet came by. Addresses are looked up in the one table of routes.

export const NOT_IP = -2;
const NOBODY = -1;

/** The peer whose lease holds the source of the packet; NOBODY, or NOT_IP. */
export function senderOf({ b, routes }: Plane, { at, end }: Incoming): number {
  if (decodeIp(b, at, end) < 0) return NOT_IP;
  const slot = routes.sourceOf(b, at);
  return slot === OWN_SLOT ? NOBODY : slot;
}

/** The answer leaves from the address of ours that was called, and so does what else goes to that peer. */
export function followCalled(plane: Plane, { socket, train, slot }: Incoming): void {
  if (!socket.isTo(train, slot) && plane.peers.mayMoveLocal(slot, plane.now)) socket.followLocal(slot, train);
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

// ----------------------------------------------------------------------------------------------------
// What the way in tells our own control plane of a datagram.

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

/** Hands the datagram up to the control plane, as many as that takes, by `limit`, and as many as may wait for it. */
export function handUp(plane: Plane, d: Incoming, limit = plane.controlLimit): Verdict {
  if (plane.backlog !== null && plane.backlog.waits >= waitsMax(plane, d)) return CONTROL_BEHIND;
  if (!limit.take(plane.now)) return CONTROL_OVERLOAD;
  plane.backlog?.posted();
  const bytes = plane.b.slice(d.at, d.end);
  plane.handUp({ kind: "datagram", bytes, from: d.socket.source(d.train), at: plane.now, ...calledAt(d) });
  return HANDED_UP;
}

// How many may wait before this one is dropped. In a plain mesh hellos are the handshakes, and gossip is anybody's.
function waitsMax({ b, gate }: Plane, { at }: Incoming): number {
  if (b[at] === TYPE_HANDSHAKE || b[at] === TYPE_COOKIE) return HANDSHAKES_WAIT_MAX;
  if (gate?.keyed === true) return STRANGERS_WAIT_MAX;
  return b[at] === TYPE_HELLO ? HANDSHAKES_WAIT_MAX : GOSSIP_WAITS_MAX;
}
