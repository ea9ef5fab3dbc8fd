/**
 * Tables of nftables with their chains and rules as netlink carries them (linux/netfilter/nf_tables.h, nfnetlink.h):
 * payloads of messages of wire/netlink.ts. A change is a batch, of which the kernel does all or nothing. Tables here have
 * base chains only. Encoders return the whole payload, fixed header and attributes; decoders return null when malformed.
 */

import { i32 } from "./bytes.ts";
import {
  attribute,
  type Attributes,
  attributeText,
  decodeAttributes,
  join,
  nest,
  readNested,
  readText,
} from "./netlink.ts";
import {
  attributeU32be,
  decodeExpressions,
  encodeExpressions,
  type Expression,
  readU32be,
} from "./nft_expression.ts";

export const NFNL_MSG_BATCH_BEGIN = 0x10;
export const NFNL_MSG_BATCH_END = 0x11;
const SUBSYSTEM = 10; // NFNL_SUBSYS_NFTABLES: the high byte of each type
const message = (type: number) => SUBSYSTEM << 8 | type;
export const NFT_MSG_NEWTABLE = message(0);
export const NFT_MSG_GETTABLE = message(1);
export const NFT_MSG_DELTABLE = message(2);
export const NFT_MSG_NEWCHAIN = message(3);
export const NFT_MSG_GETCHAIN = message(4);
export const NFT_MSG_NEWRULE = message(6);
export const NFT_MSG_GETRULE = message(7);

export const NFPROTO_UNSPEC = 0;
const FAMILIES = { ip: 2, ip6: 10 } as const;
export type TableFamily = keyof typeof FAMILIES;
const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

// struct nfgenmsg: | family u8 | version u8 | resource u16 big-endian |
const NFGENMSG_LEN = 4;
/** First of every table, chain, rule, set and object. */
const NFTA_TABLE = 1;
const NFTA_TABLE_USE = 3;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_POLICY = 5;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_NUM = 1;
const NFTA_HOOK_PRIORITY = 2;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_RULE_USERDATA = 7;
const POLICY_DROP = 0;
const POLICY_ACCEPT = 1;
// User data of a rule, as nft(8) has it: | type u8 | length u8 | value |, of which type 0 is a NUL-terminated comment.
const UDATA_COMMENT = 0;
const COMMENT_MAX = 128;

/** Where a table is. */
export interface TableName {
  readonly family: TableFamily;
  readonly name: string;
}

/** A rule with the comment that nft(8) shows; "": none. */
export interface Rule {
  readonly comment: string;
  /** Null, of a rule that was read: others wrote it. */
  readonly expressions: readonly Expression[] | null;
}

/** A base chain: its hook, and what passes through it. What reaches its end is accepted. */
export interface Chain {
  readonly name: string;
  readonly type: "nat" | "filter";
  readonly hook: keyof typeof HOOKS;
  /** As nf_ip_hook_priorities: -150 mangle, 0 filter, 100 source NAT. */
  readonly priority: number;
  readonly rules: readonly Rule[];
}

export interface Table extends TableName {
  readonly chains: readonly Chain[];
}

/** A message but for its number and flags. */
export interface NftMessage {
  /** "chain forward", "rule 2 of chain forward", for an error. */
  readonly what: string;
  readonly type: number;
  readonly payload: Uint8Array;
}

function header(family: number, resource = 0): Uint8Array {
  return Uint8Array.of(family, 0, resource >>> 8, resource & 0xff);
}

/** Payload of NFNL_MSG_BATCH_BEGIN and _END. */
export function encodeBatchEnd(): Uint8Array {
  return header(NFPROTO_UNSPEC, SUBSYSTEM);
}

/** Payload of a dump of everything of a kind, or of the rules of one table. */
export function encodeDump(table?: TableName): Uint8Array {
  if (table === undefined) return header(NFPROTO_UNSPEC);
  return join([header(FAMILIES[table.family]), attributeText(NFTA_TABLE, table.name)]);
}

/** Payload of NFT_MSG_NEWTABLE, or _DELTABLE. */
export function encodeTable({ family, name }: TableName): Uint8Array {
  return join([header(FAMILIES[family]), attributeText(NFTA_TABLE, name)]);
}

/** Payload of NFT_MSG_GETCHAIN. */
export function encodeChainName({ family, name }: TableName, chain: string): Uint8Array {
  return join([
    header(FAMILIES[family]),
    attributeText(NFTA_TABLE, name),
    attributeText(NFTA_CHAIN_NAME, chain),
  ]);
}

/** All that makes a table, in the order in which the kernel wants it. */
export function tableMessages(table: Table): NftMessage[] {
  const messages = [{ what: "table", type: NFT_MSG_NEWTABLE, payload: encodeTable(table) }];
  for (const chain of table.chains) {
    const what = `chain ${chain.name}`;
    messages.push({ what, type: NFT_MSG_NEWCHAIN, payload: encodeChain(table, chain) });
    for (const [i, rule] of chain.rules.entries()) {
      const payload = encodeRule(table, chain.name, rule);
      messages.push({ what: `rule ${i + 1} of ${what}`, type: NFT_MSG_NEWRULE, payload });
    }
  }
  return messages;
}

function encodeChain(table: TableName, { name, type, hook, priority }: Chain): Uint8Array {
  const hooked = [attributeU32be(NFTA_HOOK_NUM, HOOKS[hook]), attributeU32be(NFTA_HOOK_PRIORITY, priority)];
  return join([
    encodeChainName(table, name),
    nest(NFTA_CHAIN_HOOK, hooked),
    attributeU32be(NFTA_CHAIN_POLICY, POLICY_ACCEPT),
    attributeText(NFTA_CHAIN_TYPE, type),
  ]);
}

