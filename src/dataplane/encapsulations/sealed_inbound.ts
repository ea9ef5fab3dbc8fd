/**
 * A sealed datagram's way in, from the classification on our port:
 *   1. the session and lane of its receiver index; a counter that was not used yet
 *   2. opened where it lies: from here on it is known to be the peer's
 *   3. the replay window, the peer's endpoint, and an unconfirmed session follow it
 *   4. a packet goes on like plain data (in/inbound.ts); a probe is answered; what the control planes say is handed up
 * Whatever arrives here may be forged until step 2 is done, and nothing is changed before.
 */
import { GOSSIP_WAITS_MAX } from "../tables/backlog.ts";
import { CONTROL_LANE } from "../../ports/planes.ts";
import { parseEndpoint } from "../../wire/address.ts";
import {
  DATA_ETHERNET,
  DATA_LEN,
  DATA_PARTIAL,
  dataCounter,
  dataFlags,
  dataIndex,
  dataVni,
  laneOf,
} from "../../wire/data_header.ts";
import { answerProbe, decodeProbe, PROBE_ASK, PROBE_LEN, TYPE_PROBE } from "../../wire/datagram.ts";
import { AEAD_TAG_LEN, payloadOverhead } from "../../wire/overhead.ts";
import { accept, calledAt, reportUnknown } from "../in/inbound.ts";
import { answer, flushAnswers } from "../plane/sending.ts";
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL } from "../packet/packet_memory.ts";
import {
  BAD_SEAL,
  CONTROL_BEHIND,
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
} from "../tables/counters.ts";
import type { Incoming, Plane } from "../plane/plane.ts";
import { mayCount } from "./sealed.ts";
import type { Session } from "../tables/session_table.ts";
import { contains } from "../../wire/prefix.ts";

/** A sealed data datagram, its header decoded. */
export function receiveSealed(plane: Plane, d: Incoming): Verdict {
  const { b } = plane;
  const header = d.at;
  const length = d.end - header - DATA_LEN;
  if (length < AEAD_TAG_LEN) return MALFORMED;
  const flags = dataFlags(b, header);
  if ((flags & DATA_ETHERNET) !== 0 || dataVni(b, header) !== 0) return WRONG_VNI;
  const index = dataIndex(b, header);
  const session = plane.sessions.byIndex(index);
  if (session === null) return awaitSession(plane, d, index);
  const lane = plane.sessions.lane(session, laneOf(index));
  if (lane === null) return NO_SESSION;
  const counter = dataCounter(b, header);
  if (counter < 0 || !lane.window.isFresh(counter)) return REPLAY;
  d.at = header + DATA_LEN;
  const plain = lane.key.open(b, header, d.at, length);
  if (plain < 0) return BAD_SEAL;
  d.end = d.at + plain;
  d.slot = session.slot;
  plane.sessions.authenticated(lane);
  if (lane.window.commit(counter) && movesEndpoint(index)) followEndpoint(plane, d);
  if (!session.confirmed) confirm(plane, session);
  if (plain === 0) return KEEPALIVE;
  // No IP packet begins like this. What is longer measures the path: its answer is not.
  if (b[d.at] === TYPE_PROBE && plain >= PROBE_LEN) return receiveProbe(plane, d, session);
  if (laneOf(index) === CONTROL_LANE) return tellMessage(plane, d, session);
  if (plane.encapsulators[d.slot]?.needsSession !== true) return NO_SESSION;
  d.checksum = (flags & DATA_PARTIAL) !== 0 ? CHECKSUM_PARTIAL : CHECKSUM_COMPLETE;
  // To the packet before what a segment is to its neighbour: what was asked about that one has the same answer.
  if (plane.coalescer.extend(d.at, plain, d.checksum, d.slot)) {
    plane.counters.receivedFrom(d.slot, plain);
    return COUNTED_LATER;
  }
  return accept(plane, d);
}

