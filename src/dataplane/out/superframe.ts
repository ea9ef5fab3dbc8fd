/**
 * A superframe's way out: TUN hands over up to 64 KiB of TCP (or UDP) as one packet, and each segment leaves as a
 * datagram of its own. How it is cut is decided here; the encapsulation of the peer does it (Encapsulator.sendSegments,
 * segment_headers.ts).
 */
import { copyWords } from "../../wire/bytes.ts";
import { ipMayFragment } from "../../wire/ip.ts";
import { MALFORMED, TOO_BIG, type Verdict } from "../tables/counters.ts";
import { tooBig } from "./fragments.ts";
import type { Outgoing } from "../packet/outgoing.ts";
import type { Encapsulator, Plane } from "../plane/plane.ts";
import { beginSegments, completeSegment, decodeSuperframe, putSegment } from "../packet/segment_headers.ts";
import { nextHeaderBlock } from "../plane/sending.ts";

/** Sends the superframe to its peer, segment by segment. */
export function sendSuperframe(plane: Plane, packet: Outgoing, encapsulator: Encapsulator): Verdict {
  const { b } = plane;
  if (!decodeSuperframe(b, packet)) return MALFORMED;
  const room = plane.peers.mtu[packet.slot]! - packet.headers;
  if (packet.size > room) {
    // The sender does not know this path yet. Without Don't Fragment, smaller segments do instead of fragments.
    if (!ipMayFragment(b, packet.at) || room <= 0) return tooBig(plane, packet);
    if (!packet.isTcp) return fragmentDatagrams(plane, packet);
    packet.size = room;
  }
  return encapsulator.sendSegments(plane, packet);
}

/** UDP has no smaller segments: its datagrams one by one, each in fragments. A datagram is made where it lies. */
function fragmentDatagrams(plane: Plane, packet: Outgoing): Verdict {
  const { b, view } = plane;
  const { at, length, headers, size } = packet;
  const first = nextHeaderBlock(plane);
  copyWords(view, at, first, headers);
  beginSegments(b, first, packet);
  let verdict: Verdict = TOO_BIG;
  for (let i = 0, body = headers; body < length; i++, body += size) {
    const datagram = at + body - headers; // over the end of the one before, whose fragments are copies
    copyWords(view, first, datagram, headers);
    putSegment(b, datagram, packet, i);
    completeSegment(b, datagram, packet, i);
    packet.at = datagram;
    packet.length = headers + Math.min(size, length - body);
    verdict = tooBig(plane, packet);
    packet.at = at;
    packet.length = length;
  }
  return verdict;
}
