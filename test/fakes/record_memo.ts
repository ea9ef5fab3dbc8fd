/**
 * Reads the records of a simulated mesh: the same bytes are decoded and verified once, however many nodes they come to, and
 * all nodes share what came of it. What a signature proves does not depend on who looks at it; a host of its own would pay
 * for each.
 */

import {
  decodeRecord,
  type NodeRecord,
  openRecord,
  type RecordReader,
} from "../../src/control/records/record.ts";

interface Read {
  readonly record: NodeRecord | null;
  opened: NodeRecord | null | undefined;
}

export class RecordMemo implements RecordReader {
  readonly #max: number;
  // BOUNDED: ≤ #max, all of them go when it is full
  readonly #read = new Map<string, Read>();
  /** How many were decoded, and how many verified. */
  decoded = 0;
  verified = 0;

  constructor(max = 100_000) {
    this.#max = max;
  }

  decode(raw: Uint8Array): NodeRecord | null {
    return this.#look(raw).record;
  }

  open(raw: Uint8Array): NodeRecord | null {
    const read = this.#look(raw);
    if (read.opened === undefined) {
      this.verified++;
      read.opened = openRecord(raw) === null ? null : read.record;
    }
    return read.opened;
  }

  #look(raw: Uint8Array): Read {
    const key = Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString("latin1");
    const known = this.#read.get(key);
    if (known !== undefined) return known;
    this.decoded++;
    if (this.#read.size >= this.#max) this.#read.clear();
    const read = { record: decodeRecord(raw), opened: undefined };
    this.#read.set(key, read);
    return read;
  }
}
