import { test } from "node:test";
import assert from "node:assert/strict";
import { toHex } from "../../src/wire/bytes.ts";
import * as wire from "../../src/wire/gossip.ts";
import {
  DIGEST_ENTRIES_MAX,
  DIGEST_ENTRY_LEN,
  type GossipBody,
  type RecordItem,
  SPAN_LEN,
  SPANS_MAX,
  type Statement,
  TABLES,
  TREE_FANOUT,
  TREE_HASH_LEN,
  WANT_MAX,
} from "../../src/wire/gossip_body.ts";
import { below, randomBytes, seeded } from "../made/seeded.ts";
import { encodeGossip } from "../made/gossip.ts";

const ID = "ab".repeat(32);
const STATEMENT: Statement = { id: ID, incarnation: 2 ** 47, state: 1 };
const RECORD: RecordItem = { raw: new Uint8Array(300).fill(7), state: 2 };
const STOPPED: Statement = { id: ID, incarnation: 3, state: 2, stopped: true };
const ROOTS = new Uint8Array(TABLES * TREE_HASH_LEN).fill(9);
const CARRIED = { records: [RECORD], statements: [STATEMENT, STOPPED] };

const BODIES: GossipBody[] = [
  { kind: "ping", seq: 0, ...CARRIED },
  { kind: "pong", seq: 2 ** 40, records: [], statements: [] },
  { kind: "ping-request", seq: 5, target: ID, ...CARRIED },
  { kind: "push", ack: true, ...CARRIED },
  { kind: "push", ack: false, records: [], statements: [] },
  { kind: "sync", round: 3, roots: ROOTS, informed: true, ready: false, dead: new Uint8Array(8).fill(7) },
  {
    kind: "push",
    ack: false,
    records: [],
    statements: [],
    directives: Array(4).fill(new Uint8Array(256).fill(5)),
  },
  { kind: "sync", round: 5, roots: ROOTS, informed: true, ready: true, dead: new Uint8Array(8).fill(7) },
  { kind: "sync", round: 4, roots: ROOTS, informed: false, ready: true, dead: new Uint8Array(8).fill(7) },
  { kind: "same", round: 4, tables: 3 },
  {
    kind: "tree",
    round: 4,
    table: 1,
    at: TREE_FANOUT,
    hashes: new Uint8Array(TREE_FANOUT * TREE_HASH_LEN).fill(8),
    counts: new Uint8Array(TREE_FANOUT).fill(255),
  },
  { kind: "expand", round: 4, table: 0, group: TREE_FANOUT - 1 },
  { kind: "list", round: 4, table: 0, request: 1, spans: new Uint8Array(SPANS_MAX * SPAN_LEN), after: null },
  { kind: "list", round: 4, table: 1, request: 2 ** 40, spans: new Uint8Array(0), after: "ff".repeat(8) },
  {
    kind: "digest",
    round: 3,
    table: 1,
    request: 7,
    to: "00".repeat(8),
    entries: new Uint8Array(DIGEST_ENTRIES_MAX * DIGEST_ENTRY_LEN).fill(3),
  },
  { kind: "digest", round: 3, table: 0, request: 0, to: null, entries: new Uint8Array(0) },
  { kind: "want", table: 1, prefixes: Array.from({ length: WANT_MAX }, () => "12".repeat(8)) },
  { kind: "full", capacity: 16_384 },
  { kind: "claim-ack", incarnation: 4, epoch: 5 },
  {
    kind: "joining",
    leader: ID,
    seq: 77,
    distance: 3,
    upward: true,
    agreed: 76,
    count: 12,
    complete: true,
    total: 300,
  },
  { kind: "config", config: '{"network":"10.42.0.0/16"}' },
  {
    kind: "secret",
    seq: 3,
    issuer: "0123456789abcdef",
    dropOld: true,
    root: new Uint8Array(32).fill(9),
  },
  { kind: "clone", life: "0123456789abcdef", other: "fedcba9876543210", endpoint: "[fd00::1]:8473" },
  { kind: "clone", life: "0123456789abcdef", other: "fedcba9876543210", endpoint: null },
  { kind: "link-wish", from: "1a".repeat(32), to: "2b".repeat(32), needed: true },
  { kind: "link-wish", from: "1a".repeat(32), to: "2b".repeat(32), needed: false },
];

