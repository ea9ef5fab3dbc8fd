/**
 * Packet memory and who uses which slots. Both directions share one ArrayBuffer: a probe or an ARP request is
 * answered where it was received. Slots never touched cost no memory.
 */
import {
  BATCH,
  HEADROOM,
  type PacketPool,
  SLOT_LENGTH,
  SOCKET_ROLES,
  type SocketRole,
} from "../../ports/devices.ts";
import { checksumArena } from "../../wire/checksum.ts";

/** Packets read from TUN, until the batch is sent. */
export const TUN_SLOTS = 0;
/** Fragments cut from packets too big for their path, until the batch is sent. */
export const FRAGMENT_SLOTS = TUN_SLOTS + BATCH;
/** One slot for the ICMP error being written. */
export const ICMP_SLOT = FRAGMENT_SLOTS + BATCH;
/** Datagrams received, BATCH slots a socket. */
const SOCKET_SLOTS = ICMP_SLOT + 1;
/** Blocks for the headers of segments cut from superframes, until the batch is sent. */
const HEADER_SLOTS = SOCKET_SLOTS + SOCKET_ROLES.length * BATCH;
const HEADER_BLOCK = 384;
export const HEADER_BLOCKS = 2048;
/** Longest IP and transport headers of a superframe: a block without its headroom. */
export const HEADERS_MAX = HEADER_BLOCK - HEADROOM;
/** Sealed datagrams, one behind the other, until they are sent: a train of them is one piece of memory. */
const SEALED_SLOTS = HEADER_SLOTS + Math.ceil((HEADER_BLOCKS * HEADER_BLOCK) / SLOT_LENGTH);
export const SEALED_AT = SEALED_SLOTS * SLOT_LENGTH;
export const SEALED_END = SEALED_AT + 5 * SLOT_LENGTH;
const SLOTS = SEALED_SLOTS + 5;

/** The first of the BATCH slots that a socket receives into. */
export function socketSlots(role: SocketRole): number {
  return SOCKET_SLOTS + SOCKET_ROLES.indexOf(role) * BATCH;
}

/** Where a packet begins in a slot. */
export function packetAt(slot: number): number {
  return slot * SLOT_LENGTH + HEADROOM;
}

/** Where header block `i` begins; headers go to HEADROOM in it, what is stamped in front of them before. */
export function headerBlock(i: number): number {
  return HEADER_SLOTS * SLOT_LENGTH + i * HEADER_BLOCK;
}

export function createPool(): PacketPool {
  const bytes = checksumArena(SLOTS * SLOT_LENGTH);
  return { memory: bytes.buffer, bytes, slots: SLOTS };
}
