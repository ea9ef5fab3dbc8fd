/**
 * How long what travels in lists is on the wire, byte for byte as MessagePack writes it (gossip_fields.ts), and how much
 * of it one message takes. One budget holds for every way that a message may go, so that what fits over a link fits also
 * under the network's key or sealed over a session: none of these datagrams is longer than GOSSIP_MAX_LEN.
 */

import { GOSSIP_HEADER_LEN, GOSSIP_MAX_LEN } from "./gossip.ts";
import type { RecordItem, Statement } from "./gossip_body.ts";
import { GROUP_OVERHEAD } from "./group_message.ts";

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
