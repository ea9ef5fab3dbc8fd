/**
 * Plain gossip (0x21): what members tell one another, one message a datagram of at most 1200 bytes, accepted only
 * from the endpoint that a hello has validated for the receiver index in its header. The body is MessagePack, one
 * map with short keys; unknown keys are ignored, anything else unexpected makes the whole message null. Kinds are
 * append-only. Ids travel as bytes and are hexadecimal text here; records are opaque signed bytes.
 *
 *   | type 1 (0x21) | version 1 | reserved 2 | receiver index 4 | MessagePack body |
 *
 * What a message says is in gossip_body.ts, its fields in gossip_fields.ts.
 */
import { putU32, u32 } from "./bytes.ts";
import { TYPE_GOSSIP_PLAIN } from "./datagram.ts";
import type { Gossip, RecordItem, Statement } from "./gossip_body.ts";
import { fieldsOf, readGossip } from "./gossip_fields.ts";
import { PROTOCOL_VERSION } from "./hello.ts";
import { packMap, unpackMap } from "./msgpack.ts";
import { GROUP_OVERHEAD } from "./group_message.ts";

export const GOSSIP_HEADER_LEN = 8;
/** Largest datagram; senders split what is longer. */
export const GOSSIP_MAX_LEN = 1200;

/** The whole datagram for the receiver that gave us `index`; null when it exceeds `most` bytes. */
export function fitGossip(index: number, gossip: Gossip, most: number): Uint8Array | null {
  const body = packMap(fieldsOf(gossip.mesh, gossip.body));
  const b = new Uint8Array(GOSSIP_HEADER_LEN + body.length);
  if (b.length > most) return null;
  b[0] = TYPE_GOSSIP_PLAIN;
  b[1] = PROTOCOL_VERSION;
  putU32(b, 4, index);
  b.set(body, GOSSIP_HEADER_LEN);
  return b;
}

/** The same message for the receiver that gave us another index. */
export function gossipFor(index: number, datagram: Uint8Array): Uint8Array {
  const b = datagram.slice();
  putU32(b, 4, index);
  return b;
}

/** The shortest message there is, for an index that is not in use: its receiver does not have the peer it takes us for. */
export function gossipForNobody(): Uint8Array {
  const b = new Uint8Array(GOSSIP_HEADER_LEN);
  b[0] = TYPE_GOSSIP_PLAIN;
  b[1] = PROTOCOL_VERSION;
  return b;
}

/** The receiver index in the header, or −1 when this is no plain gossip of any version. */
export function gossipIndex(b: Uint8Array): number {
  return b.length < GOSSIP_HEADER_LEN || b[0] !== TYPE_GOSSIP_PLAIN ? -1 : u32(b, 4);
}

/** The version in the header of what gossipIndex accepted. */
export function gossipVersion(b: Uint8Array): number {
  return b[1]!;
}

/** The message, or null when anything in it is malformed. Never throws; nothing in it refers to `b`. */
export function decodeGossip(b: Uint8Array): Gossip | null {
  if (gossipIndex(b) < 0 || gossipVersion(b) !== PROTOCOL_VERSION || b.length > GOSSIP_MAX_LEN) return null;
  const fields = unpackMap(b, GOSSIP_HEADER_LEN);
  return fields === null ? null : readGossip(fields);
}

// ----------------------------------------------------------------------------------------------------
// How long what travels in lists is on the wire, byte for byte as MessagePack writes it (gossip_fields.ts), and how much
// of it one message takes. One budget holds for every way that a message may go, so that what fits over a link fits also
// under the network's key or sealed over a session: none of these datagrams is longer than GOSSIP_MAX_LEN.

/** Longest message that is sent, with its header, so that it fits whatever is put around it. */
export const GOSSIP_BUDGET = GOSSIP_MAX_LEN - GROUP_OVERHEAD;

const KEY = 2;
const MESH = KEY + 2 + 8;
const NUMBER = KEY + 9;
/** Key and count of a list. */
const LIST = KEY + 3;
/** What a ping, pong or push has besides its items at most: map, kind, mesh, its number or flag, three lists. */
const ITEMS_AROUND = GOSSIP_HEADER_LEN + 1 + KEY + 1 + MESH + NUMBER + 3 * LIST;

/** Bytes for the items (records, statements, directives) of one message. */
export const GOSSIP_ROOM = GOSSIP_BUDGET - ITEMS_AROUND;

/** `[record, state]`. */
export function recordItemLen({ raw }: Pick<RecordItem, "raw">): number {
  return 1 + bytesLen(raw.length) + 1;
}

/** `[node id, incarnation, state]`, one byte more where it was stopped. */
export function statementLen({ incarnation, stopped }: Statement): number {
  return 1 + bytesLen(32) + numberLen(incarnation) + 1 + (stopped ? 1 : 0);
}

/** A directive's signed bytes. */
export function directiveLen(raw: Uint8Array): number {
  return bytesLen(raw.length);
}

function bytesLen(length: number): number {
  return length + (length < 2 ** 8 ? 2 : 3);
}

function numberLen(value: number): number {
  if (value < 2 ** 7) return 1;
  if (value < 2 ** 8) return 2;
  if (value < 2 ** 16) return 3;
  return value < 2 ** 32 ? 5 : 9;
}