/** No session has this index: it may be on its way to us. */
function awaitSession(plane: Plane, d: Incoming, index: number): Verdict {
  if (plane.early.expects(index)) { // a flood of what belongs to no session costs no object
    const source = () => d.socket.source(d.train);
    if (plane.early.keep(index, plane.b.subarray(d.at, d.end), source, plane.now)) return COUNTED_LATER;
  }
  reportUnknown(plane, d);
  return NO_SESSION;
}

/** What overtook the session that was just installed. Between batches only: it lies where a batch is received. */
export function inboundEarly(plane: Plane, receiveIndex: number): void {
  const socket = plane.sockets.own;
  const datagrams = plane.early.take(receiveIndex);
  if (socket === null || datagrams.length === 0) return;
  const d = plane.incoming;
  d.socket = socket;
  d.train = 0;
  d.segment = 0;
  for (const { bytes, from } of datagrams) {
    d.at = socket.receiveAgain(bytes, from);
    d.end = d.at + bytes.length;
    const verdict = receiveSealed(plane, d);
    if (verdict !== COUNTED_LATER) plane.counters.add(verdict);
    // The next lies in the same place.
    plane.coalescer.flush();
    if (plane.answering) flushAnswers(plane, socket);
  }
}

/** Lanes but the first may leave by ports of their own; the first and the control plane's have the peer's own port. */
function movesEndpoint(index: number): boolean {
  const lane = laneOf(index);
  return lane === 0 || lane === CONTROL_LANE;
}

/** The newest authenticated packet of the peer came from there, and to that address of ours: packets go back that way. */
function followEndpoint(plane: Plane, d: Incoming): void {
  const { socket, train, slot } = d;
  if (socket.isUnmoved(train, slot)) return;
  const called = socket.isTo(train, slot);
  if (!called && !plane.peers.mayMoveLocal(slot, plane.now) && socket.isFrom(train, slot, true)) return;
  if (!plane.roamedLimit.take(plane.now)) return; // else the next packet moves it
  const endpoint = socket.source(train);
  // What came through the tunnel itself shows no way to the peer.
  const { address } = parseEndpoint(endpoint)!;
  if (plane.networks.some((network) => contains(network, address))) return;
  socket.follow(slot, train);
  plane.handUp({ kind: "roamed", slot, endpoint, ...calledAt(d) });
}

/** The initiator has used the session, so it has it: we may send on it, and what waited does after the batch. */
function confirm(plane: Plane, session: Session): void {
  plane.sessions.confirm(session);
  plane.handUp({ kind: "sessionConfirmed", receiveIndex: session.receiveIndex });
  plane.unblocked.add(session.slot);
}

/** A question is answered on our own lane, sealed where it lay: the answer is no longer. */
function receiveProbe(plane: Plane, d: Incoming, session: Session): Verdict {
  d.end = d.at + PROBE_LEN;
  const kind = decodeProbe(plane.b, d.at, d.end);
  if (kind < 0) return MALFORMED;
  if (kind !== PROBE_ASK) return tellMessage(plane, d, session);
  if (!mayCount(plane, session)) return NO_SESSION;
  answerProbe(plane.b, d.at, session.sendIndex);
  const header = d.at - DATA_LEN;
  session.seal(plane.b, header, d.at, PROBE_LEN, 0);
  answer(plane, d, header, PROBE_LEN + payloadOverhead("sealed"));
  return PROBE_ANSWERED;
}

function tellMessage(plane: Plane, d: Incoming, session: Session): Verdict {
  if (plane.backlog !== null && plane.backlog.waits >= GOSSIP_WAITS_MAX) return CONTROL_BEHIND;
  if (!plane.memberLimit.take(plane.now)) return CONTROL_OVERLOAD;
  plane.backlog?.posted();
  plane.handUp({
    kind: "sessionMessage",
    receiveIndex: session.receiveIndex,
    bytes: plane.b.slice(d.at, d.end),
    from: d.socket.source(d.train),
    at: plane.now,
  });
  return HANDED_UP;
}
