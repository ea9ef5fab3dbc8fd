/**
 * The kernel's neighbour tables in rtnetlink (RTM_GETNEIGHTBL, linux/neighbour.h): one of each family for all network
 * namespaces together. Only read. What is told of a single interface's parameters is null, as is what is malformed.
 */

import { u32le } from "./bytes.ts";
import { decodeAttributes, readU32 } from "./netlink.ts";
import { AF_INET, AF_INET6 } from "./rtnetlink.ts";

export const RTM_NEWNEIGHTBL = 64;
export const RTM_GETNEIGHTBL = 66;

const NDTMSG_LEN = 4; // | family | pad 3 |
const NDTA_THRESH3 = 4;
const NDTA_CONFIG = 5;
const NDTA_STATS = 7;
const ENTRIES_AT = 4; // of struct ndt_config
const FULLS_AT = 80; // of struct ndt_stats: its eleventh number

export interface NeighbourTableMessage {
  readonly family: number;
  readonly entries: number;
  /** gc_thresh3. */
  readonly limit: number;
  /** How often there was no room for a new entry, since the host started. */
  readonly fulls: number;
}

/** Payload of a dump of the table of one family. */
export function encodeNeighbourTableDump(family: number): Uint8Array {
  return Uint8Array.of(family, 0, 0, 0);
}

export function decodeNeighbourTable(b: Uint8Array): NeighbourTableMessage | null {
  const attributes = b.length < NDTMSG_LEN ? null : decodeAttributes(b, NDTMSG_LEN);
  const family = b[0];
  if (attributes === null || (family !== AF_INET && family !== AF_INET6)) return null;
  const limit = readU32(attributes, NDTA_THRESH3);
  const config = attributes.get(NDTA_CONFIG), stats = attributes.get(NDTA_STATS);
  if (limit === null || config === undefined || config.length < ENTRIES_AT + 4) return null;
  if (stats === undefined || stats.length < FULLS_AT + 8) return null;
  const fulls = u32le(stats, FULLS_AT) + u32le(stats, FULLS_AT + 4) * 2 ** 32;
  return { family, entries: u32le(config, ENTRIES_AT), limit, fulls };
}
