/** Our own port: what the first byte of a datagram says (wire/datagram.ts) decides where it goes. */
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
import { answer, followCalled, handUp, reportUnknown } from "../in/answers.ts";
import {
  MALFORMED,
  NO_SESSION,
  PROBE_ANSWERED,
  UNKNOWN_TYPE,
  type Verdict,
  WRONG_ENDPOINT,
  WRONG_LANE,
} from "../tables/counters.ts";
import { receiveHandshake } from "../in/handshakes.ts";
import type { Incoming } from "../packet/incoming.ts";
import type { Plane, Port } from "../plane/plane.ts";
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
