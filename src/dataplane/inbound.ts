/**
 * A packet's way in, in this order:
 *   1. inboundBatch    receive up to BATCH datagrams from one socket
 *   2. inboundOwn      our port: classify by the first byte; data goes on, the rest is handed up or answered
 *      inboundSealed   sealed data: opened where it lies, then as above         (sealed_inbound.ts)
 *      inboundVxlan    the VXLAN port: RFC 7348, Ethernet, ARP for our addresses answered
 *      inboundFlannel  the flannel udp port: a bare IP packet
 *   3. accept          the inner source must lie in the sender's lease (VXLAN, flannel: it tells who sent it)
 *   4. deliver         the destination must lie in ours                                  (3 and 4: deliver.ts)
 *   5. coalescer.ts    segments of one flow become one write to TUN
 * Datagrams come from anybody: nothing here throws on their account, everything is counted once.
 */
import type { DatagramSocket, SocketRole } from "../ports/devices.ts";
import {
  ARP_LEN,
  ARP_SENDER_IP_AT,
  ARP_TARGET_IP_AT,
  decodeArpRequest,
  encodeArpReply,
} from "../wire/arp.ts";
import {
  DATA_ETHERNET,
  DATA_LEN,
  DATA_PARTIAL,
  DATA_PLAIN,
  dataIndex,
  dataVni,
  decodeData,
  isData,
} from "../wire/data_header.ts";
import {
  answerProbe,
  decodeProbe,
  encodeWayProbe,
  PROBE_ASK,
  PROBE_LEN,
  PROBE_WAY_ANSWER,
  PROBE_WAY_ASK,
  probeIndex,
  probeNonceHigh,
  probeNonceLow,
  TYPE_COOKIE,
  TYPE_GOSSIP_PLAIN,
  TYPE_GOSSIP_SEALED,
  TYPE_HANDSHAKE,
  TYPE_HELLO,
  TYPE_PROBE,
} from "../wire/datagram.ts";
import {
  decodeEthernet,
  ETHERNET_LEN,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  MAC_LEN,
  macEquals,
  putMac,
} from "../wire/ethernet.ts";
import { decodeIp, ipTotalLength } from "../wire/ip.ts";
import { IPV4_DESTINATION_AT } from "../wire/ipv4.ts";
import { decodeVxlan, encodeVxlan, VXLAN_LEN } from "../wire/vxlan.ts";
import { answerVxlanFrame, wayProbeAt } from "../wire/way_probe.ts";
import { answer, flushAnswers, handUp, reportUnknown } from "./answers.ts";
import { inboundHandshake } from "./inbound_handshake.ts";
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL, CHECKSUM_UNKNOWN } from "./checksum_offload.ts";
import {
  ARP_ANSWERED,
  COUNTED_LATER,
  MALFORMED,
  MULTICAST,
  NO_SESSION,
  NOT_FOR_US,
  PROBE_ANSWERED,
  RECEIVE_OVERFLOW,
  SPOOFED,
  UNKNOWN_TYPE,
  type Verdict,
  WRONG_ENDPOINT,
  WRONG_LANE,
  WRONG_VNI,
} from "./counters.ts";
import { accept, deliver, NOT_IP, senderOf } from "./deliver.ts";
import { BY_FLANNEL, BY_VXLAN } from "./peer_table.ts";
import type { Plane } from "./plane.ts";
import { OWN_SLOT } from "./route_table.ts";
import { inboundSealed } from "./sealed_inbound.ts";

