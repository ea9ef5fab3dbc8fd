import { test } from "node:test";
import assert from "node:assert/strict";
import { GOSSIP_MAX_LEN } from "../../src/wire/gossip.ts";
import {
  CONFIG_MAX_LEN,
  DIGEST_ENTRIES_MAX,
  DIGEST_ENTRY_LEN,
  type GossipBody,
  type RecordItem,
  SECRET_SEQ_MAX,
  SPAN_LEN,
  SPANS_MAX,
  type Statement,
  TABLES,
  TREE_FANOUT,
  TREE_HASH_LEN,
  WANT_MAX,
} from "../../src/wire/gossip_body.ts";
import { HELLO_LEN } from "../../src/wire/hello.ts";
import * as size from "../../src/wire/gossip.ts";
import { encodeGroupMessage, GROUP_MESSAGE_MAX, GROUP_SEALED_AT } from "../../src/wire/group_message.ts";
import { DATA_LEN } from "../../src/wire/data_header.ts";
import { AEAD_TAG_LEN } from "../../src/wire/overhead.ts";
import { encodeGossip } from "../made/gossip.ts";

const ID = "ab".repeat(32);
const MESH = "0123456789abcdef";
const NUMBERS = [0, 127, 128, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1];

const lengthOf = (body: GossipBody) => encodeGossip(0, { mesh: MESH, body }).length;

/** What `items` take together beside what a message has around two of them. */
function measured<T>(item: T, body: (items: T[]) => GossipBody): number {
  return lengthOf(body([item, item])) - lengthOf(body([item]));
}

test("recordItemLen(), statementLen() and directiveLen() are the lengths on the wire", () => {
  for (const length of [0, 1, 100, 255, 256, 300, 500]) {
    const record: RecordItem = { raw: new Uint8Array(length), state: 2 };
    const records = (items: RecordItem[]): GossipBody => ({ kind: "push", ack: false, records: items });
    assert.equal(size.recordItemLen(record), measured(record, records), `record of ${length}`);
    const directives = (items: Uint8Array[]): GossipBody => ({ kind: "push", ack: false, directives: items });
    assert.equal(size.directiveLen(record.raw), measured(record.raw, directives), `directive of ${length}`);
  }
  for (const number of NUMBERS) {
    for (const more of [{}, { stopped: true as const }]) {
      const statement: Statement = { id: ID, incarnation: number, state: 2, ...more };
      const statements = (items: Statement[]): GossipBody => ({ kind: "ping", seq: 0, statements: items });
      assert.equal(size.statementLen(statement), measured(statement, statements), `incarnation ${number}`);
    }
  }
});

test("GOSSIP_ROOM leaves what the longest message around the items takes", () => {
  const raw = new Uint8Array(size.GOSSIP_ROOM - 3);
  const directives = [raw];
  const around = lengthOf({ kind: "ping", seq: 2 ** 48 - 1, directives }) - size.directiveLen(raw);
  assert.ok(around + size.GOSSIP_ROOM <= size.GOSSIP_BUDGET, `${around}`);
});

test("A message of GOSSIP_BUDGET bytes makes no datagram of more than 1200, whatever is put around it", () => {
  assert.ok(size.GOSSIP_BUDGET <= GROUP_MESSAGE_MAX);
  const gossip = new Uint8Array(size.GOSSIP_BUDGET);
  const plaintext = encodeGroupMessage({ incarnation: 1, sequence: 2, gossip });
  assert.ok(GROUP_SEALED_AT + 16 + plaintext.length <= GOSSIP_MAX_LEN, "under the network's key");
  assert.ok(DATA_LEN + gossip.length + AEAD_TAG_LEN <= GOSSIP_MAX_LEN, "over a session");
});

test("Every message that is not packed by length fits as well, however long what is in it", () => {
  const number = 2 ** 48 - 1;
  const prefix = "12".repeat(8);
  const longest: GossipBody[] = [
    { kind: "ping-request", seq: number, target: ID },
    {
      kind: "sync",
      round: number,
      roots: new Uint8Array(TABLES * TREE_HASH_LEN),
      informed: true,
      ready: true,
      dead: new Uint8Array(TREE_HASH_LEN),
    },
    { kind: "same", round: number, tables: 3 },
    {
      kind: "tree",
      round: number,
      table: 1,
      at: TREE_FANOUT,
      hashes: new Uint8Array(TREE_FANOUT * TREE_HASH_LEN),
      counts: new Uint8Array(TREE_FANOUT),
    },
    { kind: "expand", round: number, table: 1, group: TREE_FANOUT - 1 },
    {
      kind: "list",
      round: number,
      table: 1,
      request: number,
      spans: new Uint8Array(SPANS_MAX * SPAN_LEN),
      after: prefix,
    },
    {
      kind: "digest",
      round: number,
      table: 1,
      request: number,
      to: prefix,
      entries: new Uint8Array(DIGEST_ENTRIES_MAX * DIGEST_ENTRY_LEN),
    },
    { kind: "want", table: 1, prefixes: Array<string>(WANT_MAX).fill(prefix) },
    { kind: "full", capacity: number },
    { kind: "claim-ack", incarnation: number, epoch: number },
    { kind: "config", config: "x".repeat(CONFIG_MAX_LEN) },
    { kind: "secret", seq: SECRET_SEQ_MAX, issuer: prefix, dropOld: true, root: new Uint8Array(32) },
    {
      kind: "clone",
      life: prefix,
      other: prefix,
      endpoint: "[2001:db8:1111:2222:3333:4444:5555:6666]:65535",
      proof: new Uint8Array(HELLO_LEN),
    },
  ];
  for (const body of longest) {
    assert.ok(lengthOf(body) <= size.GOSSIP_BUDGET, `${body.kind}: ${lengthOf(body)}`);
  }
});
