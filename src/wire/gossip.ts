// Plain gossip (0x21): what members tell one another, one message a datagram of at most 1200 bytes, accepted only
// from the endpoint that a hello has validated for the receiver index in its header. The body is MessagePack, one
// map with short keys; unknown keys are ignored, anything else unexpected makes the whole message null. Kinds are
// append-only. Ids travel as bytes and are hexadecimal text here; records are opaque signed bytes.
//
//   | type 1 (0x21) | version 1 | reserved 2 | receiver index 4 | MessagePack body |

import { Packr } from "msgpackr/pack";
import { Unpackr } from "msgpackr/unpack";
import { formatEndpoint, parseEndpoint } from "./address.ts";
import { fromHex, putU32, toHex, u32 } from "./bytes.ts";
import { TYPE_GOSSIP_PLAIN } from "./datagram.ts";
import { PROTOCOL_VERSION } from "./hello.ts";

export const GOSSIP_HEADER_LEN = 8;
/** Largest datagram; senders split what is longer. */
export const GOSSIP_MAX_LEN = 1200;
/** What a message may hold of items (records, statements) besides its own fields, bytes. */
export const GOSSIP_ROOM = 1000;

export const DIGEST_BUCKETS = 32;
export const BUCKET_HASH_LEN = 6;
/** Bytes of one digest entry: id prefix 8, incarnation 6, epoch 6, content hash 4. */
export const DIGEST_ENTRY_LEN = 24;
export const DIGEST_ENTRIES_MAX = 40;
export const JOINERS_MAX = 20;
export const WANT_MAX = 64;
/** Directives (directive.ts) that fit in one push, alone. */
export const DIRECTIVES_IN_PUSH = 4;

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

/** How far whoever asks for a sync has come. */
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
    /** Hash of the asker's directives, 16 hexadecimal digits; absent in versions without them. */
    readonly directives?: string;
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
    readonly directives?: string;
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
    /** The first 16 digits of the node id of whoever made it. */
    readonly issuer: string;
    readonly dropOld: boolean;
    /** 32 bytes. */
    readonly root: Uint8Array;
  }
  /** Over a session, never else: two hosts run with one identity. Boot nonces of 16 hexadecimal digits. */
  | {
    readonly kind: "twin";
    /** Whom it is told to; in an answer, who says it. */
    readonly life: string;
    /** The other one, … */
    readonly other: string;
    /** … and where it is; null in an answer: "I live, and have heard of it". */
    readonly endpoint: string | null;
  };

export type GossipKind = GossipBody["kind"];

export interface Gossip {
  /** Hash of the sender's mesh configuration, 16 hexadecimal digits; null while it is joining. */
  readonly mesh: string | null;
  readonly body: GossipBody;
}

const KINDS: readonly GossipKind[] = [
  "ping",
  "pong",
  "ping-request",
  "push",
  "sync",
  "digest",
  "want",
  "claim-ack",
  "joining",
  "config",
  "secret",
  "twin",
];

const ASKER_INFORMED = 1;
const ASKER_READY = 2;

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

/** The whole datagram for the receiver that gave us `index`. RangeError when it exceeds 1200 bytes. */
export function encodeGossip(index: number, gossip: Gossip): Uint8Array {
  const mesh = gossip.mesh === null ? null : fromHex(gossip.mesh);
  const body = packr.pack({ k: KINDS.indexOf(gossip.body.kind), m: mesh, ...fieldsOf(gossip.body) });
  const b = new Uint8Array(GOSSIP_HEADER_LEN + body.length);
  if (b.length > GOSSIP_MAX_LEN) {
    throw new RangeError(`A ${gossip.body.kind} of ${b.length} bytes is longer than ${GOSSIP_MAX_LEN}`);
  }
  b[0] = TYPE_GOSSIP_PLAIN;
  b[1] = PROTOCOL_VERSION;
  putU32(b, 4, index);
  b.set(body, GOSSIP_HEADER_LEN);
  return b;
}

/** The shortest message there is, for an index that nobody has: its receiver does not have the peer it takes us for. */
export function gossipForNobody(): Uint8Array {
  const b = new Uint8Array(GOSSIP_HEADER_LEN);
  b[0] = TYPE_GOSSIP_PLAIN;
  b[1] = PROTOCOL_VERSION;
  return b;
}

