/** Genuine messages to begin with: one of each kind of gossip, with everything it can carry. */

import {
  DIGEST_ENTRY_LEN,
  type GossipBody,
  type RecordItem,
  SPAN_LEN,
  type Statement,
  TABLES,
  TREE_HASH_LEN,
  WANT_MAX,
} from "../../src/wire/gossip_body.ts";
import { encodeGossip } from "../made/gossip.ts";

const ID = "ab".repeat(32);

/** Datagrams of type 0x21 that carry these records and directives. */
export function genuineGossip(
  records: readonly Uint8Array[],
  directives: readonly Uint8Array[],
  mesh: string | null = "12".repeat(8),
): Uint8Array[] {
  const roots = new Uint8Array(TABLES * TREE_HASH_LEN).fill(9);
  const statements: Statement[] = [
    { id: ID, incarnation: 2 ** 47, state: 1 },
    { id: ID, incarnation: 3, state: 2, stopped: true },
  ];
  const items: RecordItem[] = records.map((raw) => ({ raw, state: 0 }));
  const bodies: GossipBody[] = [
    { kind: "ping", seq: 5, statements },
    { kind: "ping", seq: 6, records: items.slice(0, 1), statements },
    { kind: "pong", seq: 2 ** 40 },
    { kind: "ping-request", seq: 5, target: ID, statements },
    { kind: "push", ack: true, records: items.slice(0, 2) },
    { kind: "push", ack: false, directives },
    { kind: "sync", round: 3, roots, informed: true, ready: false, dead: new Uint8Array(8).fill(7) },
    { kind: "same", round: 3, tables: 1 },
    {
      kind: "tree",
      round: 3,
      table: 0,
      at: 2,
      hashes: new Uint8Array(512).fill(4),
      counts: new Uint8Array(64).fill(2),
    },
    { kind: "expand", round: 3, table: 1, group: 5 },
    {
      kind: "list",
      round: 3,
      table: 0,
      request: 9,
      spans: new Uint8Array(SPAN_LEN * 2),
      after: "12".repeat(8),
    },
    {
      kind: "digest",
      round: 3,
      table: 0,
      request: 9,
      to: "ff".repeat(8),
      entries: new Uint8Array(2 * DIGEST_ENTRY_LEN).fill(3),
    },
    { kind: "want", table: 0, prefixes: ["12".repeat(8), "34".repeat(8)] },
    { kind: "full", capacity: 16_384 },
    { kind: "claim-ack", incarnation: 1, epoch: 5 },
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
    { kind: "clone", life: "12".repeat(8), other: "34".repeat(8), endpoint: "192.168.1.10:8473" },
    { kind: "secret", seq: 2, issuer: "56".repeat(8), dropOld: true, root: new Uint8Array(32).fill(7) },
  ];
  return bodies.map((body) => encodeGossip(0, { mesh, body }));
}

/** Lists as long as they may be, and one longer. */
export function fullGossip(): Uint8Array[] {
  return [0, 1].flatMap((more): GossipBody[] => [
    { kind: "want", table: 0, prefixes: new Array<string>(WANT_MAX + more).fill("12".repeat(8)) },
  ]).map((body) => encodeGossip(0, { mesh: null, body }));
}
