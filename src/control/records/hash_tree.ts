/**
 * What a node knows of one kind (records, directives), as two nodes compare it: by hashes of parts that get smaller until the
 * difference is found. An id belongs to one of 4096 leaves by its first 12 bits, 64 leaves make a group, 64 groups the whole.
 * A leaf's hash is over its entries in order of their ids, a group's over its leaves, the root's over the groups: nobody can
 * make a difference vanish by what he writes himself, as he could if the hashes were only added. A change marks what it
 * touches; hashes are made when they are asked for, so a change costs one leaf, one group and the root.
 */

import { sha256 } from "../../crypto/sha256.ts";
import { putU32, putU48, u32 } from "../../wire/bytes.ts";
import { TREE_FANOUT, TREE_HASH_LEN } from "../../wire/gossip_body.ts";

const LEAVES = TREE_FANOUT * TREE_FANOUT;
const LEAF_DIGITS = 3;
export const LAST_LEAF = LEAVES - 1;

/** The first 8 bytes of an id name it in digests. */
const PREFIX_DIGITS = 16;

/** A record or a directive as two nodes compare it: which of two is the newer is told by (major, minor). */
export interface TreeEntry {
  readonly id: string;
  readonly major: number;
  readonly minor: number;
  /** The TREE_HASH_LEN bytes of a hash over version and content, as two numbers of 32 bits: there are tens of thousands. */
  readonly hashHigh: number;
  readonly hashLow: number;
}

export function idPrefix(id: string): string {
  return id.slice(0, PREFIX_DIGITS);
}

/** Which leaf an id, or the beginning of one, belongs to. */
export function leafOf(id: string): number {
  return parseInt(id.slice(0, LEAF_DIGITS), 16);
}

export function compareEntries(
  a: { readonly major: number; readonly minor: number },
  b: { readonly major: number; readonly minor: number },
): number {
  return a.major - b.major || a.minor - b.minor;
}

export class HashTree {
  // Entries by leaf, in order of their ids. BOUNDED: as the tables that it is made of
  readonly #leaves = new Array<TreeEntry[] | undefined>(LEAVES).fill(undefined);
  readonly #leafHashes = new Uint8Array(LEAVES * TREE_HASH_LEN);
  readonly #groupHashes = new Uint8Array(TREE_FANOUT * TREE_HASH_LEN);
  readonly #groupSizes = new Uint32Array(TREE_FANOUT);
  #root = new Uint8Array(TREE_HASH_LEN);
  // BOUNDED: ≤ LEAVES; of those the hash is not right
  readonly #stale = new Set<number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: string): TreeEntry | undefined {
    return this.#leaves[leafOf(id)]?.find((entry) => entry.id === id);
  }

  /** Puts in the content of this version, in place of what there is of this id. */
  set(id: string, version: { readonly major: number; readonly minor: number }, content: Uint8Array): void {
    const leaf = leafOf(id);
    const { major, minor } = version;
    const hash = contentHash(major, minor, content);
    const entry = { id, major, minor, hashHigh: u32(hash, 0), hashLow: u32(hash, 4) };
    const entries = this.#leaves[leaf] ??= [];
    this.#stale.add(leaf);
    let at = 0;
    while (at < entries.length && entries[at]!.id < id) at++;
    if (entries[at]?.id === id) {
      entries[at] = entry;
      return;
    }
    entries.splice(at, 0, entry);
    this.#count(leaf, 1);
  }

  delete(id: string): void {
    const leaf = leafOf(id);
    const entries = this.#leaves[leaf];
    const at = entries?.findIndex((entry) => entry.id === id) ?? -1;
    if (entries === undefined || at < 0) return;
    entries.splice(at, 1);
    if (entries.length === 0) this.#leaves[leaf] = undefined;
    this.#stale.add(leaf);
    this.#count(leaf, -1);
  }

  /** Equal where everything is. Not to be changed; right until the next change. */
  root(): Uint8Array {
    this.#refresh();
    return this.#root;
  }

  /** The hashes of the groups (at 0) or of the leaves of group at − 1, and how many entries each has, 255 at most. */
  children(at: number): { readonly hashes: Uint8Array; readonly counts: Uint8Array } {
    this.#refresh();
    if (at === 0) {
      return { hashes: this.#groupHashes.slice(), counts: Uint8Array.from(this.#groupSizes, few) };
    }
    const first = (at - 1) * TREE_FANOUT;
    const hashes = this.#leafHashes.slice(first * TREE_HASH_LEN, (first + TREE_FANOUT) * TREE_HASH_LEN);
    const counts = new Uint8Array(TREE_FANOUT);
    for (let n = 0; n < TREE_FANOUT; n++) counts[n] = few(this.#leaves[first + n]?.length ?? 0);
    return { hashes, counts };
  }

  /** The entries of these leaves, in order of their ids. */
  *entries(firstLeaf = 0, lastLeaf = LAST_LEAF): Iterable<TreeEntry> {
    for (let leaf = firstLeaf; leaf <= lastLeaf; leaf++) yield* this.#leaves[leaf] ?? [];
  }

  /** Ids that begin so: one, or none. */
  idsOf(prefix: string): string[] {
    const entries = this.#leaves[leafOf(prefix)] ?? [];
    return entries.filter(({ id }) => id.startsWith(prefix)).map(({ id }) => id);
  }

  #count(leaf: number, more: number): void {
    const group = Math.floor(leaf / TREE_FANOUT);
    this.#groupSizes[group] = this.#groupSizes[group]! + more;
    this.#size += more;
  }

  #refresh(): void {
    if (this.#stale.size === 0) return;
    const groups = new Set<number>();
    for (const leaf of this.#stale) {
      this.#leafHashes.set(leafHash(this.#leaves[leaf] ?? []), leaf * TREE_HASH_LEN);
      groups.add(Math.floor(leaf / TREE_FANOUT));
    }
    this.#stale.clear();
    for (const group of groups) {
      const at = group * TREE_FANOUT * TREE_HASH_LEN;
      const leaves = this.#leafHashes.subarray(at, at + TREE_FANOUT * TREE_HASH_LEN);
      const hash = this.#groupSizes[group] === 0 ? NOTHING : short(sha256(leaves));
      this.#groupHashes.set(hash, group * TREE_HASH_LEN);
    }
    this.#root = this.#size === 0 ? NOTHING.slice() : short(sha256(this.#groupHashes));
  }
}

const NOTHING = new Uint8Array(TREE_HASH_LEN);

function short(hash: Uint8Array): Uint8Array<ArrayBuffer> {
  return hash.slice(0, TREE_HASH_LEN) as Uint8Array<ArrayBuffer>;
}

function few(count: number): number {
  return Math.min(count, 255);
}

function leafHash(entries: readonly TreeEntry[]): Uint8Array {
  if (entries.length === 0) return NOTHING;
  const hashes = new Uint8Array(entries.length * TREE_HASH_LEN);
  entries.forEach(({ hashHigh, hashLow }, n) => {
    putU32(hashes, n * TREE_HASH_LEN, hashHigh);
    putU32(hashes, n * TREE_HASH_LEN + 4, hashLow);
  });
  return short(sha256(hashes));
}

function contentHash(major: number, minor: number, content: Uint8Array): Uint8Array {
  const version = new Uint8Array(12);
  putU48(version, 0, major);
  putU48(version, 6, minor);
  return short(sha256(version, content));
}
