/**
 * Who has left for good, each with its last signed word: without it an old record of the node, from a disk or from a host
 * that was away, would bring its lease back. Of more than there is room for those are kept that left last, by the greatest
 * stamp that each had seen; an honest node's stamps only grow, so that is a join, like the merge of records
 * (bounds/greatest.ts).
 */

import { Greatest } from "../../bounds/greatest.ts";
import { decodeRecord, type NodeRecord } from "./record.ts";
import { recordText, storedBytes } from "./state.ts";

/** As they are kept, in little room: there may be 65,536. */
interface Tombstone {
  readonly id: string;
  readonly left: number;
  /** The signed bytes, base64. */
  readonly text: string;
}

export class Tombstones {
  readonly #kept: Greatest<Tombstone>;

  constructor(max: number) {
    this.#kept = new Greatest(max, compareTombstones, ({ id }) => id);
  }

  get size(): number {
    return this.#kept.size;
  }

  get(id: string): NodeRecord | undefined {
    const kept = this.#kept.get(id);
    return kept === undefined ? undefined : decodeRecord(storedBytes(kept.text)) ?? undefined;
  }

  /** Puts one in that is newer than what there is of its node. Returns the id that had to go for it, its own perhaps. */
  add({ id, left = 0, raw }: NodeRecord): string | null {
    return this.#kept.set({ id, left, text: recordText(raw) })?.id ?? null;
  }

  delete(id: string): boolean {
    return this.#kept.delete(id);
  }

  /** The signed bytes of all, base64, in no order. */
  *texts(): Iterable<string> {
    for (const { text } of this.#kept.values()) yield text;
  }

  /** The signed bytes of all, each with the id of its node. */
  *all(): Iterable<{ readonly id: string; readonly raw: Uint8Array }> {
    for (const { id, text } of this.#kept.values()) yield { id, raw: storedBytes(text) };
  }
}

function compareTombstones(a: Tombstone, b: Tombstone): number {
  if (a.left !== b.left) return a.left - b.left;
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  return a.text === b.text ? 0 : a.text < b.text ? -1 : 1;
}
