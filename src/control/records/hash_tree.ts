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

/** An entry of this id and version. */
export function treeEntry(
  id: string,
  { major, minor }: { readonly major: number; readonly minor: number },
  content: Uint8Array,
): TreeEntry {
  const hash = contentHash(major, minor, content);
  return { id, major, minor, hashHigh: u32(hash, 0), hashLow: u32(hash, 4) };
}

const NOTHING = new Uint8Array(TREE_HASH_LEN);

export class HashTree {
  // Entries by group, in order of their ids. BOUNDED: as the tables that it is made of
  #groups: TreeEntry[][] = [];
  // Made with the first entry: most meshes have no directives.
  #leafHashes = NOTHING;
  readonly #groupHashes = new Uint8Array(TREE_FANOUT * TREE_HASH_LEN);
  #root = new Uint8Array(TREE_HASH_LEN);
  // BOUNDED: ≤ LEAVES; of those the hash is not right
  readonly #stale = new Set<number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: string): TreeEntry | undefined {
    const entries = this.#groupOf(id);
    const entry = entries[firstFrom(entries, id)];
    return entry?.id === id ? entry : undefined;
  }

  /** Puts in the content of this version, in place of what there is of this id. */
  set(id: string, version: { readonly major: number; readonly minor: number }, content: Uint8Array): void {
    this.put(treeEntry(id, version, content));
  }

  /** Puts in an entry, in place of what there is of its id. */
  put(entry: TreeEntry): void {
    const { id } = entry;
    if (this.#groups.length === 0) {
      this.#groups = Array.from({ length: TREE_FANOUT }, () => []);
      this.#leafHashes = new Uint8Array(LEAVES * TREE_HASH_LEN);
    }
    const entries = this.#groupOf(id);
    this.#stale.add(leafOf(id));
    const at = firstFrom(entries, id);
    if (entries[at]?.id === id) entries[at] = entry;
    else {
      if (at === entries.length) entries.push(entry);
      else entries.splice(at, 0, entry);
      this.#size++;
    }
  }

  delete(id: string): void {
    const entries = this.#groupOf(id);
    const at = firstFrom(entries, id);
    if (entries[at]?.id !== id) return;
    entries.splice(at, 1);
    this.#stale.add(leafOf(id));
    this.#size--;
  }

  /** Equal where everything is. Not to be changed; right until the next change. */
  root(): Uint8Array {
    this.#refresh();
    return this.#root;
  }

  /** The hashes of the groups (at 0) or of the leaves of group at − 1, and how many entries each has, 255 at most. */
  children(at: number): { readonly hashes: Uint8Array; readonly counts: Uint8Array } {
    this.#refresh();
    const counts = new Uint8Array(TREE_FANOUT);
    if (at === 0) {
      this.#groups.forEach(({ length }, n) => counts[n] = few(length));
      return { hashes: this.#groupHashes.slice(), counts };
    }
    const first = (at - 1) * TREE_FANOUT;
    const hashes = new Uint8Array(TREE_FANOUT * TREE_HASH_LEN);
    if (this.#size === 0) return { hashes, counts };
    hashes.set(this.#leafHashes.subarray(first * TREE_HASH_LEN, (first + TREE_FANOUT) * TREE_HASH_LEN));
    for (let n = 0; n < TREE_FANOUT; n++) counts[n] = few(this.#leaf(first + n).length);
    return { hashes, counts };
  }

  /** The entries of these leaves, in order of their ids. */
  *entries(firstLeaf = 0, lastLeaf = LAST_LEAF): Iterable<TreeEntry> {
    for (let leaf = firstLeaf; leaf <= lastLeaf;) {
      const entries = this.#groups[Math.floor(leaf / TREE_FANOUT)] ?? [];
      for (let n = firstFrom(entries, leafText(leaf)); n < entries.length; n++) {
        const entry = entries[n]!;
        if (leafOf(entry.id) > lastLeaf) return;
        yield entry;
      }
      leaf = (Math.floor(leaf / TREE_FANOUT) + 1) * TREE_FANOUT;
    }
  }

  /** Ids that begin so: one, or none. */
  idsOf(prefix: string): string[] {
    const entries = this.#groupOf(prefix);
    const ids: string[] = [];
    for (let n = firstFrom(entries, prefix); entries[n]?.id.startsWith(prefix); n++) ids.push(entries[n]!.id);
    return ids;
  }

  #groupOf(id: string): TreeEntry[] {
    return this.#groups[Math.floor(leafOf(id) / TREE_FANOUT)] ?? [];
  }

  #leaf(leaf: number): TreeEntry[] {
    return [...this.entries(leaf, leaf)];
  }

  #refresh(): void {
    if (this.#stale.size === 0) return;
    const groups = new Set<number>();
    for (const leaf of this.#stale) {
      this.#leafHashes.set(leafHash(this.#leaf(leaf)), leaf * TREE_HASH_LEN);
      groups.add(Math.floor(leaf / TREE_FANOUT));
    }
    this.#stale.clear();
    for (const group of groups) {
      const at = group * TREE_FANOUT * TREE_HASH_LEN;
      const leaves = this.#leafHashes.subarray(at, at + TREE_FANOUT * TREE_HASH_LEN);
      const hash = this.#groups[group]!.length === 0 ? NOTHING : short(sha256(leaves));
      this.#groupHashes.set(hash, group * TREE_HASH_LEN);
    }
    this.#root = this.#size === 0 ? NOTHING.slice() : short(sha256(this.#groupHashes));
  }
}

/** Where the first entry stands whose id is not before this one. */
function firstFrom(entries: readonly TreeEntry[], id: string): number {
  let low = 0, high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle]!.id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How the ids of this leaf begin. */
function leafText(leaf: number): string {
  return leaf.toString(16).padStart(LEAF_DIGITS, "0");
}

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
