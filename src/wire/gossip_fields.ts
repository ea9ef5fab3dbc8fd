// The fields of gossip, as MessagePack has them: a map with one letter for each. `k` is the kind, `m` the hash of the
// sender's mesh, R, S and D are what travels with any message: records, statements, directives. The other letters mean
// something else in each kind. Ids travel as bytes and are hexadecimal text outside. Whatever is not as it must be is
// Malformed.

import { formatEndpoint, parseEndpoint } from "./address.ts";
import { fromHex, toHex } from "./bytes.ts";
import {
  BUCKET_HASH_LEN,
  CONFIG_MAX_LEN,
  DIGEST_BUCKETS,
  DIGEST_ENTRY_LEN,
  DIRECTIVES_MAX,
  type GossipBody,
  type GossipKind,
  ITEMS_MAX,
  type JoinerEntry,
  JOINERS_MAX,
  type Liveness,
  type Piggyback,
  SECRET_SEQ_MAX,
  WANT_MAX,
} from "./gossip_body.ts";
import { HELLO_LEN } from "./hello.ts";

/** The numbers of the kinds. Append-only. */
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

/** Thrown by `bodyOf` and `meshOf`, for decodeGossip to catch. */
class Malformed extends Error {}

// ------------------------------------------------------------------------------------------------- writing

/** The map of a message: its kind, the hash of its sender's mesh configuration, and its fields. */
export function fieldsOf(mesh: string | null, body: GossipBody): Record<string, unknown> {
  return { k: KINDS.indexOf(body.kind), m: mesh === null ? null : fromHex(mesh), ...ownFieldsOf(body) };
}

function ownFieldsOf(body: GossipBody): Record<string, unknown> {
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
      return {
        b: fromHex(body.life),
        o: fromHex(body.other),
        e: body.endpoint,
        ...(body.proof === undefined ? {} : { p: body.proof }),
      };
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

// ------------------------------------------------------------------------------------------------- reading

/** The hash of the sender's mesh configuration in a map. Throws when it is malformed. */
export function meshOf(f: Record<string, unknown>): string | null {
  return f["m"] === null ? null : hexField(f["m"], 8);
}

/** The body in a map; nothing in it refers to the map. Throws when anything in it is malformed. */
export function bodyOf(f: Record<string, unknown>): GossipBody {
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
      if (typeof f["c"] !== "string" || f["c"].length > CONFIG_MAX_LEN) throw new Malformed();
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
        ...(f["p"] === undefined ? {} : { proof: bytesField(f["p"], HELLO_LEN) }),
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
  const directives = listField(f["D"] ?? [], DIRECTIVES_MAX).map((raw) => bytesField(raw, null));
  return {
    ...(directives.length === 0 ? {} : { directives }),
    records: listField(f["R"] ?? [], ITEMS_MAX).map((item) => {
      const [raw, state] = listField(item, 8);
      return { raw: bytesField(raw, null), state: livenessField(state) };
    }),
    statements: listField(f["S"] ?? [], ITEMS_MAX).map((item) => {
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
