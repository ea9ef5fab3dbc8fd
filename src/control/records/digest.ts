/**
 * Comparing two stores with little traffic. A sync carries one hash for each of 32 buckets; the answer lists, for the
 * buckets that differ, (id prefix, version, content hash) of every record, in parts that each cover a range of
 * prefixes completely; from such a part the asker sees both what it lacks and what the other lacks. Two nodes that
 * differ in k records exchange O(k + buckets) entries, as long as buckets are small. Pure.
 */

import { putU48, toHex, u48 } from "../../wire/bytes.ts";
import { DIGEST_BUCKETS, DIGEST_ENTRIES_MAX, DIGEST_ENTRY_LEN } from "../../wire/gossip_body.ts";
import { BUCKET_HASH_LEN } from "../../wire/gossip_body.ts";
import { bucketOf, compareVersions, type Store } from "./store.ts";

const LOWEST = "0000000000000000";
const HIGHEST = "ffffffffffffffff";

/** The first 8 bytes of an id name it in digests. */
export function idPrefix(id: string): string {
  return id.slice(0, 16);
}

/** A part of an answer, as the message has it. */
export interface DigestPart {
  readonly part: number;
  readonly parts: number;
  readonly buckets: number;
  readonly from: string;
  readonly to: string;
  readonly entries: Uint8Array;
}

/** The buckets in which two sets of hashes differ, bit n for bucket n. */
export function differingBuckets(a: Uint8Array, b: Uint8Array): number {
  let mask = 0;
  for (let n = 0; n < DIGEST_BUCKETS; n++) {
    for (let i = 0; i < BUCKET_HASH_LEN; i++) {
      if (a[n * BUCKET_HASH_LEN + i] === b[n * BUCKET_HASH_LEN + i]) continue;
      mask = (mask | (1 << n)) >>> 0;
      break;
    }
  }
  return mask;
}

/** Everything we have in these buckets, in parts; always at least one. `except` is left out. */
export function digestParts(store: Store, buckets: number, except: string | null): DigestPart[] {
  const ids: string[] = [];
  for (const { id } of store.records()) if (id !== except && inMask(buckets, id)) ids.push(id);
  ids.sort();
  const parts = Math.max(1, Math.ceil(ids.length / DIGEST_ENTRIES_MAX));
  const list: DigestPart[] = [];
  let from = LOWEST;
  for (let part = 0; part < parts; part++) {
    const own = ids.slice(part * DIGEST_ENTRIES_MAX, (part + 1) * DIGEST_ENTRIES_MAX);
    const to = part === parts - 1 ? HIGHEST : idPrefix(own[own.length - 1]!);
    list.push({ part, parts, buckets, from, to, entries: encodeEntries(store, own) });
    from = to; // inclusive on both sides: what lies on the border is compared twice at worst
  }
  return list;
}

export interface Comparison {
  /** Ids of records that the other side lacks or has older. */
  readonly push: readonly string[];
  /** Prefixes of what we lack or have older, with the version promised. */
  readonly want: readonly { readonly prefix: string; readonly incarnation: number; readonly epoch: number }[];
}

/** What our store and one part of the other's differ in. */
export function compareDigest(store: Store, part: DigestPart, except: string | null): Comparison {
  const theirs = decodeEntries(part.entries);
  const push: string[] = [];
  const want: { prefix: string; incarnation: number; epoch: number }[] = [];
  const covered = new Set<string>();
  for (const record of store.records()) {
    const prefix = idPrefix(record.id);
    const entry = theirs.get(prefix);
    if (entry !== undefined) covered.add(prefix);
    if (entry === undefined) {
      const inRange = inMask(part.buckets, record.id) && prefix >= part.from && prefix <= part.to;
      // The borders belong to two parts, and only one lists the record.
      const border = prefix === part.from && part.part > 0;
      if (inRange && !border && record.id !== except) push.push(record.id);
      continue;
    }
    const order = compareVersions(record, entry);
    const same = order === 0 && toHex(store.hash(record.id)!.slice(0, 4)) === entry.hash;
    if (same) continue;
    if (order >= 0 && record.id !== except) push.push(record.id);
    if (order <= 0) want.push({ prefix, incarnation: entry.incarnation, epoch: entry.epoch });
  }
  for (const [prefix, { incarnation, epoch }] of theirs) {
    if (!covered.has(prefix)) want.push({ prefix, incarnation, epoch });
  }
  return { push, want };
}

function inMask(buckets: number, id: string): boolean {
  return ((buckets >>> bucketOf(id)) & 1) === 1;
}

function encodeEntries(store: Store, ids: readonly string[]): Uint8Array {
  const b = new Uint8Array(ids.length * DIGEST_ENTRY_LEN);
  ids.forEach((id, n) => {
    const at = n * DIGEST_ENTRY_LEN;
    const record = store.get(id)!;
    for (let i = 0; i < 8; i++) b[at + i] = parseInt(id.slice(2 * i, 2 * i + 2), 16);
    putU48(b, at + 8, record.incarnation);
    putU48(b, at + 14, record.epoch);
    b.set(store.hash(id)!.slice(0, 4), at + 20);
  });
  return b;
}

function decodeEntries(b: Uint8Array): Map<string, { incarnation: number; epoch: number; hash: string }> {
  // BOUNDED: one per entry of a datagram
  const entries = new Map<string, { incarnation: number; epoch: number; hash: string }>();
  for (let at = 0; at + DIGEST_ENTRY_LEN <= b.length; at += DIGEST_ENTRY_LEN) {
    const hash = toHex(b.slice(at + 20, at + 24));
    entries.set(toHex(b.slice(at, at + 8)), { incarnation: u48(b, at + 8), epoch: u48(b, at + 14), hash });
  }
  return entries;
}
