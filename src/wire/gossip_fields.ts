/**
 * The fields of gossip, as MessagePack has them: a map with one letter for each. `k` is the kind, `m` the hash of the
 * sender's mesh, R, S and D are what travels with any message: records, statements, directives. The other letters mean
 * something else in each kind. Ids travel as bytes and are hexadecimal text outside. Whatever is not as it must be is
 * Malformed.
 */

import { fromHex } from "./bytes.ts";
import {
  BUCKET_HASH_LEN,
  CONFIG_MAX_LEN,
  DIGEST_BUCKETS,
  DIGEST_ENTRY_LEN,
  DIRECTIVES_MAX,
  type Gossip,
  type GossipBody,
  type GossipKind,
  ITEMS_MAX,
  type JoinerEntry,
  JOINERS_MAX,
  type Liveness,
  type Piggyback,
  type RecordItem,
  SECRET_SEQ_MAX,
  type Statement,
  WANT_MAX,
} from "./gossip_body.ts";
import { HELLO_LEN } from "./hello.ts";
import { bytesOf, endpointOf, fewBytesOf, hexOf, isWhole, listOf, VERSION_LIMIT } from "./untrusted.ts";

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
  "clone",
];

const ASKER_INFORMED = 1;
const ASKER_READY = 2;
/** No part of a message is longer than a datagram can be. */
const GOSSIP_BYTES = 65535;
const DIGEST_PARTS = 4096;
const TUPLE_MAX = 8;

/** Thrown in here alone, for readGossip to catch. */
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
        d: fromHex(body.directives),
      };
    case "digest": {
      const { round, part, parts, buckets, from, to, entries } = body;
      const range = { b: buckets, f: fromHex(from), t: fromHex(to) };
      return { r: round, p: part, n: parts, ...range, e: entries, d: fromHex(body.directives) };
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
    case "clone":
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

/** The message in a map; nothing in it refers to the map. Null when anything in it is malformed. */
export function readGossip(f: Readonly<Record<string, unknown>>): Gossip | null {
  try {
    return { mesh: f["m"] === null ? null : hexField(f["m"], 8), body: bodyOf(f) };
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

function bodyOf(f: Readonly<Record<string, unknown>>): GossipBody {
  const kind = KINDS[intField(f["k"], 256)];
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
      return { kind, prefixes: must(listOf(f["w"], WANT_MAX, (p) => hexOf(p, 8))) };
    case "claim-ack":
      return { kind, incarnation: intField(f["i"]), epoch: intField(f["e"]) };
    case "joining":
      return { kind, joiners: must(listOf(f["j"], JOINERS_MAX, readJoiner)) };
    case "config":
      if (typeof f["c"] !== "string" || f["c"].length > CONFIG_MAX_LEN) throw new Malformed();
      return { kind, config: f["c"] };
    case "secret":
      return {
        kind,
        seq: intField(f["q"], SECRET_SEQ_MAX + 1),
        issuer: hexField(f["i"], 8),
        dropOld: f["o"] === true,
        root: must(bytesOf(f["x"], 32)),
      };
    case "clone":
      return {
        kind,
        life: hexField(f["b"], 8),
        other: hexField(f["o"], 8),
        endpoint: f["e"] === null ? null : must(endpointOf(f["e"])),
        ...(f["p"] === undefined ? {} : { proof: must(bytesOf(f["p"], HELLO_LEN)) }),
      };
    default:
      throw new Malformed();
  }
}

function readSync(f: Readonly<Record<string, unknown>>): GossipBody {
  const asker = intField(f["q"]);
  return {
    kind: "sync",
    round: intField(f["r"]),
    hashes: must(bytesOf(f["h"], DIGEST_BUCKETS * BUCKET_HASH_LEN)),
    directives: hexField(f["d"], 8),
    informed: (asker & ASKER_INFORMED) !== 0,
    ready: (asker & ASKER_READY) !== 0,
  };
}

function readDigest(f: Readonly<Record<string, unknown>>): GossipBody {
  const entries = must(fewBytesOf(f["e"], GOSSIP_BYTES));
  if (entries.length % DIGEST_ENTRY_LEN !== 0) throw new Malformed();
  const parts = intField(f["n"], DIGEST_PARTS + 1);
  const part = intField(f["p"], parts);
  return {
    kind: "digest",
    round: intField(f["r"]),
    part,
    parts,
    buckets: intField(f["b"]),
    from: hexField(f["f"], 8),
    to: hexField(f["t"], 8),
    entries,
    directives: hexField(f["d"], 8),
  };
}

function readPiggyback(f: Readonly<Record<string, unknown>>): Piggyback {
  const directives = must(listOf(f["D"] ?? [], DIRECTIVES_MAX, (raw) => fewBytesOf(raw, GOSSIP_BYTES)));
  return {
    ...(directives.length === 0 ? {} : { directives }),
    records: must(listOf(f["R"] ?? [], ITEMS_MAX, readRecord)),
    statements: must(listOf(f["S"] ?? [], ITEMS_MAX, readStatement)),
  };
}

function readRecord(item: unknown): RecordItem {
  const [raw, state] = tuple(item);
  return { raw: must(fewBytesOf(raw, GOSSIP_BYTES)), state: intField(state, 3) as Liveness };
}

function readStatement(item: unknown): Statement {
  const [id, incarnation, state, stopped] = tuple(item);
  const told = {
    id: hexField(id, 32),
    incarnation: intField(incarnation),
    state: intField(state, 3) as Liveness,
  };
  return stopped === true ? { ...told, stopped } : told;
}

function readJoiner(item: unknown): JoinerEntry {
  const [id, seq, age, complete, view] = tuple(item);
  return {
    id: hexField(id, 32),
    seq: intField(seq),
    age: intField(age),
    complete: complete === true,
    view: hexField(view, 8),
  };
}

/** The fields of one item; what later versions put behind them is ignored. */
function tuple(item: unknown): readonly unknown[] {
  if (!Array.isArray(item) || item.length > TUPLE_MAX) throw new Malformed();
  return item;
}

function intField(value: unknown, limit = VERSION_LIMIT): number {
  if (!isWhole(value, limit)) throw new Malformed();
  return value;
}

function hexField(value: unknown, length: number): string {
  return must(hexOf(value, length));
}

function must<T>(value: T | null): T {
  if (value === null) throw new Malformed();
  return value;
}
