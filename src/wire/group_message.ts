/**
 * Gossip sealed under the network's gossip key (0x20): for the few small messages that must not wait for a session.
 * What it is sealed with is crypto's business (crypto/gossip_seal.ts); the header is authenticated with it.
 *
 *   | type 1 (0x20) | version 1 | key id 2 | sender id 32 | nonce 24 | sealed: tag 16, plaintext |
 *   plaintext: | incarnation 6 | sequence 6 | a message of type 0x21 with receiver index 0 |
 *
 * Incarnation (of the sender's record) and sequence grow together: nothing is taken twice. The caller owns every buffer.
 */

import { fromHex, putU16, putU48, toHex, u16, u48 } from "./bytes.ts";
import { TYPE_GOSSIP_SEALED } from "./datagram.ts";
import { HANDSHAKE_MAX_LEN } from "./handshake.ts";

const GROUP_VERSION = 1;
/** Header without the nonce. */
export const GROUP_HEADER_LEN = 36;
export const GROUP_NONCE_LEN = 24;
export const GROUP_SEALED_AT = GROUP_HEADER_LEN + GROUP_NONCE_LEN;
const TAG_LEN = 16;
const ORDER_LEN = 12;
/** What is put around a message. */
export const GROUP_OVERHEAD = GROUP_SEALED_AT + TAG_LEN + ORDER_LEN;
/** Longest message that goes this way; what is sent is shorter (gossip.ts). */
export const GROUP_MESSAGE_MAX = HANDSHAKE_MAX_LEN - GROUP_OVERHEAD;

const VERSION_AT = 1;
const KEY_ID_AT = 2;
const SENDER_AT = 4;
const SEQUENCE_AT = 6;

/** Header of a sealed message; `sender` is a node id, 64 hexadecimal digits. */
export interface GroupHeader {
  readonly keyId: number;
  readonly sender: string;
}

/** What is sealed. */
export interface GroupMessage {
  readonly incarnation: number;
  readonly sequence: number;
  /** A message of type 0x21. */
  readonly gossip: Uint8Array;
}

/** The 36 bytes before the nonce. */
export function encodeGroupHeader({ keyId, sender }: GroupHeader): Uint8Array {
  const b = new Uint8Array(GROUP_HEADER_LEN);
  b[0] = TYPE_GOSSIP_SEALED;
  b[VERSION_AT] = GROUP_VERSION;
  putU16(b, KEY_ID_AT, keyId);
  b.set(fromHex(sender)!, SENDER_AT);
  return b;
}

/** Null when it is too short, or of another type or version. */
export function decodeGroupHeader(b: Uint8Array): GroupHeader | null {
  if (b.length < GROUP_SEALED_AT + TAG_LEN + ORDER_LEN || b[0] !== TYPE_GOSSIP_SEALED) return null;
  if (b[VERSION_AT] !== GROUP_VERSION) return null;
  return { keyId: u16(b, KEY_ID_AT), sender: toHex(b.subarray(SENDER_AT, GROUP_HEADER_LEN)) };
}

/** The plaintext; RangeError when the message is longer than GROUP_MESSAGE_MAX. */
export function encodeGroupMessage({ incarnation, sequence, gossip }: GroupMessage): Uint8Array {
  if (gossip.length > GROUP_MESSAGE_MAX) {
    throw new RangeError(`A message of ${gossip.length} bytes is too long to go without a session`);
  }
  const b = new Uint8Array(ORDER_LEN + gossip.length);
  putU48(b, 0, incarnation);
  putU48(b, SEQUENCE_AT, sequence);
  b.set(gossip, ORDER_LEN);
  return b;
}

/** Null when it is cut short. */
export function decodeGroupMessage(b: Uint8Array): GroupMessage | null {
  if (b.length < ORDER_LEN) return null;
  return { incarnation: u48(b, 0), sequence: u48(b, SEQUENCE_AT), gossip: b.slice(ORDER_LEN) };
}