/** The receiver index in the header, or −1 when this is no plain gossip of any version. */
export function gossipIndex(b: Uint8Array): number {
  return b.length < GOSSIP_HEADER_LEN || b[0] !== TYPE_GOSSIP_PLAIN ? -1 : u32(b, 4);
}

/** The version in the header of what gossipIndex accepted. */
export function gossipVersion(b: Uint8Array): number {
  return b[1]!;
}

/** The message, or null when anything in it is malformed. Never throws; nothing in it refers to `b`. */
export function decodeGossip(b: Uint8Array): Gossip | null {
  if (gossipIndex(b) < 0 || gossipVersion(b) !== PROTOCOL_VERSION || b.length > GOSSIP_MAX_LEN) return null;
  try {
    const map: unknown = unpackr.unpack(b.slice(GOSSIP_HEADER_LEN));
    if (typeof map !== "object" || map === null || Array.isArray(map)) return null;
    const fields = map as Record<string, unknown>;
    const mesh = fields["m"] === null ? null : hexField(fields["m"], 8);
    return { mesh, body: bodyOf(fields) };
  } catch {
    return null; // Malformed below, or msgpackr's own complaint: the same to us
  }
}

/** Bytes that a record takes in a message. */
export function recordItemLen(raw: Uint8Array): number {
  return raw.length + 6;
}

/** Bytes that a statement takes in a message. */
export const STATEMENT_LEN = 48;

function fieldsOf(body: GossipBody): Record<string, unknown> {
  switch (body.kind) {
    case "ping":
    case "pong":
      return { s: body.seq, ...piggybackOf(body) };
    case "ping-request":
      return { s: body.seq, t: fromHex(body.target), ...piggybackOf(body) };
    case "push":
      return { a: body.ack, ...piggybackOf(body) };
    case "sync":
      return {
        r: body.round,
        h: body.hashes,
        q: (body.informed ? ASKER_INFORMED : 0) | (body.ready ? ASKER_READY : 0),
        ...(body.directives === undefined ? {} : { d: fromHex(body.directives) }),
      };
    case "digest": {
      const { round, part, parts, buckets, from, to, entries } = body;
      const d = body.directives === undefined ? {} : { d: fromHex(body.directives) };
      return { r: round, p: part, n: parts, b: buckets, f: fromHex(from), t: fromHex(to), e: entries, ...d };
    }
    case "want":
      return { w: body.prefixes.map(fromHex) };
    case "claim-ack":
      return { i: body.incarnation, e: body.epoch };
    case "joining":
      return { j: body.joiners.map((j) => [fromHex(j.id), j.seq, j.age, j.complete, fromHex(j.view)]) };
    case "config":
      return { c: body.config };
    case "secret":
      return { q: body.seq, i: fromHex(body.issuer), o: body.dropOld, x: body.root };
    case "twin":
      return { b: fromHex(body.life), o: fromHex(body.other), e: body.endpoint };
  }
}

function piggybackOf(body: Piggyback): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  if (body.records?.length) fields["R"] = body.records.map((r) => [r.raw, r.state]);
  if (body.directives?.length) fields["D"] = body.directives;
  if (body.statements?.length) {
    fields["S"] = body.statements.map((s) => {
      const told = [fromHex(s.id), s.incarnation, s.state];
      return s.stopped ? [...told, true] : told;
    });
  }
  return fields;
}