test("fitGossip() puts type, version and the receiver's index in front", () => {
  const b = encodeGossip(0x01020300, {
    mesh: null,
    body: { kind: "claim-ack", incarnation: 1, epoch: 2 },
  });
  assert.equal(toHex(b.slice(0, 8)), "2101000001020300");
  assert.equal(toHex(b.slice(8)), "84a16b07a16dc0a16901a16502"); // {k: 7, m: nil, i: 1, e: 2}
  assert.equal(wire.gossipIndex(b), 0x01020300);
  assert.equal(wire.gossipVersion(b), 1);
});

test("decodeGossip() gives back every kind of message, within 1200 bytes", () => {
  for (const body of BODIES) {
    for (const mesh of [null, "0123456789abcdef"]) {
      const b = encodeGossip(1, { mesh, body });
      assert.ok(b.length <= wire.GOSSIP_MAX_LEN, `${body.kind}: ${b.length}`);
      assert.deepEqual(wire.decodeGossip(b), { mesh, body });
    }
  }
});

test("decodeGossip() ignores unknown fields", () => {
  const b = encodeGossip(1, { mesh: null, body: { kind: "claim-ack", incarnation: 1, epoch: 2 } });
  const more = new Uint8Array(b.length + 3);
  more.set(b);
  more.set([0xa1, 0x7a, 0x05], b.length); // "z": 5
  more[8] = 0x85;
  assert.deepEqual(wire.decodeGossip(more), wire.decodeGossip(b));
});

test("fitGossip() is null when the datagram would be longer than it may be", () => {
  const records = [{ raw: new Uint8Array(1200), state: 0 as const }];
  const body = { kind: "push" as const, ack: false, records };
  assert.equal(wire.fitGossip(1, { mesh: null, body }, wire.GOSSIP_MAX_LEN), null);
});

test("decodeGossip() returns null at every shorter length, of another type or version, and over 1200 bytes", () => {
  for (const body of BODIES) {
    const b = encodeGossip(1, { mesh: "0123456789abcdef", body });
    for (let n = 0; n < b.length; n++) {
      assert.equal(wire.decodeGossip(b.slice(0, n)), null, `${body.kind} ${n}`);
    }
    assert.equal(wire.decodeGossip(Uint8Array.from([0x20, ...b.slice(1)])), null);
    assert.equal(wire.decodeGossip(Uint8Array.from([b[0]!, 2, ...b.slice(2)])), null);
    assert.equal(wire.decodeGossip(Uint8Array.from([...b, ...new Uint8Array(1200)])), null);
  }
});

test("decodeGossip() never throws, and keeps nothing of the buffer, when bytes are changed at random", () => {
  const random = seeded(1);
  for (let i = 0; i < 20_000; i++) {
    const b = encodeGossip(1, { mesh: null, body: BODIES[i % BODIES.length]! });
    for (let n = below(random, 4); n >= 0; n--) b[8 + below(random, b.length - 8)] = below(random, 256);
    wire.decodeGossip(b);
  }
  const b = encodeGossip(1, { mesh: null, body: BODIES[3]! });
  const message = wire.decodeGossip(b);
  b.fill(0xa5);
  assert.deepEqual(message, { mesh: null, body: BODIES[3]! });
});

test("decodeGossip() never throws on random bodies", () => {
  const random = seeded(2);
  for (let i = 0; i < 20_000; i++) {
    const b = randomBytes(random, 8 + below(random, 100));
    b.set([0x21, 1]);
    wire.decodeGossip(b);
  }
});
