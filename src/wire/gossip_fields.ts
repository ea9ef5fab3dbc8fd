/**
 * The fields of gossip, as MessagePack has them: a map with one letter for each. `k` is the kind, `m` the hash of the
 * sender's mesh, R, S and D are what travels with any message: records, statements, directives. The other letters mean
 * something else in each kind. Ids travel as bytes and are hexadecimal text outside. Whatever is not as it must be is
 * Malformed.
 */

import { fromHex } from "./bytes.ts";
import {
  CONFIG_MAX_LEN,
  DIGEST_ENTRIES_MAX,
  DIGEST_ENTRY_LEN,
  DIRECTIVES_MAX,
  type Gossip,
  type GossipBody,
  type GossipKind,
  hexField,
  intField,
  ITEMS_MAX,
  type Liveness,
  Malformed,
  must,
  type Piggyback,
  prefixField,
  type RecordItem,
  SECRET_SEQ_MAX,
  SPAN_LEN,
  SPANS_MAX,
  type Statement,
  TABLES,
  TREE_FANOUT,
  TREE_HASH_LEN,
  tuple,
  WANT_MAX,
} from "./gossip_body.ts";
import { HELLO_LEN } from "./hello.ts";
import { bytesOf, endpointOf, fewBytesOf, hexOf, listOf } from "./untrusted.ts";

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
  "same",
  "tree",
  "expand",
  "list",
  "full",
  "link-wish",
];

const ASKER_INFORMED = 1;
const ASKER_READY = 2;
/** No part of a message is longer than a datagram can be. */
const GOSSIP_BYTES = 65535;

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
        h: body.roots,
        q: (body.informed ? ASKER_INFORMED : 0) | (body.ready ? ASKER_READY : 0),
        d: body.dead,
      };
    case "same":
      return { r: body.round, b: body.tables };
    case "tree":
      return { r: body.round, t: body.table, a: body.at, h: body.hashes, c: body.counts };
    case "expand":
      return { r: body.round, t: body.table, a: body.group };
    case "list":
      return {
        r: body.round,
        t: body.table,
        n: body.request,
        p: body.spans,
        f: body.after === null ? null : fromHex(body.after),
      };
    case "digest":
      return {
        r: body.round,
        t: body.table,
        n: body.request,
        f: body.to === null ? null : fromHex(body.to),
        e: body.entries,
      };
    case "want":
      return { t: body.table, w: body.prefixes.map(fromHex) };
    case "full":
      return { c: body.capacity };
    case "claim-ack":
      return { i: body.incarnation, e: body.epoch };
    case "joining":
      return {
        l: fromHex(body.leader),
        s: body.seq,
        d: body.distance,
        u: body.upward,
        a: body.agreed,
        n: body.count,
        c: body.complete,
        t: body.total,
      };
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
    case "link-wish":
      return { f: fromHex(body.from), t: fromHex(body.to), n: body.needed };
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
    case "same":
      return { kind, round: intField(f["r"]), tables: intField(f["b"], 2 ** TABLES) };
    case "tree":
      return readTree(f);
    case "expand":
      return { kind, ...roundAndTable(f), group: intField(f["a"], TREE_FANOUT) };
    case "list":
      return readList(f);
    case "digest":
      return readDigest(f);
    case "want":
      return {
        kind,
        table: intField(f["t"], TABLES),
        prefixes: must(listOf(f["w"], WANT_MAX, (p) => hexOf(p, 8))),
      };
    case "full":
      return { kind, capacity: intField(f["c"]) };
    case "claim-ack":
      return { kind, incarnation: intField(f["i"]), epoch: intField(f["e"]) };
    case "joining":
      return readJoining(f);
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
    case "link-wish":
      return { kind, from: hexField(f["f"], 32), to: hexField(f["t"], 32), needed: f["n"] === true };
    default:
      throw new Malformed();
  }
}

function roundAndTable(f: Readonly<Record<string, unknown>>): { round: number; table: number } {
  return { round: intField(f["r"]), table: intField(f["t"], TABLES) };
}

function readSync(f: Readonly<Record<string, unknown>>): GossipBody {
  const asker = intField(f["q"]);
  return {
    kind: "sync",
    round: intField(f["r"]),
    roots: must(bytesOf(f["h"], TABLES * TREE_HASH_LEN)),
    informed: (asker & ASKER_INFORMED) !== 0,
    ready: (asker & ASKER_READY) !== 0,
    dead: must(bytesOf(f["d"], TREE_HASH_LEN)),
  };
}

function readTree(f: Readonly<Record<string, unknown>>): GossipBody {
  return {
    kind: "tree",
    ...roundAndTable(f),
    at: intField(f["a"], TREE_FANOUT + 1),
    hashes: must(bytesOf(f["h"], TREE_FANOUT * TREE_HASH_LEN)),
    counts: must(bytesOf(f["c"], TREE_FANOUT)),
  };
}

function readList(f: Readonly<Record<string, unknown>>): GossipBody {
  const spans = must(fewBytesOf(f["p"], SPANS_MAX * SPAN_LEN));
  if (spans.length % SPAN_LEN !== 0) throw new Malformed();
  const request = intField(f["n"]);
  if (request === 0) throw new Malformed();
  return { kind: "list", ...roundAndTable(f), request, spans, after: prefixField(f["f"]) };
}

function readDigest(f: Readonly<Record<string, unknown>>): GossipBody {
  const entries = must(fewBytesOf(f["e"], DIGEST_ENTRIES_MAX * DIGEST_ENTRY_LEN));
  if (entries.length % DIGEST_ENTRY_LEN !== 0) throw new Malformed();
  const request = intField(f["n"]);
  return { kind: "digest", ...roundAndTable(f), request, to: prefixField(f["f"]), entries };
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

function readJoining(f: Readonly<Record<string, unknown>>): GossipBody {
  return {
    kind: "joining",
    leader: hexField(f["l"], 32),
    seq: intField(f["s"]),
    distance: intField(f["d"]),
    upward: f["u"] === true,
    agreed: intField(f["a"]),
    count: intField(f["n"]),
    complete: f["c"] === true,
    total: intField(f["t"]),
  };
}
