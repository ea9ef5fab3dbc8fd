/**
 * A sealed datagram's way in, from the classification on our port:
 *   1. the session and lane of its receiver index; a counter that was not used yet
 *   2. opened where it lies: from here on it is known to be the peer's
 *   3. the replay window, the peer's endpoint, and an unconfirmed session follow it
 *   4. a packet goes on like plain data (deliver.ts); a probe is answered; what the control planes say is handed up
 * Whatever arrives here may be forged until step 2 is done, and nothing is changed before.
 */
import type { DatagramSocket } from "../ports/devices.ts";
import { CONTROL_LANE } from "../ports/planes.ts";
import { contains, parseEndpoint } from "../wire/address.ts";
import {
  DATA_ETHERNET,
  DATA_LEN,
  DATA_PARTIAL,
  dataCounter,
  dataFlags,
  dataIndex,
  dataVni,
} from "../wire/data_header.ts";
import { answerProbe, decodeProbe, PROBE_ASK, PROBE_LEN, TYPE_PROBE } from "../wire/datagram.ts";
import { AEAD_TAG_LEN } from "../wire/overhead.ts";
import { answer, calledAt, flushAnswers, reportUnknown } from "./answers.ts";
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL } from "./checksum_offload.ts";
import {
  BAD_SEAL,
  CONTROL_OVERLOAD,
  COUNTED_LATER,
  HANDED_UP,
  KEEPALIVE,
  MALFORMED,
  NO_SESSION,
  PROBE_ANSWERED,
  REPLAY,
  type Verdict,
  WRONG_VNI,
} from "./counters.ts";
import { accept } from "./deliver.ts";
import { mayCount, sealTo } from "./encapsulation.ts";
import { sendWaiting } from "./outbound.ts";
import { BY_SEALED } from "./peer_table.ts";
import type { Plane } from "./plane.ts";
import type { Session } from "./session_table.ts";

const LANE_MASK = 0xff;

/** The sealed data datagram at..end of train `i`. */
export function inboundSealed(
  plane: Plane,
  socket: DatagramSocket,
  i: number,
  at: number,
  end: number,
): Verdict {
  const b = plane.b;
  const length = end - at - DATA_LEN;
  if (length < AEAD_TAG_LEN) return MALFORMED;
  const flags = dataFlags(b, at);
  if ((flags & DATA_ETHERNET) !== 0 || dataVni(b, at) !== 0) return WRONG_VNI;
  const index = dataIndex(b, at);
  const session = plane.sessions.byIndex(index);
  if (session === null) {
    if (plane.early.keep(index, b, at, end, () => socket.source(i), plane.now)) return COUNTED_LATER;
    reportUnknown(plane, socket, i);
    return NO_SESSION;
  }
  const lane = plane.sessions.lane(session, index & LANE_MASK);
  if (lane === null) return NO_SESSION;
  const counter = dataCounter(b, at);
  if (counter < 0 || !lane.window.isFresh(counter)) return REPLAY;
  const payload = at + DATA_LEN;
  const plain = lane.key.open(b, at, payload, length);
  if (plain < 0) return BAD_SEAL;
  plane.sessions.authenticated(lane);
  if (lane.window.commit(counter) && movesEndpoint(index)) followEndpoint(plane, socket, i, session.slot);
  if (!session.confirmed) confirm(plane, session);
  if (plain === 0) return KEEPALIVE;
  // No IP packet begins like this. What is longer measures the path: its answer is not.
  if (b[payload] === TYPE_PROBE && plain >= PROBE_LEN) return sealedProbe(plane, socket, i, session, at);
  if ((index & LANE_MASK) === CONTROL_LANE) return tellMessage(plane, socket, i, session, payload, plain);
  if (plane.peers.encapsulation[session.slot] !== BY_SEALED) return NO_SESSION;
  const checksum = (flags & DATA_PARTIAL) !== 0 ? CHECKSUM_PARTIAL : CHECKSUM_COMPLETE;
  // To the packet before what a segment is to its neighbour: what was asked about that one has the same answer.
  if (plane.coalescer.extend(payload, plain, checksum, session.slot)) {
    plane.counters.receivedFrom(session.slot, plain);
    return COUNTED_LATER;
  }
  return accept(plane, session.slot, payload, payload + plain, checksum);
}

