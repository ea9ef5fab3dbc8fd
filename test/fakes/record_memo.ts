/**
 * Reads the records of a simulated mesh: the same bytes are decoded and verified once, however many nodes they come to, and
 * all nodes share what came of it. What a signature proves does not depend on who looks at it; a host of its own would pay
 * for each.
 */

import { verifySignature } from "../../src/crypto/identity.ts";
import { RECORD_FACTS, type RecordFacts } from "../../src/control/lease/holders.ts";
import {
  decodeRecord,
  type NodeRecord,
  openRecord,
  type RecordReader,
} from "../../src/control/records/record.ts";
import { equalBytes } from "../../src/wire/bytes.ts";

interface Read {
  readonly raw: Uint8Array;
  readonly record: NodeRecord | null;
  opened: NodeRecord | null | undefined;
}

export class RecordMemo implements RecordReader {
  readonly #max: number;
  // BOUNDED: ≤ #max, all of them go when it is full
  readonly #read = new Map<string, Read>();
  // Those of the arrays that are still in use.
  readonly #last = new WeakMap<Uint8Array, Read>();
  // The greatest incarnation of a verified record, by node. BOUNDED: one per node
  readonly #incarnations = new Map<string, number>();
  /** Each record that is verified, before anybody makes anything of it. */
  onVerified: (record: NodeRecord) => void = () => {};
  /** How many were decoded, and how many verified. */
  decoded = 0;
  verified = 0;

  /** `verify`: what a signature is worth. */
  constructor(readonly verify = verifySignature, max = 100_000) {
    this.#max = max;
  }

  /** What is worked out of a record, once for all nodes. */
  readonly facts: RecordFacts = {
    compared: onceEach(RECORD_FACTS.compared),
    contended: onceEach(RECORD_FACTS.contended),
  };

  decode(raw: Uint8Array): NodeRecord | null {
    return this.#look(raw).record;
  }

  open(raw: Uint8Array): NodeRecord | null {
    const read = this.#look(raw);
    if (read.opened === undefined) {
      this.verified++;
      read.opened = openRecord(raw, this.verify) === null ? null : read.record;
      if (read.opened !== null) {
        this.#note(read.opened);
        this.onVerified(read.opened);
      }
    }
    return read.opened;
  }

  /** The greatest incarnation in which this node has said anything to another. */
  incarnationOf(id: string): number {
    return this.#incarnations.get(id) ?? 0;
  }

  #note({ id, incarnation }: NodeRecord): void {
    this.#incarnations.set(id, Math.max(incarnation, this.incarnationOf(id)));
  }

  // Found by the end of its signature, and told from others with that end by all of its bytes.
  #look(raw: Uint8Array): Read {
    const same = this.#last.get(raw);
    if (same !== undefined) return same;
    const read = this.#lookUp(raw);
    this.#last.set(raw, read);
    return read;
  }

  #lookUp(raw: Uint8Array): Read {
    const key = Buffer.from(raw.subarray(-12)).toString("latin1");
    const known = this.#read.get(key);
    if (known !== undefined && equalBytes(known.raw, raw)) return known;
    this.decoded++;
    if (this.#read.size >= this.#max) this.#read.clear();
    const record = decodeRecord(raw);
    const read: Read = { raw: record?.raw ?? raw.slice(), record, opened: undefined };
    this.#read.set(key, read);
    return read;
  }
}

function onceEach<T>(work: (record: NodeRecord) => T): (record: NodeRecord) => T {
  const done = new WeakMap<NodeRecord, T>();
  return (record) => {
    const known = done.get(record);
    if (known !== undefined) return known;
    const made = work(record);
    done.set(record, made);
    return made;
  };
}
