/**
 * The last steps of a packet's way out: the peer's header in front of it, and the batch to the kernel.
 * Headers grow into the headroom of the slot; the packet stays there until `flushSockets`. Sealing writes the
 * datagram elsewhere, behind the one before.
 */
import type { DatagramSocket } from "../ports/devices.ts";
import { copyWords, putU16 } from "../wire/bytes.ts";
import { DATA_LEN, DATA_PARTIAL, DATA_PLAIN, encodeData, putDataCounter } from "../wire/data_header.ts";
import { ETHERNET_LEN, MAC_LEN, putMac } from "../wire/ethernet.ts";
import { ipEtherType } from "../wire/ip.ts";
import { encodeVxlan, VXLAN_LEN } from "../wire/vxlan.ts";
import { AEAD_TAG_LEN } from "../wire/overhead.ts";
import { tellSourceGone } from "./answers.ts";
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
  const header = stamp(plane, slot, at, partial);
  if (header < 0) return NO_PATH;
  queue(plane, slot, at - header, header + length, bodyAt, bodyLength);
  plane.counters.sentTo(slot, length + bodyLength, 1);
  return SENT;
}

/** Writes the peer's header in front of what is at `at`. Returns its length, or −1 when there is no way to the peer. */
export function stamp(plane: Plane, slot: number, at: number, partial: boolean): number {
  const b = plane.b;
  const peers = plane.peers;
  switch (peers.encapsulation[slot]) {
    case BY_DATA:
      if (plane.sockets.own === null) return -1;
      encodeData(
        b,
        at - DATA_LEN,
        partial ? DATA_PLAIN | DATA_PARTIAL : DATA_PLAIN,
        0,
        peers.sendIndex[slot]!,
        peers.nextCounter(slot),
      );
      return DATA_LEN;
    case BY_VXLAN: {
      if (plane.sockets.vxlan === null) return -1;
      const header = VXLAN_LEN + ETHERNET_LEN;
      encodeVxlan(b, at - header, peers.vni[slot]!);
      peers.copyMac(slot, b, at - ETHERNET_LEN);
      putMac(b, at - ETHERNET_LEN + MAC_LEN, plane.ownMac);
      putU16(b, at - 2, ipEtherType(b, at));
      return header;
    }
    case BY_FLANNEL:
      return plane.sockets.flannel === null ? -1 : 0;
    default:
      return -1;
  }
}

/** Stamps the header of `header` bytes in front of `at` by the one in front of `before`: only the counter differs. */
export function stampAlike(plane: Plane, slot: number, before: number, at: number, header: number): void {
  copyWords(plane.view, before - header, at - header, header);
  if (plane.peers.encapsulation[slot] === BY_DATA) {
    putDataCounter(plane.b, at - DATA_LEN, plane.peers.nextCounter(slot));
  }
}

/** Queues a datagram that `stamp` found a way for: its head at `at`, the rest at `bodyAt`. */
export function queue(
  plane: Plane,
  slot: number,
  at: number,
  length: number,
  bodyAt: number,
  bodyLength: number,
): void {
  const socket = socketOf(plane, slot);
  if (socket.enqueue(slot, at, length, bodyAt, bodyLength)) return;
  // What is queued here may lie in the newest fragment slot or header block: they do not start over.
  const { fragments, headers } = plane;
  flushSockets(plane);
  plane.fragments = fragments;
  plane.headers = headers;
  socket.enqueue(slot, at, length, bodyAt, bodyLength);
}

function socketOf(plane: Plane, slot: number): DatagramSocket {
  const { own, vxlan, flannel } = plane.sockets;
  const encapsulation = plane.peers.encapsulation[slot];
  return (encapsulation === BY_DATA ? own : encapsulation === BY_VXLAN ? vxlan : flannel)!;
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
  if (length > 0) plane.counters.sentTo(slot, length, 1);
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
  tellSourceGone(plane, socket);
  if (refused === 0) return 0;
  const slot = socket.tooLongFor();
  if (slot >= 0 && plane.unknownLimit.take(plane.now)) plane.handUp({ kind: "pathTooSmall", slot });
  const refusal = socket.refusal();
  if (refusal !== null && plane.refusedLimit.take(plane.now)) {
    plane.handUp({ kind: "sendRefused", ...refusal });
  }
  return refused;
}
