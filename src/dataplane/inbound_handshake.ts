/** A handshake's way in: through the gate (handshake_gate.ts), a keyed MAC first and under load a cookie. */
import { type DatagramSocket, REPLY_SLOT } from "../ports/devices.ts";
import { TYPE_HANDSHAKE } from "../wire/datagram.ts";
import { handshakeMessage, handshakeReceiver, REPLY_LEN, XX3 } from "../wire/handshake.ts";
import { answer, calledAt, flushAnswers, handUp } from "./answers.ts";
import {
  BAD_MAC,
  CONTROL_OVERLOAD,
  COOKIE_SENT,
  MALFORMED,
  NO_SESSION,
  REPLAY,
  type Verdict,
} from "./counters.ts";
import type { Plane } from "./plane.ts";

/** A datagram of type 0x01 or 0x02. */
export function inboundHandshake(
  plane: Plane,
  socket: DatagramSocket,
  i: number,
  at: number,
  end: number,
): Verdict {
  if (plane.gate === null) return handUp(plane, socket, i, at, end);
  switch (plane.gate.check(plane.b, at, end, () => socket.source(i), plane.now)) {
    case "pass":
      if (plane.gate.keyed && handshakeMessage(plane.b, at) === XX3) {
        plane.counters.add(NO_SESSION, plane.early.expect(handshakeReceiver(plane.b, at), plane.now));
      }
      return handUp(plane, socket, i, at, end, plane.memberLimit);
    case "bad-mac":
      if (plane.badMacLimit.take(plane.now)) {
        const question = plane.b[at] === TYPE_HANDSHAKE && end - at >= REPLY_LEN;
        plane.handUp({ kind: "badMac", from: socket.source(i), question, ...calledAt(socket, i) });
      }
      return BAD_MAC;
    case "cookie":
      // The reply lies where the question lay, and leaves before another stranger's address is set.
      socket.follow(REPLY_SLOT, i);
      answer(plane, socket, REPLY_SLOT, at, REPLY_LEN);
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
