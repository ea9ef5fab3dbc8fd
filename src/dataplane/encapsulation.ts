/**
 * The last steps of a packet's way out: the peer's header in front of it, and the batch to the kernel.
 * Headers grow into the headroom of the slot; the packet stays there until `flushSockets`. Sealing writes the
 * datagram elsewhere, behind the one before.
 */
import type { DatagramSocket } from "../ports.ts";
import { putU16 } from "../wire/bytes.ts";
import { DATA_LEN, DATA_PARTIAL, DATA_PLAIN, encodeData } from "../wire/data_header.ts";
import { ETHERNET_LEN, ETHERTYPE_IPV4, ETHERTYPE_IPV6, MAC_LEN, putMac } from "../wire/ethernet.ts";
import { encodeVxlan, VXLAN_LEN } from "../wire/vxlan.ts";
import { AEAD_TAG_LEN } from "../wire/overhead.ts";
import { NO_PATH, NO_SESSION, SEND_FAILED, SENT, type Verdict } from "./counters.ts";
import { BY_DATA, BY_FLANNEL, BY_SEALED, BY_VXLAN } from "./peer_table.ts";
import type { Plane } from "./plane.ts";
import { SEALED_AT, SEALED_END } from "./pool.ts";
import type { Session } from "./session_table.ts";

/** A counter at which the control plane is asked for another session, and one that is never sent. */
const REKEY_AT = 2 ** 48;
const COUNTER_END = 2 ** 52;

/** Stamps the peer's header in front of a whole packet and queues the datagram. */
export function encapsulate(
  plane: Plane,
  slot: number,
  at: number,
  length: number,
  partial: boolean,
): Verdict {
  if (plane.peers.encapsulation[slot] === BY_SEALED) return seal(plane, slot, at, length, partial);
  return send(plane, slot, at, length, 0, 0, partial);
}

/**
 * The same for a packet in two places: its first `length` bytes at `at`, with headroom, the rest at `bodyAt`.
 * `partial`: the inner checksum is (only where the data header can say so).
 */
export function send(
  plane: Plane,
  slot: number,
  at: number,
  length: number,
  bodyAt: number,
  bodyLength: number,
  partial: boolean,
): Verdict {
  const b = plane.b;
  const peers = plane.peers;
  let socket: DatagramSocket | null;
  let header: number;
  switch (peers.encapsulation[slot]) {
    case BY_DATA:
      socket = plane.sockets.own;
      header = DATA_LEN;
      encodeData(
        b,
        at - DATA_LEN,
        partial ? DATA_PLAIN | DATA_PARTIAL : DATA_PLAIN,
        0,
        peers.sendIndex[slot]!,
        peers.nextCounter(slot),
      );
      break;
    case BY_VXLAN:
      socket = plane.sockets.vxlan;
      header = VXLAN_LEN + ETHERNET_LEN;
      encodeVxlan(b, at - header, peers.vni[slot]!);
      peers.copyMac(slot, b, at - ETHERNET_LEN);
      putMac(b, at - ETHERNET_LEN + MAC_LEN, plane.ownMac);
      putU16(b, at - 2, b[at]! >>> 4 === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
      break;
    case BY_FLANNEL:
      socket = plane.sockets.flannel;
      header = 0;
      break;
    default:
      return NO_PATH;
  }
  if (socket === null) return NO_PATH;
  if (!socket.enqueue(slot, at - header, length + header, bodyAt, bodyLength)) {
    // What is queued here may lie in the newest fragment slot or header block: they do not start over.
    const { fragments, headers } = plane;
    flushSockets(plane);
    plane.fragments = fragments;
    plane.headers = headers;
    socket.enqueue(slot, at - header, length + header, bodyAt, bodyLength);
  }
  plane.counters.sentTo(slot, length + bodyLength);
  return SENT;
}

/**
 * Seals a whole packet, or nothing (a keepalive), on the session of peer `slot` and queues the datagram. The packet's
 * own memory is free afterwards.
 */
export function seal(plane: Plane, slot: number, from: number, length: number, partial: boolean): Verdict {
  const session = plane.sessions.sending(slot);
  const socket = plane.sockets.own;
  if (socket === null) return NO_PATH;
  if (session === null || !mayCount(plane, session)) return NO_SESSION;
  const size = DATA_LEN + length + AEAD_TAG_LEN;
  if (plane.sealedAt + size > SEALED_END) flushSockets(plane);
  const header = plane.sealedAt;
  sealTo(plane, session, header, from, length, partial ? DATA_PARTIAL : 0);
  if (!socket.enqueue(slot, header, size, 0, 0)) {
    flushSockets(plane);
    socket.enqueue(slot, header, size, 0, 0);
  }
  plane.sealedAt = header + size;
  if (length > 0) plane.counters.sentTo(slot, length);
  return SENT;
}

/** Writes the sealed datagram to `header`: the next counter, then ciphertext and tag. */
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

/** Whether the session has a counter left; the control plane is told in time. */
export function mayCount(plane: Plane, session: Session): boolean {
  if (session.counter < REKEY_AT) return true;
  if (!session.rekeyAsked) plane.handUp({ kind: "rekeyWanted", slot: session.slot });
  session.rekeyAsked = true;
  return session.counter < COUNTER_END;
}

/** Sends what waits on every socket; the slots of the batch are free afterwards. */
export function flushSockets(plane: Plane): void {
  const { own, vxlan, flannel } = plane.sockets;
  let refused = 0;
  if (own !== null) refused += flush(plane, own);
  if (vxlan !== null) refused += flush(plane, vxlan);
  if (flannel !== null) refused += flush(plane, flannel);
  if (refused > 0) plane.counters.add(SEND_FAILED, refused);
  plane.fragments = 0;
  plane.headers = 0;
  plane.sealedAt = SEALED_AT;
}

function flush(plane: Plane, socket: DatagramSocket): number {
  const refused = socket.flush();
  if (refused === 0) return 0;
  const slot = socket.tooLongFor();
  if (slot >= 0 && plane.unknownLimit.take(plane.now)) plane.handUp({ kind: "pathTooSmall", slot });
  return refused;
}