/** What overtook the session that was just installed. Between batches only: it lies where a batch is received. */
export function inboundEarly(plane: Plane, receiveIndex: number): void {
  const socket = plane.sockets.own;
  const datagrams = plane.early.take(receiveIndex);
  if (socket === null || datagrams.length === 0) return;
  plane.innerSegment = 0;
  for (const { bytes, from } of datagrams) {
    const at = socket.receiveAgain(bytes, from);
    const verdict = inboundSealed(plane, socket, 0, at, at + bytes.length);
    if (verdict !== COUNTED_LATER) plane.counters.add(verdict);
    // The next lies in the same place.
    plane.coalescer.flush();
    flushAnswers(plane, socket);
  }
}

/** Lanes but the first may leave by ports of their own; the first and the control plane's have the peer's own port. */
function movesEndpoint(index: number): boolean {
  const lane = index & LANE_MASK;
  return lane === 0 || lane === CONTROL_LANE;
}

/** The newest authenticated packet of the peer came from there, and to that address of ours: packets go back that way. */
function followEndpoint(plane: Plane, socket: DatagramSocket, i: number, slot: number): void {
  if (socket.isUnmoved(i, slot)) return;
  const called = socket.isTo(i, slot);
  if (!called && !plane.peers.mayMoveLocal(slot, plane.now) && socket.isFrom(i, slot, true)) return;
  if (!plane.roamedLimit.take(plane.now)) return; // else the next packet moves it
  const endpoint = socket.source(i);
  // What came through the tunnel itself shows no way to the peer.
  if (plane.network !== null && contains(plane.network, parseEndpoint(endpoint)!.address)) return;
  socket.follow(slot, i);
  plane.handUp({ kind: "roamed", slot, endpoint, ...calledAt(socket, i) });
}

/** The initiator has used the session, so it has it: we may send on it. */
function confirm(plane: Plane, session: Session): void {
  plane.sessions.confirm(session);
  plane.handUp({ kind: "sessionConfirmed", slot: session.slot, receiveIndex: session.receiveIndex });
  if (plane.flushing) plane.unblocked.add(session.slot);
  else sendWaiting(plane, session.slot);
}

/** A question is answered on our own lane, sealed where it lay: the answer is no longer. */
function sealedProbe(
  plane: Plane,
  socket: DatagramSocket,
  i: number,
  session: Session,
  at: number,
): Verdict {
  const payload = at + DATA_LEN;
  const kind = decodeProbe(plane.b, payload, payload + PROBE_LEN);
  if (kind < 0) return MALFORMED;
  if (kind !== PROBE_ASK) return tellMessage(plane, socket, i, session, payload, PROBE_LEN);
  if (!mayCount(plane, session)) return NO_SESSION;
  answerProbe(plane.b, payload, session.sendIndex);
  sealTo(plane, session, at, payload, PROBE_LEN, 0);
  answer(plane, socket, session.slot, at, DATA_LEN + PROBE_LEN + AEAD_TAG_LEN);
  return PROBE_ANSWERED;
}

function tellMessage(
  plane: Plane,
  socket: DatagramSocket,
  i: number,
  session: Session,
  at: number,
  length: number,
): Verdict {
  if (!plane.memberLimit.take(plane.now)) return CONTROL_OVERLOAD;
  plane.handUp({
    kind: "sessionMessage",
    slot: session.slot,
    receiveIndex: session.receiveIndex,
    bytes: plane.b.slice(at, at + length),
    from: socket.source(i),
    at: plane.now,
  });
  return HANDED_UP;
}
