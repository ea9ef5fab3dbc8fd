/**
 * What a node answers to one that compares its trees (hash_tree.ts) with ours, and what follows from an answer. The asker
 * decides at each step what to ask next (sync.ts); who answers keeps nothing of it, and one question gets one answer:
 *
 *   sync    the roots            ▶   same, or the tree's groups; all entries at once where they are few
 *   expand  a group              ▶   the hashes of its leaves
 *   list    leaves that differ   ▶   their entries: (id prefix, version, content hash), and how far they reach
 *   want    id prefixes          ▶   the records or directives themselves, pushed
 *
 * So two nodes that differ in k of N entries exchange O(k log N) bytes. Pure.
 */

import { equalBytes, putU16, putU32, putU48, toHex, u16, u32, u48 } from "../../wire/bytes.ts";
import {
  DIGEST_ENTRIES_MAX,
  DIGEST_ENTRY_LEN,
  type GossipBody,
  SPAN_LEN,
  TABLES,
  TREE_HASH_LEN,
} from "../../wire/gossip_body.ts";
import { compareEntries, type HashTree, idPrefix, LAST_LEAF, leafOf, type TreeEntry } from "./hash_tree.ts";

type Body<K extends GossipBody["kind"]> = GossipBody & { readonly kind: K };

/** The trees that are compared, by the numbers of the tables (wire/gossip_body.ts). */
export type Trees = readonly HashTree[];

/** Leaves from the first to the last, both included. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

export const EVERYTHING: readonly Span[] = [{ first: 0, last: LAST_LEAF }];

/** The roots of all trees, one after the other. */
export function rootsOf(trees: Trees): Uint8Array {
  const roots = new Uint8Array(TABLES * TREE_HASH_LEN);
  trees.forEach((tree, n) => roots.set(tree.root(), n * TREE_HASH_LEN));
  return roots;
}

// ------------------------------------------------------------------------------------------- answering

/** The answers to a sync. */
export function answerRoots(trees: Trees, { round, roots }: Body<"sync">): GossipBody[] {
  const answers: GossipBody[] = [];
  let same = 0;
  trees.forEach((tree, table) => {
    const theirs = roots.subarray(table * TREE_HASH_LEN, (table + 1) * TREE_HASH_LEN);
    if (equalBytes(theirs, tree.root())) same |= 1 << table;
    else if (tree.size > DIGEST_ENTRIES_MAX) {
      answers.push({ kind: "tree", round, table, at: 0, ...tree.children(0) });
    } else answers.push({ kind: "digest", round, table, request: 0, ...entriesOf(tree, EVERYTHING, null) });
  });
  return same === 0 ? answers : [{ kind: "same", round, tables: same }, ...answers];
}

export function answerExpand(trees: Trees, { round, table, group }: Body<"expand">): GossipBody {
  const at = group + 1;
  return { kind: "tree", round, table, at, ...trees[table]!.children(at) };
}

export function answerList(trees: Trees, { round, table, request, spans, after }: Body<"list">): GossipBody {
  return { kind: "digest", round, table, request, ...entriesOf(trees[table]!, decodeSpans(spans), after) };
}

function entriesOf(
  tree: HashTree,
  spans: readonly Span[],
  after: string | null,
): { readonly entries: Uint8Array; readonly to: string | null } {
  const list: TreeEntry[] = [];
  for (const entry of within(tree, spans, after)) {
    if (list.length === DIGEST_ENTRIES_MAX) {
      return { entries: encodeEntries(list), to: idPrefix(list[DIGEST_ENTRIES_MAX - 1]!.id) };
    }
    list.push(entry);
  }
  return { entries: encodeEntries(list), to: null };
}

// The entries of these leaves whose prefixes lie in (after, to].
function* within(
  tree: HashTree,
  spans: readonly Span[],
  after: string | null,
  to: string | null = null,
): Iterable<TreeEntry> {
  const from = after === null ? 0 : leafOf(after); // what lies before is not looked at, however often it is asked for
  for (const { first, last } of spans) {
    for (const entry of tree.entries(Math.max(first, from), last)) {
      const prefix = idPrefix(entry.id);
      if ((after === null || prefix > after) && (to === null || prefix <= to)) yield entry;
    }
  }
}