/** Moves one batch from a socket to TUN. Returns how many datagrams were received. */
export function inboundBatch(plane: Plane, role: SocketRole): number {
  const socket = plane.sockets[role];
  if (socket === null) return 0;
  const count = socket.receive();
  for (let i = 0; i < count; i++) {
    const stop = socket.position(i) + socket.length(i);
    const segment = socket.segment(i);
    const whole = role === "vxlan" && isOneFrame(plane.b, socket.position(i), stop, segment);
    plane.innerSegment = whole ? segment : 0;
    const size = whole ? socket.length(i) : segment;
    let before = NOTHING;
    for (let at = socket.position(i); at < stop || size === 0; at += size) {
      const end = Math.min(at + size, stop);
      if (before !== NOTHING && goesOn(plane, role, before, at, end)) {
        before = at;
        continue;
      }
      const verdict = role === "own"
        ? inboundOwn(plane, socket, i, at, end)
        : role === "vxlan"
        ? inboundVxlan(plane, socket, i, at, end)
        : inboundFlannel(plane, socket, i, at, end);
      if (verdict !== COUNTED_LATER) plane.counters.add(verdict);
      before = verdict === COUNTED_LATER ? at : NOTHING;
      if (size === 0) break;
    }
  }
  if (count > 0) {
    plane.coalescer.flush();
    flushAnswers(plane, socket);
    plane.counters.set(RECEIVE_OVERFLOW, overflows(plane));
  }
  return count;
}

/** No datagram of this train went to TUN before. */
const NOTHING = -1;

/**
 * Takes the next datagram of a train when it is to the one before what a segment is to its neighbour: whatever was
 * asked about that one has the same answer. False: it has to be looked at in full.
 */
function goesOn(plane: Plane, role: SocketRole, before: number, at: number, end: number): boolean {
  const view = plane.view;
  let header: number;
  if (role === "own") {
    header = DATA_LEN; // type, VNI, index; the counter differs. Sealed data is opened before anything is believed.
    if ((plane.b[at]! & DATA_PLAIN) === 0) return false;
    if (view.getInt32(before) !== view.getInt32(at) || view.getInt32(before + 4) !== view.getInt32(at + 4)) {
      return false;
    }
  } else if (role === "vxlan") {
    header = VXLAN_LEN + ETHERNET_LEN;
    for (let i = 0; i < header; i += 2) if (view.getInt16(before + i) !== view.getInt16(at + i)) return false;
  } else return false;
  const length = end - at - header;
  if (!plane.coalescer.extend(at + header, length, plane.lastChecksum, plane.lastSlot)) return false;
  plane.counters.receivedFrom(plane.lastSlot, length);
  return true;
}

/**
 * Whether what looks like a train is one VXLAN frame: from a kernel VXLAN device over veth or virtio comes an inner
 * UDP superframe as it is, and the segment that the kernel names is that of the inner datagrams.
 */
function isOneFrame(b: Uint8Array, at: number, end: number, segment: number): boolean {
  const packet = at + VXLAN_LEN + ETHERNET_LEN;
  if (segment >= end - at || segment === 0) return false;
  return decodeIp(b, packet, end) >= 0 && packet + ipTotalLength(b, packet) > at + segment;
}

function overflows(plane: Plane): number {
  const { own, vxlan, flannel } = plane.sockets;
  return (own?.overflows() ?? 0) + (vxlan?.overflows() ?? 0) + (flannel?.overflows() ?? 0);
}

/** Datagram `i` of a batch from our own port. */
export function inboundOwn(
  plane: Plane,
  socket: DatagramSocket,
  i: number,
  at: number,
  end: number,
): Verdict {
  if (at === end) return MALFORMED;
  const type = plane.b[at]!;
  if (isData(type)) return inboundData(plane, socket, i, at, end);
  switch (type) {
    case TYPE_PROBE:
      return inboundProbe(plane, socket, i, at, end);
    case TYPE_HANDSHAKE:
    case TYPE_COOKIE:
      return inboundHandshake(plane, socket, i, at, end);
    case TYPE_HELLO:
    case TYPE_GOSSIP_SEALED:
    case TYPE_GOSSIP_PLAIN:
      return handUp(plane, socket, i, at, end);
    default:
      return UNKNOWN_TYPE;
  }
}