function bodyOf(f: Record<string, unknown>): GossipBody {
  const kind = KINDS[intField(f["k"], 255)];
  switch (kind) {
    case "ping":
    case "pong":
      return { kind, seq: intField(f["s"]), ...readPiggyback(f) };
    case "ping-request":
      return { kind, seq: intField(f["s"]), target: hexField(f["t"], 32), ...readPiggyback(f) };
    case "push":
      return { kind, ack: f["a"] === true, ...readPiggyback(f) };
    case "sync":
      return readSync(f);
    case "digest":
      return readDigest(f);
    case "want":
      return { kind, prefixes: listField(f["w"], WANT_MAX).map((p) => hexField(p, 8)) };
    case "claim-ack":
      return { kind, incarnation: intField(f["i"]), epoch: intField(f["e"]) };
    case "joining":
      return { kind, joiners: listField(f["j"], JOINERS_MAX).map(readJoiner) };
    case "config":
      if (typeof f["c"] !== "string" || f["c"].length > GOSSIP_ROOM) throw new Malformed();
      return { kind, config: f["c"] };
    case "secret":
      return {
        kind,
        seq: intField(f["q"], SECRET_SEQ_MAX),
        issuer: toHex(bytesField(f["i"], 8)),
        dropOld: f["o"] === true,
        root: bytesField(f["x"], 32),
      };
    case "twin":
      return {
        kind,
        life: hexField(f["b"], 8),
        other: hexField(f["o"], 8),
        endpoint: endpointField(f["e"]),
      };
    default:
      throw new Malformed();
  }
}

function readSync(f: Record<string, unknown>): GossipBody {
  const asker = intField(f["q"] ?? ASKER_INFORMED);
  return {
    kind: "sync",
    round: intField(f["r"]),
    hashes: bytesField(f["h"], DIGEST_BUCKETS * BUCKET_HASH_LEN),
    ...directivesHash(f),
    informed: (asker & ASKER_INFORMED) !== 0,
    ready: (asker & ASKER_READY) !== 0,
  };
}

function readDigest(f: Record<string, unknown>): GossipBody {
  const entries = bytesField(f["e"], null);
  if (entries.length % DIGEST_ENTRY_LEN !== 0) throw new Malformed();
  const parts = intField(f["n"], 4096);
  const part = intField(f["p"], 4095);
  if (part >= parts) throw new Malformed();
  const [from, to] = [hexField(f["f"], 8), hexField(f["t"], 8)];
  return {
    kind: "digest",
    round: intField(f["r"]),
    part,
    parts,
    buckets: intField(f["b"]),
    from,
    to,
    entries,
    ...directivesHash(f),
  };
}

function directivesHash(f: Record<string, unknown>): { readonly directives?: string } {
  return f["d"] === undefined ? {} : { directives: hexField(f["d"], 8) };
}

function readPiggyback(f: Record<string, unknown>): Piggyback {
  const directives = listField(f["D"] ?? [], 16).map((raw) => bytesField(raw, null));
  return {
    ...(directives.length === 0 ? {} : { directives }),
    records: listField(f["R"] ?? [], 64).map((item) => {
      const [raw, state] = listField(item, 8);
      return { raw: bytesField(raw, null), state: livenessField(state) };
    }),
    statements: listField(f["S"] ?? [], 64).map((item) => {
      const [id, incarnation, state, stopped] = listField(item, 8);
      const told = { id: hexField(id, 32), incarnation: intField(incarnation), state: livenessField(state) };
      return stopped === true ? { ...told, stopped } : told;
    }),
  };
}

function readJoiner(item: unknown): JoinerEntry {
  const [id, seq, age, complete, view] = listField(item, 8);
  return {
    id: hexField(id, 32),
    seq: intField(seq),
    age: intField(age),
    complete: complete === true,
    view: hexField(view, 8),
  };
}

/** Thrown and caught inside this file only. */
class Malformed extends Error {}

/** Generations of the secret: more digits would not fit into the capability that names one. */
export const SECRET_SEQ_MAX = 999_999_999;

function intField(value: unknown, max = 2 ** 48 - 1): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max) {
    throw new Malformed();
  }
  return value;
}

function livenessField(value: unknown): Liveness {
  return intField(value, 2) as Liveness;
}

function listField(value: unknown, max: number): unknown[] {
  if (!Array.isArray(value) || value.length > max) throw new Malformed();
  return value;
}

function bytesField(value: unknown, length: number | null): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== null && value.length !== length)) throw new Malformed();
  return new Uint8Array(value);
}

function endpointField(value: unknown): string | null {
  if (value === null) return null;
  const endpoint = typeof value === "string" && value.length < 64 ? parseEndpoint(value) : null;
  if (endpoint === null) throw new Malformed();
  return formatEndpoint(endpoint);
}

function hexField(value: unknown, length: number): string {
  return toHex(bytesField(value, length));
}
