/**
 * What the messages of the gossip say. How they are written is in gossip_fields.ts; the datagram around them, and
 * how much fits into one, are in gossip.ts.
 */
import { hexOf, isWhole, VERSION_LIMIT } from "./untrusted.ts";

/** Longest text of a mesh configuration. */
export const CONFIG_MAX_LEN = 1000;
/** What two nodes compare is a tree of hashes: so many leaves in a group, and so many groups. */
export const TREE_FANOUT = 64;
export const TREE_HASH_LEN = 8;
/** What is compared: records and tombstones, and directives. */
export const TABLE_RECORDS = 0;
export const TABLE_DIRECTIVES = 1;
export const TABLES = 2;
/** Bytes of one digest entry: id prefix 8, version 6 and 6, content hash 4. */
export const DIGEST_ENTRY_LEN = 24;
export const DIGEST_ENTRIES_MAX = 40;
export const WANT_MAX = 64;
/** Runs of leaves in one request for a digest, of SPAN_LEN bytes each: the first and the last. */
export const SPANS_MAX = 64;
export const SPAN_LEN = 4;
/** Records, and statements, in one message: a receiver takes no more. */
export const ITEMS_MAX = 64;
/** Directives in one message: a receiver takes no more. */
export const DIRECTIVES_MAX = 16;

/** Generations of the secret: more digits would not fit into the capability that names one. */
export const SECRET_SEQ_MAX = 999_999_999;

/** Liveness as it is told: 0 alive, 1 suspect, 2 dead. */
export type Liveness = 0 | 1 | 2;

/** "Node `id` at this incarnation is …". */
export interface Statement {
  readonly id: string;
  readonly incarnation: number;
  readonly state: Liveness;
  /** Dead by its own word: it was stopped. */
  readonly stopped?: true;
}

/** A signed record and how its sender sees the node. */
export interface RecordItem {
  readonly raw: Uint8Array;
  readonly state: Liveness;
}

/** What a joiner says of all joiners (control/mesh/joiners.ts). */
export interface JoinerWord {
  /** The smallest id it has heard of, … */
  readonly leader: string;
  /** … the greatest number of that one which it has heard, … */
  readonly seq: number;
  /** … and over how many links. */
  readonly distance: number;
  /** The receiver is its way to the leader, and hears of it and of all whose way leads over it: */
  readonly upward: boolean;
  /** up to which number they agree; 0: they do not, … */
  readonly agreed: number;
  /** … how many they are, … */
  readonly count: number;
  /** … and whether all their seeds have answered. */
  readonly complete: boolean;
  /** How many joiners there are in all, as the leader said last. */
  readonly total: number;
}

/** What travels with any message. */
export interface Piggyback {
  readonly records?: readonly RecordItem[];
  readonly statements?: readonly Statement[];
  /** Signed directives (directive.ts), in pushes only. */
  readonly directives?: readonly Uint8Array[];
}

/** How far the node that asks for a sync has come. */
export interface SyncAsker {
  /** It knows the mesh's records, so it can answer such a question itself. */
  readonly informed: boolean;
  /** It has a lease or has synchronised before; else it claims a subnet by what it is told now. */
  readonly ready: boolean;
  /** TREE_HASH_LEN bytes, of the members that it holds for dead: whoever holds others so tells it of them. */
  readonly dead: Uint8Array;
}

