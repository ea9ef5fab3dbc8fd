/**
 * A packet's way in, in this order:
 *   1. inboundBatch    receive up to BATCH datagrams from one socket
 *   2. inboundOwn      our port: classify by the first byte; data goes on, the rest is handed up or answered
 *      inboundVxlan    the VXLAN port: RFC 7348, Ethernet, ARP for our addresses answered
 *      inboundFlannel  the flannel udp port: a bare IP packet
 *   3. accept          the inner source must lie in the sender's lease (VXLAN, flannel: it tells who sent it)
 *   4. deliver         the destination must lie in ours
 *   5. coalescer.ts    segments of one flow become one write to TUN
 * Datagrams come from anybody: nothing here throws on their account, everything is counted once.
 */
import { type DatagramSocket, REPLY_SLOT, type SocketRole } from "../ports.ts";
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
  PROBE_ASK,
  probeIndex,
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
import { decodeIpv4, IPV4_DESTINATION_AT, IPV4_SOURCE_AT, ipv4TotalLength } from "../wire/ipv4.ts";
import { decodeIpv6, IPV6_DESTINATION_AT, IPV6_SOURCE_AT, ipv6TotalLength } from "../wire/ipv6.ts";
import { REPLY_LEN } from "../wire/handshake.ts";
import { decodeVxlan, encodeVxlan, VXLAN_LEN } from "../wire/vxlan.ts";
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL, CHECKSUM_UNKNOWN } from "./checksum_offload.ts";
import {
  ARP_ANSWERED,
  BAD_MAC,
  CONTROL_OVERLOAD,
  COOKIE_SENT,
  HANDED_UP,
  MALFORMED,
  MULTICAST,
  NO_SESSION,
  NOT_FOR_US,
  PROBE_ANSWERED,
  RECEIVE_OVERFLOW,
  REPLAY,
  SEND_FAILED,
  SPOOFED,
  UNKNOWN_TYPE,
  type Verdict,
  WRONG_ENDPOINT,
  WRONG_VNI,
} from "./counters.ts";
import { BY_DATA, BY_FLANNEL, BY_VXLAN } from "./peer_table.ts";
import type { Plane } from "./plane.ts";
import { OWN_SLOT } from "./route_table.ts";

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
    for (let at = socket.position(i); at < stop || size === 0; at += size) {
      const end = Math.min(at + size, stop);
      const verdict = role === "own"
        ? inboundOwn(plane, socket, i, at, end)
        : role === "vxlan"
        ? inboundVxlan(plane, socket, i, at, end)
        : inboundFlannel(plane, socket, i, at, end);
      if (verdict !== COUNTED_LATER) plane.counters.add(verdict);
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

/**
 * Whether what looks like a train is one VXLAN frame: from a kernel VXLAN device over veth or virtio comes an inner
 * UDP superframe as it is, and the segment that the kernel names is that of the inner datagrams.
 */
function isOneFrame(b: Uint8Array, at: number, end: number, segment: number): boolean {
  const packet = at + VXLAN_LEN + ETHERNET_LEN;
  if (segment >= end - at || segment === 0) return false;
  const v4 = b[packet]! >>> 4 === 4;
  if ((v4 ? decodeIpv4(b, packet, end) : decodeIpv6(b, packet, end)) < 0) return false;
  return packet + (v4 ? ipv4TotalLength(b, packet) : ipv6TotalLength(b, packet)) > at + segment;
}

/** Queues what answers a datagram, where that lay. A batch of trains may hold more questions than the queue answers. */
function answer(plane: Plane, socket: DatagramSocket, slot: number, at: number, length: number): void {
  if (socket.enqueue(slot, at, length, 0, 0)) return;
  flushAnswers(plane, socket);
  socket.enqueue(slot, at, length, 0, 0);
}

function flushAnswers(plane: Plane, socket: DatagramSocket): void {
  const refused = socket.flush();
  if (refused > 0) plane.counters.add(SEND_FAILED, refused);
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
  if ((flags & DATA_PLAIN) === 0) return NO_SESSION;
  if ((flags & DATA_ETHERNET) !== 0 || dataVni(plane.b, at) !== 0) return WRONG_VNI;
  const slot = plane.peers.byIndex(dataIndex(plane.b, at));
  if (slot < 0) {
    reportUnknown(plane, socket, i);
    return NO_SESSION;
  }
  if (plane.peers.encapsulation[slot] !== BY_DATA) return NO_SESSION;
  // Without keys, the endpoint that answered our hello is what tells the peer from anybody else.
  if (!socket.isFrom(i, slot, true)) {
    reportUnknown(plane, socket, i);
    return WRONG_ENDPOINT;
  }
  const checksum = (flags & DATA_PARTIAL) !== 0 ? CHECKSUM_PARTIAL : CHECKSUM_COMPLETE;
  return accept(plane, slot, at + DATA_LEN, end, checksum);
}

function reportUnknown(plane: Plane, socket: DatagramSocket, i: number): void {
  if (plane.unknownLimit.take(plane.now)) plane.handUp({ kind: "unknownIndex", from: socket.source(i) });
}

/** Path probes are answered here, without the control plane: they measure the path, not its patience. */
function inboundProbe(plane: Plane, socket: DatagramSocket, i: number, at: number, end: number): Verdict {
  const kind = decodeProbe(plane.b, at, end);
  if (kind < 0) return MALFORMED;
  if (kind !== PROBE_ASK) return handUp(plane, socket, i, at, end);
  const slot = plane.peers.byIndex(probeIndex(plane.b, at));
  if (slot < 0) {
    reportUnknown(plane, socket, i);
    return NO_SESSION;
  }
  if (!socket.isFrom(i, slot, true)) return WRONG_ENDPOINT;
  answer(plane, socket, slot, at, answerProbe(plane.b, at, plane.peers.sendIndex[slot]!));
  return PROBE_ANSWERED;
}

/** Handshakes pass the gate first: a keyed MAC, and under load a cookie (handshake_gate.ts). */
function inboundHandshake(
  plane: Plane,
  socket: DatagramSocket,
  i: number,
  at: number,
  end: number,
): Verdict {
  if (plane.gate === null) return handUp(plane, socket, i, at, end);
  switch (plane.gate.check(plane.b, at, end, () => socket.source(i), plane.now)) {
    case "pass":
      return handUp(plane, socket, i, at, end);
    case "bad-mac":
      if (plane.badMacLimit.take(plane.now)) {
        const question = plane.b[at] === TYPE_HANDSHAKE && end - at >= REPLY_LEN;
        plane.handUp({ kind: "badMac", from: socket.source(i), question });
      }
      return BAD_MAC;
    case "cookie":
      // The reply lies where the question lay, and leaves before another stranger's address is set.
      socket.setDestination(REPLY_SLOT, socket.source(i));
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

function handUp(plane: Plane, socket: DatagramSocket, i: number, at: number, end: number): Verdict {
  if (!plane.controlLimit.take(plane.now)) return CONTROL_OVERLOAD;
  plane.handUp({ kind: "datagram", bytes: plane.b.slice(at, end), from: socket.source(i), at: plane.now });
  return HANDED_UP;
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
  if (plane.peers.encapsulation[slot] !== BY_VXLAN || !socket.isFrom(i, slot, false)) return SPOOFED;
  if (plane.peers.vni[slot] !== vni) return WRONG_VNI;
  return deliver(plane, slot, packet, CHECKSUM_UNKNOWN);
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
  return deliver(plane, slot, at, CHECKSUM_COMPLETE);
}

/** The coalescer counts what it writes. */
const COUNTED_LATER: Verdict = -1;
const NOT_IP = -2;
const NOBODY = -1;

/** The peer whose lease holds the source of the packet; NOBODY, or NOT_IP. */
function senderOf(plane: Plane, at: number, end: number): number {
  const b = plane.b;
  const v4 = b[at]! >>> 4 === 4;
  if ((v4 ? decodeIpv4(b, at, end) : decodeIpv6(b, at, end)) < 0) return NOT_IP;
  const slot = v4
    ? plane.routes.lookup(b, at + IPV4_SOURCE_AT, 4)
    : plane.routes.lookup(b, at + IPV6_SOURCE_AT, 16);
  return slot === OWN_SLOT ? NOBODY : slot;
}

/** The inner packet of a data datagram from peer `slot`: its source must lie in the peer's lease. */
function accept(plane: Plane, slot: number, at: number, end: number, checksum: number): Verdict {
  const sender = senderOf(plane, at, end);
  if (sender === NOT_IP) return MALFORMED;
  return sender === slot ? deliver(plane, slot, at, checksum) : SPOOFED;
}

/** Gives the decoded packet to the coalescer, and so to TUN, if it is for us. What the datagram holds behind it is left out: frames are padded. */
function deliver(plane: Plane, slot: number, at: number, checksum: number): Verdict {
  const b = plane.b;
  const v4 = b[at]! >>> 4 === 4;
  const length = v4 ? ipv4TotalLength(b, at) : ipv6TotalLength(b, at);
  const destination = v4
    ? plane.routes.lookup(b, at + IPV4_DESTINATION_AT, 4)
    : plane.routes.lookup(b, at + IPV6_DESTINATION_AT, 16);
  if (destination !== OWN_SLOT) return NOT_FOR_US;
  if (plane.innerSegment > 0) plane.coalescer.addUdpSuperframe(at, length, plane.innerSegment);
  else plane.coalescer.add(at, length, checksum);
  plane.counters.receivedFrom(slot, length);
  return COUNTED_LATER;
}