function inboundData(plane: Plane, socket: DatagramSocket, i: number, at: number, end: number): Verdict {
  const flags = decodeData(plane.b, at, end);
  if (flags < 0) return MALFORMED;
  // Lanes are the Workers' own: the kernel brings each to one of ours (sys/udp_group.ts), unless somebody slipped
  // it behind another's datagram in a train.
  const lane = dataIndex(plane.b, at) & 0xff;
  if (lane % plane.lane.workers !== plane.lane.worker) return WRONG_LANE;
  if ((flags & DATA_PLAIN) === 0) return inboundSealed(plane, socket, i, at, end);
  if ((flags & DATA_ETHERNET) !== 0 || dataVni(plane.b, at) !== 0) return WRONG_VNI;
  const slot = plane.peers.byIndex(dataIndex(plane.b, at));
  if (slot < 0) {
    if (lane === 0) reportUnknown(plane, socket, i);
    return NO_SESSION;
  }
  // A peer of a VXLAN mesh whose VXLAN port nobody answers at sends by our own.
  if (!plane.peers.isPlain(slot)) return NO_SESSION;
  // Without keys, the endpoint that answered our hello is what tells the peer from anybody else. Only lane 0 sends
  // from there; the others have ports that nobody validated, and nobody is answered at.
  if (!socket.isFrom(i, slot, lane === 0)) {
    if (lane === 0) reportUnknown(plane, socket, i);
    return WRONG_ENDPOINT;
  }
  const checksum = (flags & DATA_PARTIAL) !== 0 ? CHECKSUM_PARTIAL : CHECKSUM_COMPLETE;
  return accept(plane, slot, at + DATA_LEN, end, checksum);
}

/** Path probes are answered here, without the control plane: they measure the path, not its patience. */
function inboundProbe(plane: Plane, socket: DatagramSocket, i: number, at: number, end: number): Verdict {
  const kind = decodeProbe(plane.b, at, end);
  if (kind < 0) return MALFORMED;
  // Answers, and questions by a direct route: whether that is wanted the control plane knows.
  if (kind !== PROBE_ASK) return handUp(plane, socket, i, at, Math.min(end, at + PROBE_LEN));
  const slot = plane.peers.byIndex(probeIndex(plane.b, at));
  if (slot < 0) {
    reportUnknown(plane, socket, i);
    return NO_SESSION;
  }
  if (!socket.isFrom(i, slot, true)) return WRONG_ENDPOINT;
  followCalled(plane, socket, i, slot);
  answer(plane, socket, slot, at, answerProbe(plane.b, at, plane.peers.sendIndex[slot]!));
  return PROBE_ANSWERED;
}

/** The answer leaves from the address of ours that was called, and so does what else goes to that peer. */
function followCalled(plane: Plane, socket: DatagramSocket, i: number, slot: number): void {
  if (!socket.isTo(i, slot) && plane.peers.mayMoveLocal(slot, plane.now)) socket.followLocal(slot, i);
}

/** Datagram `i` of a batch from the VXLAN port. */
export function inboundVxlan(
  plane: Plane,
  socket: DatagramSocket,
  i: number,
  at: number,
  end: number,
): Verdict {
  const vni = decodeVxlan(plane.b, at, end);
  if (vni < 0) return MALFORMED;
  const frame = at + VXLAN_LEN;
  const type = decodeEthernet(plane.b, frame, end);
  const packet = frame + ETHERNET_LEN;
  if (type === ETHERTYPE_ARP) return answerArp(plane, socket, i, frame, end, vni);
  if (type !== ETHERTYPE_IPV4 && type !== ETHERTYPE_IPV6) return MALFORMED;
  if (!macEquals(plane.b, frame, plane.ownMac)) return (plane.b[frame]! & 1) === 1 ? MULTICAST : NOT_FOR_US;
  const slot = senderOf(plane, packet, end);
  if (slot < 0) return slot === NOT_IP ? MALFORMED : SPOOFED;
  if (!plane.peers.speaksVxlan(slot) || !socket.isFrom(i, slot, false)) return SPOOFED;
  if (plane.peers.vni[slot] !== vni) return WRONG_VNI;
  followCalled(plane, socket, i, slot);
  const probe = wayProbeAt(plane.b, packet, end);
  if (probe >= 0) return inboundVxlanProbe(plane, socket, { i, slot, frame, probe, vni });
  return deliver(plane, slot, packet, CHECKSUM_UNKNOWN);
}

