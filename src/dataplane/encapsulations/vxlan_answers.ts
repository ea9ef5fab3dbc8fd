/**
 * What is answered on the VXLAN port, where it lay: who has one of our addresses (ARP, RFC 826; a kernel VTEP without
 * permanent neighbours asks), and whether VXLAN gets through (wire/way_probe.ts). `d.at` is behind the Ethernet header.
 */
import {
  ARP_LEN,
  ARP_SENDER_IP_AT,
  ARP_TARGET_IP_AT,
  decodeArpRequest,
  encodeArpReply,
} from "../../wire/arp.ts";
import {
  decodeProbe,
  encodeWayProbe,
  PROBE_LEN,
  PROBE_WAY_ANSWER,
  PROBE_WAY_ASK,
  probeNonceHigh,
  probeNonceLow,
} from "../../wire/datagram.ts";
import { ETHERNET_LEN, MAC_LEN, putMac } from "../../wire/ethernet.ts";
import { encodeVxlan, VXLAN_LEN } from "../../wire/vxlan.ts";
import { answerVxlanFrame } from "../../wire/way_probe.ts";
import { followCalled, handUp } from "../in/inbound.ts";
import { answer } from "../plane/sending.ts";
import {
  ARP_ANSWERED,
  MALFORMED,
  NOT_FOR_US,
  PROBE_ANSWERED,
  SPOOFED,
  type Verdict,
  WRONG_VNI,
} from "../tables/counters.ts";
import type { Incoming, Plane } from "../plane/plane.ts";
import { OWN_SLOT } from "../tables/route_table.ts";

/** An ARP request that came under `vni`. */
export function answerArp(plane: Plane, d: Incoming, vni: number): Verdict {
  const { b, routes } = plane;
  const arp = d.at;
  if (decodeArpRequest(b, arp, d.end) < 0) return MALFORMED;
  d.slot = routes.lookup(b, arp + ARP_SENDER_IP_AT, 4);
  if (d.slot < 0 || d.slot === OWN_SLOT || plane.encapsulators[d.slot]?.role !== "vxlan") return SPOOFED;
  if (!d.socket.isFrom(d.train, d.slot, false)) return SPOOFED;
  if (plane.peers.vni[d.slot] !== vni) return WRONG_VNI;
  if (routes.lookup(b, arp + ARP_TARGET_IP_AT, 4) !== OWN_SLOT) return NOT_FOR_US;
  followCalled(plane, d);
  const frame = arp - ETHERNET_LEN;
  b.copyWithin(frame, frame + MAC_LEN, frame + 2 * MAC_LEN);
  putMac(b, frame + MAC_LEN, plane.ownMac);
  encodeArpReply(b, arp, b, arp, plane.ownMac);
  answerFrame(plane, d, vni, ETHERNET_LEN + ARP_LEN);
  return ARP_ANSWERED;
}

/** A probe of the VXLAN way at `probe`: answered the way it came, no longer than the question; an answer is handed up. */
export function answerVxlanProbe(plane: Plane, d: Incoming, probe: number, vni: number): Verdict {
  const { b } = plane;
  if (plane.routes.destinationOf(b, d.at) !== OWN_SLOT) return NOT_FOR_US;
  const kind = decodeProbe(b, probe, probe + PROBE_LEN);
  if (kind === PROBE_WAY_ANSWER) {
    d.at = probe;
    d.end = probe + PROBE_LEN;
    return handUp(plane, d);
  }
  if (kind !== PROBE_WAY_ASK) return MALFORMED;
  encodeWayProbe(b, probe, PROBE_WAY_ANSWER, 0, probeNonceHigh(b, probe), probeNonceLow(b, probe));
  answerFrame(plane, d, vni, answerVxlanFrame(b, d.at - ETHERNET_LEN, probe, plane.ownMac));
  return PROBE_ANSWERED;
}

/** The frame of `length` bytes, back to the peer. Reserved bits that came along do not go back. */
function answerFrame(plane: Plane, d: Incoming, vni: number, length: number): void {
  const header = d.at - ETHERNET_LEN - VXLAN_LEN;
  encodeVxlan(plane.b, header, vni);
  answer(plane, d, header, VXLAN_LEN + length);
}
