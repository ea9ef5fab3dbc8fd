/**
 * Rules of policy routing in rtnetlink (ip-rule(8), linux/fib_rules.h): which table a packet is looked up in. Only
 * read: ovltun installs none. Decoders return null when malformed and copy what they keep.
 */

import { addressFromU32 } from "./address.ts";
import { IPV4_BITS_AT, Prefix } from "./prefix.ts";
import { u32le } from "./bytes.ts";
import { decodeAttributes, readU32 } from "./netlink.ts";
import { AF_INET, bitsOf, readAddress } from "./rtnetlink.ts";

export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;

/** The rule names a table. */
export const FR_ACT_TO_TBL = 1;
/** It takes what does not fit its conditions. */
const FIB_RULE_INVERT = 2;

// struct fib_rule_hdr: | family | dst_len | src_len | tos | table | res 2 | action | flags u32 |
const HEADER_LEN = 12;
const TABLE_AT = 4;
const ACTION_AT = 7;
const FLAGS_AT = 8;

const FRA_DST = 1;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_SUPPRESS_PREFIXLEN = 14;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FRA_L3MDEV = 19;
/** iif, tunnel, oif, l3mdev, uid range, protocol of the packet, source and destination ports, DSCP, flow label. */
const CONDITIONS = [3, 12, 17, FRA_L3MDEV, 20, 22, 23, 24, 25, 26, 27];
const NO_SUPPRESSION = 0xffffffff;

/** A rule as RTM_NEWRULE shows it. */
export interface RuleMessage {
  readonly priority: number;
  readonly action: number;
  readonly table: number;
  /** Null: every destination. */
  readonly to: Prefix | null;
  readonly inverted: boolean;
  readonly mark: number;
  /** 0: the mark does not count. */
  readonly mask: number;
  /** Whether it has conditions besides destination and mark. */
  readonly conditional: boolean;
  /** FRA_SUPPRESS_PREFIXLEN, -1 without. */
  readonly suppress: number;
}

/** Payload of a dump of the rules of one family. */
export function encodeRuleDump(family: number): Uint8Array {
  const header = new Uint8Array(HEADER_LEN);
  header[0] = family;
  return header;
}

/** The payload of an RTM_NEWRULE of IPv4; null when malformed or of another family. */
export function decodeRule(b: Uint8Array): RuleMessage | null {
  const attributes = b.length < HEADER_LEN ? null : decodeAttributes(b, HEADER_LEN);
  if (attributes === null || b[0] !== AF_INET || b[1]! > bitsOf(AF_INET)) return null;
  const to = b[1] === 0 ? addressFromU32(0) : readAddress(attributes, FRA_DST, AF_INET);
  if (to === null) return null;
  const mark = readU32(attributes, FRA_FWMARK) ?? 0;
  const suppress = readU32(attributes, FRA_SUPPRESS_PREFIXLEN) ?? NO_SUPPRESSION;
  return {
    priority: readU32(attributes, FRA_PRIORITY) ?? 0,
    action: b[ACTION_AT]!,
    table: readU32(attributes, FRA_TABLE) ?? b[TABLE_AT]!,
    to: b[1] === 0 ? null : new Prefix(to, IPV4_BITS_AT + b[1]!),
    inverted: (u32le(b, FLAGS_AT) & FIB_RULE_INVERT) !== 0,
    mark,
    mask: readU32(attributes, FRA_FWMASK) ?? (mark === 0 ? 0 : 0xffffffff),
    conditional: b[2]! > 0 || b[3]! > 0 || CONDITIONS.some((type) => attributes.has(type)),
    suppress: suppress === NO_SUPPRESSION ? -1 : suppress,
  };
}
