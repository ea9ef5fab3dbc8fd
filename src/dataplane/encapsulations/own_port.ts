/**
 * Our own port: what the first byte of a datagram says (wire/datagram.ts) decides where it goes. Data goes on, probes are
 * answered, handshakes have to pass the gate, and what is the control plane's is handed up.
 */
import { REPLY_SLOT } from "../../ports/devices.ts";
import { DATA_LEN, DATA_PLAIN, dataLane, decodeData, isData } from "../../wire/data_header.ts";
import {
  answerProbe,
  decodeProbe,
  PROBE_ASK,
  PROBE_LEN,
  probeIndex,
  TYPE_COOKIE,
  TYPE_GOSSIP_PLAIN,
  TYPE_GOSSIP_SEALED,
  TYPE_HANDSHAKE,
  TYPE_HELLO,
  TYPE_PROBE,
} from "../../wire/datagram.ts";
import { handshakeMessage, handshakeReceiver, REPLY_LEN, XX3 } from "../../wire/handshake.ts";
import { calledAt, followCalled, handUp, reportUnknown } from "../in/inbound.ts";
import { answer, flushAnswers } from "../plane/sending.ts";
import {
  BAD_MAC,
  CONTROL_OVERLOAD,
  COOKIE_SENT,
  MALFORMED,
  NO_SESSION,
  PROBE_ANSWERED,
  REPLAY,
  UNKNOWN_TYPE,
  type Verdict,
  WRONG_ENDPOINT,
  WRONG_LANE,
} from "../tables/counters.ts";
import type { Incoming, Plane, Port } from "../plane/plane.ts";
import { receivePlain } from "./data.ts";
import { receiveSealed } from "./sealed_inbound.ts";

class OwnPort implements Port {
  receive(plane: Plane, d: Incoming): Verdict {
    return isData(plane.b[d.at]!) ? receiveData(plane, d) : receiveOther(plane, d);
  }

  /** Type, VNI and index; the counter differs. Sealed data is opened before anything is believed. */
  sameHeader({ b, view }: Plane, before: number, at: number): number {
    if ((b[at]! & DATA_PLAIN) === 0) return -1;
    if (view.getInt32(before) !== view.getInt32(at)) return -1;
    return view.getInt32(before + 4) === view.getInt32(at + 4) ? DATA_LEN : -1;
  }

  isOne(): boolean {
    return false;
  }
}

export const ownPort: Port = new OwnPort();

function receiveData(plane: Plane, d: Incoming): Verdict {
  const flags = decodeData(plane.b, d.at, d.end);
  if (flags < 0) return MALFORMED;
  if (!isOurLane(plane, d)) return WRONG_LANE;
  return (flags & DATA_PLAIN) === 0 ? receiveSealed(plane, d) : receivePlain(plane, d);
}

function receiveOther(plane: Plane, d: Incoming): Verdict {
  if (d.at === d.end) return MALFORMED;
  switch (plane.b[d.at]!) {
    case TYPE_PROBE:
      return receiveProbe(plane, d);
    case TYPE_HANDSHAKE:
    case TYPE_COOKIE:
      return receiveHandshake(plane, d);
    case TYPE_HELLO:
    case TYPE_GOSSIP_SEALED:
    case TYPE_GOSSIP_PLAIN:
      return handUp(plane, d);
    default:
      return UNKNOWN_TYPE;
  }
}

/**
 * Lanes are the Workers' own: the kernel brings each to one of ours (sys/udp_group.ts), unless it was slipped behind
 * another's datagram in a train.
 */
function isOurLane({ b, lane }: Plane, { at }: Incoming): boolean {
  return dataLane(b, at) % lane.workers === lane.worker;
}

/** By the gate (handshake_gate.ts): a keyed MAC first and under load a cookie. Types 0x01 and 0x02. */
function receiveHandshake(plane: Plane, d: Incoming): Verdict {
  if (plane.gate === null) return handUp(plane, d);
  const { b, now } = plane;
  const { socket, train, at, end } = d;
  switch (plane.gate.check(b, at, end, () => socket.source(train), now)) {
    case "pass":
      if (plane.gate.keyed && handshakeMessage(b, at) === XX3) {
        plane.counters.add(NO_SESSION, plane.early.expect(handshakeReceiver(b, at), now));
      }
      return handUp(plane, d, plane.memberLimit);
    case "bad-mac":
      if (plane.badMacLimit.take(now)) {
        const question = b[at] === TYPE_HANDSHAKE && end - at >= REPLY_LEN;
        plane.handUp({ kind: "badMac", from: socket.source(train), question, ...calledAt(d) });
      }
      return BAD_MAC;
    case "cookie":
      // The reply lies where the question lay, and leaves before another stranger's address is set.
      d.slot = REPLY_SLOT;
      socket.follow(REPLY_SLOT, train);
      answer(plane, d, at, REPLY_LEN);
      flushAnswers(plane, socket);
      return COOKIE_SENT;
    case "replay":
      return REPLAY;
    case "overload":
      return CONTROL_OVERLOAD;
    default:
      return MALFORMED;
  }
}

/** Path probes are answered here, without the control plane: they measure the path, not its patience. */
function receiveProbe(plane: Plane, d: Incoming): Verdict {
  const kind = decodeProbe(plane.b, d.at, d.end);
  if (kind < 0) return MALFORMED;
  // Answers, and questions by a direct route: whether that is wanted the control plane knows.
  if (kind !== PROBE_ASK) {
    d.end = d.at + PROBE_LEN;
    return handUp(plane, d);
  }
  d.slot = plane.peers.byIndex(probeIndex(plane.b, d.at));
  if (d.slot < 0) {
    reportUnknown(plane, d);
    return NO_SESSION;
  }
  if (!d.socket.isFrom(d.train, d.slot, true)) return WRONG_ENDPOINT;
  followCalled(plane, d);
  answer(plane, d, d.at, answerProbe(plane.b, d.at, plane.peers.sendIndex[d.slot]!));
  return PROBE_ANSWERED;
}
