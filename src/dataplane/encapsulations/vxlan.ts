/**
 * VXLAN (RFC 7348) as kernel VTEPs and flannel speak it: an Ethernet frame without VLAN tags around each packet. It names
 * no sender: the inner source tells who it must be. Questions of kernels and of our own control planes are answered in
 * vxlan_answers.ts.
 */
import { putU16 } from "../../wire/bytes.ts";
import {
  decodeEthernet,
  ETHERNET_LEN,
  ETHERNET_TYPE_AT,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  macEquals,
} from "../../wire/ethernet.ts";
import { decodeIp, ipIsV4, ipTotalLength } from "../../wire/ip.ts";
import { payloadOverhead } from "../../wire/overhead.ts";
import { decodeVxlan, VXLAN_LEN } from "../../wire/vxlan.ts";
import { wayProbeAt } from "../../wire/way_probe.ts";
import { CHECKSUM_UNKNOWN } from "../packet/packet_memory.ts";
import { MALFORMED, MULTICAST, NOT_FOR_US, SPOOFED, type Verdict, WRONG_VNI } from "../tables/counters.ts";
import { deliver, followCalled, NOT_IP, senderOf } from "../in/inbound.ts";
import type { Encapsulator, Incoming, Outgoing, Plane, Port } from "../plane/plane.ts";
import { type Header, Stamped } from "./stamped.ts";
import { answerArp, answerVxlanProbe } from "./vxlan_answers.ts";

const HEADER_LEN = payloadOverhead("vxlan");

class VxlanHeader implements Header {
  readonly length = HEADER_LEN;
  readonly role = "vxlan";
  readonly partial = false;
  readonly takesPlain = true;

  stamp({ b, view, peers }: Plane, { slot }: Outgoing, at: number): void {
    peers.putVxlanHeader(slot, view, at);
    if (!ipIsV4(b, at)) putU16(b, at - ETHERNET_LEN + ETHERNET_TYPE_AT, ETHERTYPE_IPV6);
  }

  restamp(): void {}
}

export const vxlan: Encapsulator = new Stamped(new VxlanHeader());

class VxlanPort implements Port {
  receive(plane: Plane, d: Incoming): Verdict {
    return receiveVxlan(plane, d);
  }

  sameHeader({ view }: Plane, before: number, at: number): number {
    for (let i = 0; i < HEADER_LEN; i += 2) {
      if (view.getInt16(before + i) !== view.getInt16(at + i)) return -1;
    }
    return HEADER_LEN;
  }

  /**
   * From a kernel VXLAN device over veth or virtio comes an inner UDP superframe as it is, and the segment that the
   * kernel names is that of the inner datagrams.
   */
  isOne({ b }: Plane, at: number, end: number, segment: number): boolean {
    const packet = at + HEADER_LEN;
    return decodeIp(b, packet, end) >= 0 && packet + ipTotalLength(b, packet) > at + segment;
  }
}

export const vxlanPort: Port = new VxlanPort();

function receiveVxlan(plane: Plane, d: Incoming): Verdict {
  const { b } = plane;
  const vni = decodeVxlan(b, d.at, d.end);
  if (vni < 0) return MALFORMED;
  const frame = d.at + VXLAN_LEN;
  const type = decodeEthernet(b, frame, d.end);
  d.at = frame + ETHERNET_LEN;
  if (type === ETHERTYPE_ARP) return answerArp(plane, d, vni);
  if (type !== ETHERTYPE_IPV4 && type !== ETHERTYPE_IPV6) return MALFORMED;
  if (!macEquals(b, frame, plane.ownMac)) return (b[frame]! & 1) === 1 ? MULTICAST : NOT_FOR_US;
  d.slot = senderOf(plane, d);
  if (d.slot < 0) return d.slot === NOT_IP ? MALFORMED : SPOOFED;
  // Also a peer that gets the data header from us, for want of an answer at its VXLAN port.
  const ofPeer = plane.peers.vni[d.slot];
  if (ofPeer === 0 || !d.socket.isFrom(d.train, d.slot, false)) return SPOOFED;
  if (ofPeer !== vni) return WRONG_VNI;
  followCalled(plane, d);
  const probe = wayProbeAt(b, d.at, d.end);
  if (probe >= 0) return answerVxlanProbe(plane, d, probe, vni);
  d.checksum = CHECKSUM_UNKNOWN;
  return deliver(plane, d);
}
