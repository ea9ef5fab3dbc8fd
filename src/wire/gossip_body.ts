/**
 * What the messages of the gossip say. How they are written is in gossip_fields.ts, the datagram around them in
 * gossip.ts, how much fits into one in gossip_size.ts.
 */

/** Longest text of a mesh configuration. */
export const CONFIG_MAX_LEN = 1000;
export const DIGEST_BUCKETS = 32;
export const BUCKET_HASH_LEN = 6;
/** Bytes of one digest entry: id prefix 8, incarnation 6, epoch 6, content hash 4. */
export const DIGEST_ENTRY_LEN = 24;
export const DIGEST_ENTRIES_MAX = 40;
export const JOINERS_MAX = 20;
export const WANT_MAX = 64;
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

/** A joiner as heard of: how often it has spoken, whether all its seeds answered, which joiners it knows. */
export interface JoinerEntry {
  readonly id: string;
  readonly seq: number;
  /** How long ago it said so, ms. */
  readonly age: number;
  readonly complete: boolean;
  /** Hash of the set of joiners it knows, 16 hexadecimal digits. */
  readonly view: string;
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
}

export type GossipBody =
  | ({ readonly kind: "ping" | "pong"; readonly seq: number } & Piggyback)
  | ({ readonly kind: "ping-request"; readonly seq: number; readonly target: string } & Piggyback)
  /** `ack`: answer with claim-ack for the sender's own record. */
  | ({ readonly kind: "push"; readonly ack: boolean } & Piggyback)
  /** Hashes of all buckets: "what differs?", and what the asker is: see SyncAsker. */
  | ({
    readonly kind: "sync";
    readonly round: number;
    readonly hashes: Uint8Array;
    /** Hash of the asker's directives, 16 hexadecimal digits. */
    readonly directives: string;
  } & SyncAsker)
  /** All my entries of these buckets whose prefix lies in from..to: entries of DIGEST_ENTRY_LEN bytes. */
  | {
    readonly kind: "digest";
    readonly round: number;
    readonly part: number;
    readonly parts: number;
    /** Bit n: bucket n is covered. */
    readonly buckets: number;
    /** 16 hexadecimal digits each, inclusive. */
    readonly from: string;
    readonly to: string;
    readonly entries: Uint8Array;
    /** Hash of the sender's directives, as in `sync`. */
    readonly directives: string;
  }
  /** Id prefixes, 16 hexadecimal digits each. */
  | { readonly kind: "want"; readonly prefixes: readonly string[] }
  | { readonly kind: "claim-ack"; readonly incarnation: number; readonly epoch: number }
  | { readonly kind: "joining"; readonly joiners: readonly JoinerEntry[] }
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
  };

export type GossipKind = GossipBody["kind"];

/** A message as it is read. */
export interface Gossip {
  /** Hash of the sender's mesh configuration, 16 hexadecimal digits; null while it is joining. */
  readonly mesh: string | null;
  readonly body: GossipBody;
}
