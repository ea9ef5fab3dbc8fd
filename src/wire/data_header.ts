/**
 * The header of a data datagram on our own port, between the UDP header and the inner packet (docs/: wire
 * format). Sealed, the whole header is the AEAD's associated data and the counter its nonce. It is stamped
 * once per segment, so nothing here allocates; the counter is a double below 2^53, which no key lives to see.
 *
 *   | type 1 | VNI 3 | receiver index 4 | counter 8 | payload | (sealed: tag 16) |
 */

import { putU32, u24, u32 } from "./bytes.ts";

export const DATA_LEN = 16;
export const DATA_VNI_AT = 1;
export const DATA_INDEX_AT = 4;
export const DATA_COUNTER_AT = 8;

/** The first byte is this plus the flag bits below: 0x10..0x1f. */
export const DATA_TYPE = 0x10;
/** Not sealed. */
export const DATA_PLAIN = 1;
/** The inner TCP/UDP checksum is partial: the receiver writes the pseudo-header sum. */
export const DATA_PARTIAL = 4;
/** The payload is an Ethernet frame instead of an IP packet. */
export const DATA_ETHERNET = 8;

const TWO_32 = 4294967296;
const COUNTER_HIGH_END = 0x200000; // 2^53 / 2^32

/** Whether a datagram that begins with this byte is data, whatever its flags. */
export function isData(firstByte: number): boolean {
  return (firstByte & 0xf0) === DATA_TYPE;
}

/** Writes the 16 bytes; `flags` are DATA_ bits, `index` is u32, `counter` an integer below 2^53. */
export function encodeData(
  b: Uint8Array,
  at: number,
  flags: number,
  vni: number,
  index: number,
  counter: number,
): void {
  putU32(b, at, ((DATA_TYPE | flags) << 24) | vni); // one write: Bun inlines no function much longer than this
  putU32(b, at + DATA_INDEX_AT, index);
  putDataCounter(b, at, counter);
}

/** Writes the counter into the header at `at`. */
export function putDataCounter(b: Uint8Array, at: number, counter: number): void {
  putU32(b, at + DATA_COUNTER_AT, counter < TWO_32 ? 0 : Math.floor(counter / TWO_32));
  putU32(b, at + DATA_COUNTER_AT + 4, counter | 0); // an integer of 32 bits once, instead of at every shift
}

/** The flag bits if a data header begins at `at` and fits before `end`, else −1. */
export function decodeData(b: Uint8Array, at: number, end: number): number {
  return end - at < DATA_LEN || !isData(b[at]!) ? -1 : b[at]! & 0x0f;
}

/** The flag bits: DATA_PLAIN, DATA_PARTIAL, DATA_ETHERNET. */
export function dataFlags(b: Uint8Array, at: number): number {
  return b[at]! & 0x0f;
}

/** The virtual network; 0 is the hosts' own. */
export function dataVni(b: Uint8Array, at: number): number {
  return u24(b, at + DATA_VNI_AT);
}

/** The receiver's index, u32; its low byte is the lane. */
export function dataIndex(b: Uint8Array, at: number): number {
  return u32(b, at + DATA_INDEX_AT);
}

/** The lane of the receiver's index. */
export function dataLane(b: Uint8Array, at: number): number {
  return b[at + DATA_INDEX_AT + 3]!;
}

/** The lane of a receiver index: its low byte, the number of the Worker that sends. */
export function laneOf(index: number): number {
  return index & 0xff;
}

/** What all lanes of a receiver index have in common: whom it was given to. */
export function withoutLane(index: number): number {
  return index >>> 8;
}

/** The counter, or −1 when it is 2^53 or more, which no honest sender reaches. */
export function dataCounter(b: Uint8Array, at: number): number {
  const high = u32(b, at + DATA_COUNTER_AT);
  return high >= COUNTER_HIGH_END ? -1 : high * TWO_32 + u32(b, at + DATA_COUNTER_AT + 4);
}