export type GossipBody =
  | ({ readonly kind: "ping" | "pong"; readonly seq: number } & Piggyback)
  | ({ readonly kind: "ping-request"; readonly seq: number; readonly target: string } & Piggyback)
  /** `ack`: answer with claim-ack for the sender's own record. */
  | ({ readonly kind: "push"; readonly ack: boolean } & Piggyback)
  /** The roots of both trees: "what differs?", and what the asker is: see SyncAsker. */
  | ({ readonly kind: "sync"; readonly round: number; readonly roots: Uint8Array } & SyncAsker)
  /** Answers `sync`: bit n: table n is the same on both sides. */
  | { readonly kind: "same"; readonly round: number; readonly tables: number }
  /**
   * Answers `sync`, and `expand`: the hashes of the groups (`at` 0), or of the leaves of group `at` − 1, and how many
   * entries each of them has, 255 at most.
   */
  | {
    readonly kind: "tree";
    readonly round: number;
    readonly table: number;
    readonly at: number;
    readonly hashes: Uint8Array;
    readonly counts: Uint8Array;
  }
  /** Asks for the leaves of a group. */
  | { readonly kind: "expand"; readonly round: number; readonly table: number; readonly group: number }
  /** Asks for the entries of these leaves, whose prefix comes after `after`. */
  | {
    readonly kind: "list";
    readonly round: number;
    readonly table: number;
    /** Greater than 0; the answer bears it. */
    readonly request: number;
    readonly spans: Uint8Array;
    /** 16 hexadecimal digits, or null: from the first. */
    readonly after: string | null;
  }
  /**
   * Answers `list`: all entries of the leaves that were asked for, up to the prefix `to`. With request 0 it answers `sync`:
   * these are all there are.
   */
  | {
    readonly kind: "digest";
    readonly round: number;
    readonly table: number;
    readonly request: number;
    /** 16 hexadecimal digits, inclusive; null: to the end. */
    readonly to: string | null;
    readonly entries: Uint8Array;
  }
  /** Id prefixes, 16 hexadecimal digits each. */
  | { readonly kind: "want"; readonly table: number; readonly prefixes: readonly string[] }
  /** The sender has no place for the receiver's record: so many nodes are all that it can know. */
  | { readonly kind: "full"; readonly capacity: number }
  | { readonly kind: "claim-ack"; readonly incarnation: number; readonly epoch: number }
  | ({ readonly kind: "joining" } & JoinerWord)
  /** The mesh configuration, as JSON text: few and small, and read with the checks of stored state. */
  | { readonly kind: "config"; readonly config: string }
  /** Over a session, never else: the network secret that the mesh goes over to, and its place among all. */
  | {
    readonly kind: "secret";
    readonly seq: number;
    /** The first 16 digits of the node id of its maker. */
    readonly issuer: string;
    readonly dropOld: boolean;
    /** 32 bytes. */
    readonly root: Uint8Array;
  }
  /**
   * Over a link: two hosts run with one identity. In sealed meshes boot nonces of 16 hexadecimal digits; in plain ones
   * `other` is the nonce of a hello.
   */
  | {
    readonly kind: "clone";
    /** Whom it is told to; in an answer, who says it. */
    readonly life: string;
    /** The other one, … */
    readonly other: string;
    /** … and where it is; null in an answer: "I live, and have heard of it". */
    readonly endpoint: string | null;
    /** In an answer, and when that is told to the other: a refusal of the other, signed (control/links/clone_proofs.ts). */
    readonly proof?: Uint8Array;
  }
  /**
   * In a mesh with links on demand: whether `from` needs a link with `to`. Over that link, or on its way to `to` by one of
   * its neighbours.
   */
  | { readonly kind: "link-wish"; readonly from: string; readonly to: string; readonly needed: boolean };

export type GossipKind = GossipBody["kind"];

/** A message as it is read. */
export interface Gossip {
  /** Hash of the sender's mesh configuration, 16 hexadecimal digits; null while it is joining. */
  readonly mesh: string | null;
  readonly body: GossipBody;
}

// ----------------------------------------------------------------------------------------------------
// Fields of gossip as they are read: what each must be, or Malformed is thrown, which gossip_fields.ts catches.

const TUPLE_MAX = 8;

/** Not thrown any further than readGossip. */
export class Malformed extends Error {}

/** The fields of one item; what later versions put behind them is ignored. */
export function tuple(item: unknown): readonly unknown[] {
  if (!Array.isArray(item) || item.length > TUPLE_MAX) throw new Malformed();
  return item;
}

export function intField(value: unknown, limit = VERSION_LIMIT): number {
  if (!isWhole(value, limit)) throw new Malformed();
  return value;
}

export function hexField(value: unknown, length: number): string {
  return must(hexOf(value, length));
}

export function must<T>(value: T | null): T {
  if (value === null) throw new Malformed();
  return value;
}

/** The beginning of an id, or null. */
export function prefixField(value: unknown): string | null {
  return value === null ? null : hexField(value, 8);
}
