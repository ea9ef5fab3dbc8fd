/** Sealing on a session, for packets and for answers: the next counter, if there is one, then header and AEAD. */
import { DATA_LEN, encodeData } from "../../wire/data_header.ts";
import type { Plane } from "./plane.ts";
import type { Session } from "../tables/session_table.ts";

/** A counter at which the control plane is asked for another session, and one that is never sent. */
const REKEY_AT = 2 ** 48;
const COUNTER_END = 2 ** 52;

/** Whether the session has a counter left; the control plane is told in time. */
export function mayCount(plane: Plane, session: Session): boolean {
  if (session.counter < REKEY_AT) return true;
  if (!session.rekeyAsked) plane.handUp({ kind: "rekeyWanted", slot: session.slot });
  session.rekeyAsked = true;
  return session.counter < COUNTER_END;
}

/**
 * Writes the sealed datagram of the `length` bytes at `from` to `header`: header, ciphertext, tag. Six arguments, for
 * the payload lies where it was read, and a packet path makes no object to say so.
 */
export function sealTo(
  plane: Plane,
  session: Session,
  header: number,
  from: number,
  length: number,
  flags: number,
): void {
  encodeData(plane.b, header, flags, 0, session.sendIndex, session.counter++);
  session.sealing.seal(plane.b, header, from, length, header + DATA_LEN);
}