interface VxlanProbe {
  readonly i: number;
  readonly slot: number;
  readonly frame: number;
  readonly probe: number;
  readonly vni: number;
}

/** A probe of the VXLAN way: answered the way it came, no longer than the question; an answer is handed up. */
function inboundVxlanProbe(
  plane: Plane,
  socket: DatagramSocket,
  { i, slot, frame, probe, vni }: VxlanProbe,
): Verdict {
  const b = plane.b;
  const target = frame + ETHERNET_LEN + IPV4_DESTINATION_AT;
  if (plane.routes.lookup(b, target, 4) !== OWN_SLOT) return NOT_FOR_US;
  const kind = decodeProbe(b, probe, probe + PROBE_LEN);
  if (kind === PROBE_WAY_ANSWER) return handUp(plane, socket, i, probe, probe + PROBE_LEN);
  if (kind !== PROBE_WAY_ASK) return MALFORMED;
  encodeWayProbe(b, probe, PROBE_WAY_ANSWER, 0, probeNonceHigh(b, probe), probeNonceLow(b, probe));
  encodeVxlan(b, frame - VXLAN_LEN, vni); // reserved bits that came along do not go back
  const length = answerVxlanFrame(b, frame, probe, plane.ownMac);
  answer(plane, socket, slot, frame - VXLAN_LEN, VXLAN_LEN + length);
  return PROBE_ANSWERED;
}

/** Who has one of our addresses? A kernel VTEP without permanent neighbours asks; we answer for our leases. */
function answerArp(
  plane: Plane,
  socket: DatagramSocket,
  i: number,
  frame: number,
  end: number,
  vni: number,
): Verdict {
  const b = plane.b;
  const arp = frame + ETHERNET_LEN;
  if (decodeArpRequest(b, arp, end) < 0) return MALFORMED;
  const slot = plane.routes.lookup(b, arp + ARP_SENDER_IP_AT, 4);
  if (slot < 0 || slot === OWN_SLOT || plane.peers.encapsulation[slot] !== BY_VXLAN) return SPOOFED;
  if (!socket.isFrom(i, slot, false)) return SPOOFED;
  if (plane.peers.vni[slot] !== vni) return WRONG_VNI;
  if (plane.routes.lookup(b, arp + ARP_TARGET_IP_AT, 4) !== OWN_SLOT) return NOT_FOR_US;
  encodeVxlan(b, frame - VXLAN_LEN, vni); // reserved bits that came along do not go back
  followCalled(plane, socket, i, slot);
  b.copyWithin(frame, frame + MAC_LEN, frame + 2 * MAC_LEN);
  putMac(b, frame + MAC_LEN, plane.ownMac);
  encodeArpReply(b, arp, b, arp, plane.ownMac);
  answer(plane, socket, slot, frame - VXLAN_LEN, VXLAN_LEN + ETHERNET_LEN + ARP_LEN);
  return ARP_ANSWERED;
}

/** Datagram `i` of a batch from the flannel udp port. */
export function inboundFlannel(
  plane: Plane,
  socket: DatagramSocket,
  i: number,
  at: number,
  end: number,
): Verdict {
  const slot = senderOf(plane, at, end);
  if (slot < 0) return slot === NOT_IP ? MALFORMED : SPOOFED;
  if (plane.peers.encapsulation[slot] !== BY_FLANNEL || !socket.isFrom(i, slot, false)) return SPOOFED;
  followCalled(plane, socket, i, slot);
  return deliver(plane, slot, at, CHECKSUM_COMPLETE);
}
