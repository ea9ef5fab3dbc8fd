/**
 * The file of a node's own state: two slots of one length, each a line of text that ends in blanks. A new state goes into the
 * slot that does not hold the present one, so whatever becomes of that write, one of the two is whole; and as nothing
 * grows, a full disk does not prevent it.
 *
 *   ovltun-state SEQUENCE CRC JSON        the greater sequence counts
 */

import { Buffer } from "node:buffer";
import { crc32 } from "../../wire/crc32.ts";

export const SLOT_LEN = 4096;
export const SLOTS = 2;

const LINE = /^ovltun-state ([0-9]{1,15}) ([0-9a-f]{8}) (\{.*\}) *$/;
/** What nothing was written into. */
const BLANK = Buffer.from(" ".repeat(SLOT_LEN - 1) + "\n");

/** What one slot holds. */
export interface Slot {
  readonly sequence: number;
  readonly json: unknown;
  /** Which of them it is. */
  readonly slot: number;
}

/** The bytes of a slot. RangeError when it does not fit. */
export function slotBytes(sequence: number, json: string): Uint8Array {
  const line = Buffer.from(`ovltun-state ${sequence} ${crcOf(json)} ${json}`);
  if (line.length >= SLOT_LEN) throw new RangeError(`A state of ${line.length} bytes fits in no slot`);
  const bytes = Buffer.from(BLANK);
  line.copy(bytes);
  return bytes;
}

/** The bytes of a file with one state in it. */
export function freshFile(sequence: number, json: string): Uint8Array {
  return Buffer.concat([slotBytes(sequence, json), BLANK]);
}

/**
 * The present state in the bytes of a file, or null when no slot is whole. `whole`: the other one is, too, or blank; else
 * something was cut or damaged.
 */
export function readSlots(bytes: Uint8Array): { readonly found: Slot | null; readonly whole: boolean } {
  let found: Slot | null = null;
  let whole = bytes.length === SLOTS * SLOT_LEN;
  for (let slot = 0; slot < SLOTS; slot++) {
    const text = Buffer.from(bytes.subarray(slot * SLOT_LEN, (slot + 1) * SLOT_LEN)).toString("utf8");
    const read = readSlot(text.replace(/\n$/, ""), slot);
    whole &&= read !== null || text.trim() === "";
    if (read !== null && (found === null || read.sequence > found.sequence)) found = read;
  }
  return { found, whole };
}

function readSlot(text: string, slot: number): Slot | null {
  const [, sequence, crc, json] = LINE.exec(text) ?? [];
  if (json === undefined || crcOf(json) !== crc) return null;
  try {
    return { sequence: Number(sequence), json: JSON.parse(json), slot };
  } catch {
    return null; // whoever made that sum
  }
}

function crcOf(text: string): string {
  return crc32(Buffer.from(text)).toString(16).padStart(8, "0");
}
