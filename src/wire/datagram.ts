/**
 * What the first byte of a datagram on our port says, and the smallest of those datagrams, the path probe, which
 * the data plane answers by itself. The numbers are append-only; an unknown one is counted and dropped. A probe
 * is never smaller than its answer, so that we cannot be used to amplify. The caller owns every buffer.
 *
 *   | type 1 (0x30) | version 1 | kind 1 | flags 1 | receiver index 4 | nonce 8 | sender's time 8 | padding 8 |
 *
 * Kinds 0 and 1 go between our ports, as a link's own datagrams do. Kinds 2 and 3 go the way that data takes where that
 * is another: from overlay address to overlay address, as VXLAN data (way_probe.ts) or over a direct route, with index 0.
 * What follows the 32 bytes is there to make a question as long as data is; answers have none of it.
 */

import { putU32, u32 } from "./bytes.ts";
import { DATA_TYPE } from "./data_header.ts";

export const TYPE_HANDSHAKE = 0x01;
export const TYPE_COOKIE = 0x02;
export const TYPE_HELLO = 0x03;
/** 0x10 to 0x1f: see data_header.ts for the flag bits. */
export const TYPE_DATA = DATA_TYPE;
export const TYPE_GOSSIP_SEALED = 0x20;
export const TYPE_GOSSIP_PLAIN = 0x21;
export const TYPE_PROBE = 0x30;

export const PROBE_LEN = 32;
export const PROBE_VERSION = 1;
export const PROBE_ASK = 0;
export const PROBE_ANSWER = 1;
/** The same along a way of data that is not our own port's. */
export const PROBE_WAY_ASK = 2;
export const PROBE_WAY_ANSWER = 3;
/** In kinds 2 and 3: the sender has had an answer by the same way, and may send data there. */
export const PROBE_READY = 1;

const VERSION_AT = 1;
/** Where the kind of a probe stands. */
export const PROBE_KIND_AT = 2;
const FLAGS_AT = 3;
const INDEX_AT = 4;
const NONCE_AT = 8;
const TIME_AT = 16;
const PADDING_AT = 24;
const TWO_32 = 4294967296;

/**
 * Writes a probe and returns PROBE_LEN. `index` is the receiver's (u32); the two words of the nonce are random;
 * `time` is the sender's own monotonic time in any unit, an integer below 2^53, opaque to the other side.
 */
export function encodeProbe(
  b: Uint8Array,
  at: number,
  index: number,
  nonceHigh: number,
  nonceLow: number,
  time: number,
): number {
  b[at] = TYPE_PROBE;
  b[at + VERSION_AT] = PROBE_VERSION;
  b[at + PROBE_KIND_AT] = PROBE_ASK;
  b[at + FLAGS_AT] = 0;
  putU32(b, at + INDEX_AT, index);
  putU32(b, at + NONCE_AT, nonceHigh);
  putU32(b, at + NONCE_AT + 4, nonceLow);
  putU32(b, at + TIME_AT, Math.floor(time / TWO_32));
  putU32(b, at + TIME_AT + 4, time);
  clearPadding(b, at);
  return PROBE_LEN;
}

/** Writes a question (PROBE_WAY_ASK) or an answer (PROBE_WAY_ANSWER) of a way of data and returns PROBE_LEN. */
export function encodeWayProbe(
  b: Uint8Array,
  at: number,
  kind: number,
  flags: number,
  nonceHigh: number,
  nonceLow: number,
): number {
  encodeProbe(b, at, 0, nonceHigh, nonceLow, 0);
  b[at + PROBE_KIND_AT] = kind;
  b[at + FLAGS_AT] = flags;
  return PROBE_LEN;
}

/**
 * The kind of a probe (PROBE_ASK to PROBE_WAY_ANSWER), or −1 when it is too short, of another type or version, or of an
 * unknown kind. Bytes after the 32 are allowed: a probe of the path MTU is padded with them, its answer is not.
 */
export function decodeProbe(b: Uint8Array, at: number, end: number): number {
  if (end - at < PROBE_LEN || b[at] !== TYPE_PROBE || b[at + VERSION_AT] !== PROBE_VERSION) return -1;
  const kind = b[at + PROBE_KIND_AT]!;
  return kind <= PROBE_WAY_ANSWER ? kind : -1;
}

/** Turns a decoded probe in place into its answer for the asker's `receiverIndex`; returns PROBE_LEN. */
export function answerProbe(b: Uint8Array, at: number, receiverIndex: number): number {
  b[at + PROBE_KIND_AT] = PROBE_ANSWER;
  b[at + FLAGS_AT] = 0;
  putU32(b, at + INDEX_AT, receiverIndex);
  clearPadding(b, at);
  return PROBE_LEN;
}

/** PROBE_READY or 0; meaningful in kinds 2 and 3. */
export function probeFlags(b: Uint8Array, at: number): number {
  return b[at + FLAGS_AT]!;
}

/** The receiver's index, u32. */
export function probeIndex(b: Uint8Array, at: number): number {
  return u32(b, at + INDEX_AT);
}

/** The first word of the nonce, u32. */
export function probeNonceHigh(b: Uint8Array, at: number): number {
  return u32(b, at + NONCE_AT);
}

/** The second word of the nonce, u32. */
export function probeNonceLow(b: Uint8Array, at: number): number {
  return u32(b, at + NONCE_AT + 4);
}

/** The time that encodeProbe was given. Meaningful only to the sender of the probe, once the nonce matched. */
export function probeTime(b: Uint8Array, at: number): number {
  return u32(b, at + TIME_AT) * TWO_32 + u32(b, at + TIME_AT + 4);
}

function clearPadding(b: Uint8Array, at: number): void {
  putU32(b, at + PADDING_AT, 0);
  putU32(b, at + PADDING_AT + 4, 0);
}