function encodeRule({ family, name }: TableName, chain: string, { comment, expressions }: Rule): Uint8Array {
  const parts = [
    header(FAMILIES[family]),
    attributeText(NFTA_TABLE, name),
    attributeText(NFTA_RULE_CHAIN, chain),
    nest(NFTA_RULE_EXPRESSIONS, [encodeExpressions(expressions ?? [])]),
  ];
  if (comment !== "") parts.push(attribute(NFTA_RULE_USERDATA, commentData(comment)));
  return join(parts);
}

function commentData(comment: string): Uint8Array {
  const text = new TextEncoder().encode(`${comment}\0`);
  if (text.length > COMMENT_MAX) throw new RangeError(`A comment cannot hold ${text.length} bytes`);
  return Uint8Array.of(UDATA_COMMENT, text.length, ...text);
}

/** The table that a message of any kind is about; null when malformed, or of a family without tables of ours. */
export function decodeTableName(b: Uint8Array): TableName | null {
  const read = attributesOf(b);
  const name = read === null ? null : readText(read.attributes, NFTA_TABLE);
  return read === null || name === null ? null : { family: read.family, name };
}

/** A table as NFT_MSG_NEWTABLE shows it, and how many chains, sets and objects it has. */
export function decodeTable(b: Uint8Array): { readonly table: TableName; readonly parts: number } | null {
  const table = decodeTableName(b);
  const parts = table === null ? null : readU32be(attributesOf(b)!.attributes, NFTA_TABLE_USE);
  return table === null ? null : { table, parts: parts ?? 0 };
}

/** A chain as NFT_MSG_NEWCHAIN shows it, without its rules; null also where it is no base chain as we write them. */
export function decodeChain(b: Uint8Array): Chain | null {
  const attributes = attributesOf(b)?.attributes;
  const hooked = attributes === undefined ? null : readNested(attributes, NFTA_CHAIN_HOOK);
  if (attributes === undefined || hooked === null) return null;
  const name = readText(attributes, NFTA_CHAIN_NAME), type = readText(attributes, NFTA_CHAIN_TYPE);
  const number = readU32be(hooked, NFTA_HOOK_NUM), priority = hooked.get(NFTA_HOOK_PRIORITY);
  const hook = (Object.keys(HOOKS) as (keyof typeof HOOKS)[]).find((one) => HOOKS[one] === number);
  if (name === null || (type !== "nat" && type !== "filter") || hook === undefined) return null;
  if (priority?.length !== 4 || readU32be(attributes, NFTA_CHAIN_POLICY) !== POLICY_ACCEPT) return null;
  return { name, type, hook, priority: i32(priority, 0), rules: [] };
}

/** A chain of anybody's: where it hooks in (null: nowhere), and whether it drops what reaches its end. */
export interface ChainFacts {
  /** "ip", "ip6", "inet"; else the number of the family. */
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: string | null;
  readonly drops: boolean;
}

/** Any chain as NFT_MSG_NEWCHAIN shows it; null when malformed. */
export function decodeChainFacts(b: Uint8Array): ChainFacts | null {
  const attributes = b.length < NFGENMSG_LEN ? null : decodeAttributes(b, NFGENMSG_LEN);
  if (attributes === null) return null;
  const table = readText(attributes, NFTA_TABLE), name = readText(attributes, NFTA_CHAIN_NAME);
  if (table === null || name === null) return null;
  const families: Readonly<Record<number, string>> = { 1: "inet", 2: "ip", 10: "ip6" };
  const hooked = readNested(attributes, NFTA_CHAIN_HOOK);
  const number = hooked === null ? null : readU32be(hooked, NFTA_HOOK_NUM);
  const hook = (Object.keys(HOOKS) as (keyof typeof HOOKS)[]).find((one) => HOOKS[one] === number) ?? null;
  const drops = hooked !== null && readU32be(attributes, NFTA_CHAIN_POLICY) === POLICY_DROP;
  return { family: families[b[0]!] ?? `${b[0]}`, table, name, hook, drops };
}

/** A rule as NFT_MSG_NEWRULE shows it, and the chain that it is in. */
export function decodeRule(
  b: Uint8Array,
): { readonly table: TableName; readonly chain: string; readonly rule: Rule } | null {
  const table = decodeTableName(b);
  if (table === null) return null;
  const { attributes } = attributesOf(b)!;
  const chain = readText(attributes, NFTA_RULE_CHAIN);
  if (chain === null) return null;
  const expressions = decodeExpressions(attributes.get(NFTA_RULE_EXPRESSIONS) ?? new Uint8Array(0));
  return { table, chain, rule: { comment: commentOf(attributes.get(NFTA_RULE_USERDATA)), expressions } };
}

function commentOf(data: Uint8Array | undefined): string {
  for (let at = 0; data !== undefined && data.length - at >= 2;) {
    const type = data[at]!, length = data[at + 1]!;
    const value = data.subarray(at + 2, at + 2 + length);
    if (type === UDATA_COMMENT) return new TextDecoder().decode(value).replace(/\0.*$/s, "");
    at += 2 + length;
  }
  return "";
}

function attributesOf(
  b: Uint8Array,
): { readonly family: TableFamily; readonly attributes: Attributes } | null {
  if (b.length < NFGENMSG_LEN) return null;
  const family = (Object.keys(FAMILIES) as TableFamily[]).find((one) => FAMILIES[one] === b[0]);
  const attributes = decodeAttributes(b, NFGENMSG_LEN);
  return family === undefined || attributes === null ? null : { family, attributes };
}
