/** A handshake's way in: through the gate (handshake_gate.ts), a keyed MAC first and under load a cookie. */
import { REPLY_SLOT } from "../../ports/devices.ts";
import { TYPE_HANDSHAKE } from "../../wire/datagram.ts";
import { handshakeMessage, handshakeReceiver, REPLY_LEN, XX3 } from "../../wire/handshake.ts";
import { answer, calledAt, flushAnswers, handUp } from "./answers.ts";
import {
  BAD_MAC,
  CONTROL_OVERLOAD,
  COOKIE_SENT,
  MALFORMED,
  NO_SESSION,
  REPLAY,
  type Verdict,
} from "../tables/counters.ts";
import type { Incoming } from "../packet/incoming.ts";
import type { Plane } from "../plane/plane.ts";

/** A datagram of type 0x01 or 0x02. */
export function receiveHandshake(plane: Plane, d: Incoming): Verdict {
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
