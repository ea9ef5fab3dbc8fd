// Datagrams on their way in, as the data plane hands them up: told apart by their first byte, and given to who takes them.
// What came through the mesh itself makes no link, and in a sealed mesh nothing is taken in the clear but hellos, which are
// refused, and what goes by a direct route.

import {
  decodeProbe,
  PROBE_ANSWER,
  PROBE_KIND_AT,
  PROBE_WAY_ANSWER,
  probeNonceHigh,
  probeNonceLow,
  TYPE_COOKIE,
  TYPE_GOSSIP_PLAIN,
  TYPE_GOSSIP_SEALED,
  TYPE_HANDSHAKE,
  TYPE_HELLO,
  TYPE_PROBE,
} from "../../wire/datagram.ts";
import type { ControlEvent } from "../outbox/events.ts";
import type { Core } from "./core.ts";
import { receiveGossip, takeGossip } from "./gossip_steps.ts";
import { receiveGroupGossip } from "./group_steps.ts";
import { onLinks } from "./link_steps.ts";
import { onWayAnswer, onWayQuestion } from "./way_steps.ts";

type Datagram = ControlEvent & { kind: "datagram" };

export function onDatagram(core: Core, event: Datagram, now: number): void {
  const { bytes, from } = event;
  // By a direct route probes come from overlay addresses; they make no link.
  if (bytes[0] === TYPE_PROBE) return onProbeDatagram(core, event, now);
  // It came through the tunnel, and an answer would go there: no way to a peer.
  if (!core.outside.has(from)) return core.tally.reject();
  switch (bytes[0]) {
    case TYPE_HELLO:
      return onLinks(core, core.links.receive(bytes, from, now), now);
    case TYPE_HANDSHAKE:
    case TYPE_COOKIE:
      if (core.sealed === null) return core.tally.reject();
      return onLinks(core, core.sealed.receive(bytes, from, now), now);
    case TYPE_GOSSIP_PLAIN:
      return core.sealed === null ? receiveGossip(core, bytes, from, now) : core.tally.reject();
    case TYPE_GOSSIP_SEALED:
      return receiveGroupGossip(core, bytes, from, now);
    default: // none we know
      return core.tally.reject();
  }
}

/** What comes over a session is from its peer, wherever it is by now. */
export function onSessionMessage(
  core: Core,
  event: ControlEvent & { kind: "sessionMessage" },
  now: number,
): void {
  const { receiveIndex, bytes, from, at } = event;
  const link = core.sealed?.bySession(receiveIndex);
  if (link === undefined) return core.tally.reject();
  if (bytes[0] === TYPE_PROBE) return onProbe(core, { bytes, from: link.endpoint ?? from, at }, now);
  if (bytes[0] === TYPE_GOSSIP_PLAIN && link.endpoint !== null) {
    core.sealed?.clones.heard(receiveIndex, now);
    return takeGossip(core, link, bytes, now);
  }
  core.tally.reject();
}

// In the clear: in a sealed mesh only what goes by a direct route, which carries data in the clear.
function onProbeDatagram(core: Core, event: Datagram, now: number): void {
  const { bytes, from } = event;
  if (onWayQuestion(core, bytes, from, now)) return;
  if (core.sealed === null) return onProbe(core, event, now);
  if (bytes[PROBE_KIND_AT] !== PROBE_WAY_ANSWER || !onWayAnswer(core, bytes, now)) core.tally.reject();
}

function onProbe(
  core: Core,
  { bytes, from, at }: Pick<Datagram, "bytes" | "from" | "at">,
  now: number,
): void {
  if (onWayAnswer(core, bytes, now)) return;
  if (core.links.contests.probed(probeNonce(bytes))) return;
  const answer = core.roundTrips.receive(bytes, from, at);
  if (answer === null) return core.tally.reject();
  core.changed ||= answer.first;
  const link = core.links.get(answer.id);
  if (link !== undefined) link.lastHeardAt = now;
}

// Of a path probe, 16 hexadecimal digits; of anything shorter none that matches.
function probeNonce(bytes: Uint8Array): string {
  if (decodeProbe(bytes, 0, bytes.length) !== PROBE_ANSWER) return "";
  const words = [probeNonceHigh(bytes, 0), probeNonceLow(bytes, 0)];
  return words.map((word) => word.toString(16).padStart(8, "0")).join("");
}