// ------------------------------------------------------------------------------------------- comparing

/** What the other side has that we lack or have older: the beginning of an id, and the version promised. */
export interface Wanted {
  readonly prefix: string;
  readonly major: number;
  readonly minor: number;
}

export interface Comparison {
  /** Ids of what the other side lacks or has older. */
  readonly push: readonly string[];
  readonly want: readonly Wanted[];
}

/** Which part of the trees a digest tells of: what was asked for, as far as the answer reaches. */
export interface Scope {
  readonly spans: readonly Span[];
  readonly after: string | null;
}

/** What we and the digest of another node differ in. */
export function compareDigest(
  tree: HashTree,
  { spans, after }: Scope,
  { entries, to }: Pick<Body<"digest">, "entries" | "to">,
): Comparison {
  const theirs = decodeEntries(entries);
  const push: string[] = [];
  const want: Wanted[] = [];
  for (const entry of within(tree, spans, after, to)) {
    const prefix = idPrefix(entry.id);
    const their = theirs.get(prefix);
    theirs.delete(prefix);
    const order = their === undefined ? 1 : compareEntries(entry, their);
    if (order === 0 && entry.hashHigh === their?.hashHigh) continue;
    if (order >= 0) push.push(entry.id);
    if (their !== undefined && order <= 0) want.push({ prefix, major: their.major, minor: their.minor });
  }
  // What is left is not in these leaves of ours. Where it belongs to others, it tells nothing that was asked for.
  for (const [prefix, { major, minor }] of theirs) {
    const known = tree.idsOf(prefix).some((id) => compareEntries(tree.get(id)!, { major, minor }) >= 0);
    if (!known) want.push({ prefix, major, minor });
  }
  return { push, want };
}

interface Listed {
  readonly major: number;
  readonly minor: number;
  readonly hashHigh: number;
}

function encodeEntries(list: readonly TreeEntry[]): Uint8Array {
  const b = new Uint8Array(list.length * DIGEST_ENTRY_LEN);
  list.forEach(({ id, major, minor, hashHigh }, n) => {
    const at = n * DIGEST_ENTRY_LEN;
    for (let i = 0; i < 8; i++) b[at + i] = parseInt(id.slice(2 * i, 2 * i + 2), 16);
    putU48(b, at + 8, major);
    putU48(b, at + 14, minor);
    putU32(b, at + 20, hashHigh);
  });
  return b;
}

function decodeEntries(b: Uint8Array): Map<string, Listed> {
  // BOUNDED: one per entry of a datagram
  const entries = new Map<string, Listed>();
  for (let at = 0; at + DIGEST_ENTRY_LEN <= b.length; at += DIGEST_ENTRY_LEN) {
    const version = { major: u48(b, at + 8), minor: u48(b, at + 14) };
    entries.set(toHex(b.slice(at, at + 8)), { ...version, hashHigh: u32(b, at + 20) });
  }
  return entries;
}

export function encodeSpans(spans: readonly Span[]): Uint8Array {
  const b = new Uint8Array(spans.length * SPAN_LEN);
  spans.forEach(({ first, last }, n) => {
    putU16(b, n * SPAN_LEN, first);
    putU16(b, n * SPAN_LEN + 2, last);
  });
  return b;
}

// In order and without overlap, whatever was asked: so that no entry is told twice.
function decodeSpans(b: Uint8Array): Span[] {
  const spans: Span[] = [];
  let next = 0;
  for (let at = 0; at + SPAN_LEN <= b.length; at += SPAN_LEN) {
    const first = Math.max(next, u16(b, at)), last = Math.min(LAST_LEAF, u16(b, at + 2));
    if (first > last) continue;
    spans.push({ first, last });
    next = last + 1;
  }
  return spans;
}
