/**
 * What an nftables rule does, step by step (linux/netfilter/nf_tables.h, NFTA_EXPR_…): as many of the kernel's expressions
 * as masquerading and MSS clamping take, in the order and the form in which nft(8) writes them, so that it lists them as a
 * person would have written them. All of them work on register 1. Bytes are hexadecimal text, so that expressions compare
 * as text. Attributes are big-endian here, unlike those of rtnetlink. Decoders return null for what we never write.
 */

import { fromHex, i32, putU32, toHex, u32 } from "./bytes.ts";
import {
  attribute,
  type Attributes,
  attributeText,
  decodeAttributes,
  join,
  nest,
  readText,
} from "./netlink.ts";

/** What a packet brings besides its bytes. `mark`, as any number of the host, is in the machine's order. */
export type MetaKey = keyof typeof META_KEYS;
export type Verdict = keyof typeof VERDICTS;

export type Expression =
  /** Loads it. */
  | { readonly kind: "meta"; readonly key: MetaKey }
  /** Loads bytes of the packet, counted from its network (IP) or transport header. */
  | {
    readonly kind: "payload";
    readonly base: "network" | "transport";
    readonly offset: number;
    readonly length: number;
  }
  /** Keeps the bits of a mask. */
  | { readonly kind: "mask"; readonly bits: string }
  /** Ends the rule unless what is loaded is equal to these bytes, or unequal. */
  | { readonly kind: "compare"; readonly equal: boolean; readonly to: string }
  /** Loads the largest TCP segment that fits the routes there and back. */
  | { readonly kind: "route mss" }
  /** Turns a loaded number of 16 bits into network order. */
  | { readonly kind: "hton" }
  /** Writes what is loaded over the packet's TCP option MSS, unless that is less. */
  | { readonly kind: "set mss" }
  /** Counts what comes so far. */
  | { readonly kind: "counter" }
  /** Source address of the interface that it leaves by, and any port (`fully-random`). */
  | { readonly kind: "masquerade" }
  | { readonly kind: "verdict"; readonly verdict: Verdict };

const META_KEYS = { mark: 3, iifname: 6, oifname: 7, l4proto: 16 } as const;
const VERDICTS = { drop: 0, accept: 1, return: -5 } as const;
const BASES = { network: 1, transport: 2 } as const;

const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const REGISTER = 1; // NFT_REG_1; 0 is that of verdicts
const VERDICT_REGISTER = 0;
const RT_TCPMSS = 3;
const HTON = 1;
const OP_TCP_OPTION = 1;
const TCP_OPTION_MSS = 2;
const NAT_RANDOM_FULLY = 0x10;

/** An attribute of 32 bits in network order. */
export function attributeU32be(type: number, value: number): Uint8Array {
  const b = new Uint8Array(4);
  putU32(b, 0, value >>> 0);
  return attribute(type, b);
}

/** A 32-bit attribute in network order; null when it is absent or of another size. */
export function readU32be(attributes: Attributes, type: number): number | null {
  const value = attributes.get(type);
  return value?.length === 4 ? u32(value, 0) : null;
}

/** The value of an attribute of expressions: NFTA_RULE_EXPRESSIONS. */
export function encodeExpressions(expressions: readonly Expression[]): Uint8Array {
  return join(expressions.map((expression) => {
    const [name, data] = encoded(expression);
    return nest(NFTA_LIST_ELEM, [attributeText(NFTA_EXPR_NAME, name), nest(NFTA_EXPR_DATA, data)]);
  }));
}

function encoded(e: Expression): [name: string, data: Uint8Array[]] {
  switch (e.kind) {
    case "meta": // dreg, key
      return ["meta", numbers([1, REGISTER], [2, META_KEYS[e.key]])];
    case "payload": // dreg, base, offset, length
      return ["payload", numbers([1, REGISTER], [2, BASES[e.base]], [3, e.offset], [4, e.length])];
    case "mask": { // sreg, dreg, length, mask, xor
      const bits = fromHex(e.bits)!;
      const registers = numbers([1, REGISTER], [2, REGISTER], [3, bits.length]);
      return ["bitwise", [...registers, dataOf(4, bits), dataOf(5, new Uint8Array(bits.length))]];
    }
    case "compare": // sreg, op, data
      return ["cmp", [...numbers([1, REGISTER], [2, e.equal ? 0 : 1]), dataOf(3, fromHex(e.to)!)]];
    case "route mss": // dreg, key
      return ["rt", numbers([1, REGISTER], [2, RT_TCPMSS])];
    case "hton": // sreg, dreg, op, length, size
      return ["byteorder", numbers([1, REGISTER], [2, REGISTER], [3, HTON], [4, 2], [5, 2])];
    case "set mss": // type, offset, length, op, sreg
      return ["exthdr", [
        attribute(2, Uint8Array.of(TCP_OPTION_MSS)),
        ...numbers([3, 2], [4, 2], [6, OP_TCP_OPTION], [7, REGISTER]),
      ]];
    case "counter": // bytes, packets: from nothing
      return ["counter", [attribute(1, new Uint8Array(8)), attribute(2, new Uint8Array(8))]];
    case "masquerade": // flags
      return ["masq", numbers([1, NAT_RANDOM_FULLY])];
    case "verdict": { // dreg, data
      const code = attributeU32be(NFTA_VERDICT_CODE, VERDICTS[e.verdict]);
      return ["immediate", [attributeU32be(1, VERDICT_REGISTER), nest(2, [nest(NFTA_DATA_VERDICT, [code])])]];
    }
  }
}

function numbers(...pairs: readonly (readonly [type: number, value: number])[]): Uint8Array[] {
  return pairs.map(([type, value]) => attributeU32be(type, value));
}

function dataOf(type: number, value: Uint8Array): Uint8Array {
  return nest(type, [attribute(NFTA_DATA_VALUE, value)]);
}

/** What an attribute of expressions holds; null when it is malformed, or holds any that we never write. */
export function decodeExpressions(b: Uint8Array): Expression[] | null {
  const expressions: Expression[] = [];
  for (let at = 0; at < b.length;) {
    const length = b.length - at < 4 ? 0 : b[at]! | b[at + 1]! << 8;
    if (length < 4 || length > b.length - at) return null;
    const element = decodeAttributes(b.subarray(at + 4, at + length));
    const name = element === null ? null : readText(element, NFTA_EXPR_NAME);
    const data = decodeAttributes(element?.get(NFTA_EXPR_DATA) ?? new Uint8Array(0));
    const expression = name === null || data === null ? null : decoded(name, data);
    if (expression === null) return null;
    expressions.push(expression);
    at += (length + 3) & ~3;
  }
  return expressions;
}

function decoded(name: string, data: Attributes): Expression | null {
  const has = (...pairs: readonly (readonly [type: number, value: number])[]) =>
    pairs.every(([type, value]) => readU32be(data, type) === value);
  switch (name) {
    case "meta": {
      const key = nameOf(META_KEYS, readU32be(data, 2));
      return key !== null && has([1, REGISTER]) ? { kind: "meta", key } : null;
    }
    case "payload": {
      const base = nameOf(BASES, readU32be(data, 2)),
        offset = readU32be(data, 3),
        length = readU32be(data, 4);
      if (base === null || offset === null || length === null || !has([1, REGISTER])) return null;
      return { kind: "payload", base, offset, length };
    }
    case "bitwise": {
      const bits = valueOf(data, 4), flipped = valueOf(data, 5);
      if (bits === null || !has([1, REGISTER], [2, REGISTER]) || (readU32be(data, 6) ?? 0) !== 0) return null;
      return flipped !== null && flipped.every((one) => one === 0)
        ? { kind: "mask", bits: toHex(bits) }
        : null;
    }
    case "cmp": {
      const to = valueOf(data, 3), op = readU32be(data, 2);
      if (to === null || (op !== 0 && op !== 1) || !has([1, REGISTER])) return null;
      return { kind: "compare", equal: op === 0, to: toHex(to) };
    }
    case "rt":
      return has([1, REGISTER], [2, RT_TCPMSS]) ? { kind: "route mss" } : null;
    case "byteorder":
      return has([1, REGISTER], [2, REGISTER], [3, HTON], [4, 2], [5, 2]) ? { kind: "hton" } : null;
    case "exthdr": {
      const type = data.get(2);
      const written = type?.length === 1 && type[0] === TCP_OPTION_MSS;
      const place = has([3, 2], [4, 2], [6, OP_TCP_OPTION], [7, REGISTER]) && (readU32be(data, 5) ?? 0) === 0;
      return written && place ? { kind: "set mss" } : null;
    }
    case "counter":
      return { kind: "counter" };
    case "masq": // the flags and nothing else: no ports
      return data.size === 1 && has([1, NAT_RANDOM_FULLY]) ? { kind: "masquerade" } : null;
    case "immediate":
      return decodedVerdict(data);
    default:
      return null;
  }
}

function decodedVerdict(data: Attributes): Expression | null {
  if (readU32be(data, 1) !== VERDICT_REGISTER) return null;
  const held = decodeAttributes(data.get(2) ?? new Uint8Array(0));
  const verdict = decodeAttributes(held?.get(NFTA_DATA_VERDICT) ?? new Uint8Array(0));
  const code = verdict?.get(NFTA_VERDICT_CODE);
  const name = code?.length === 4 ? nameOf(VERDICTS, i32(code, 0)) : null;
  return name === null ? null : { kind: "verdict", verdict: name };
}

function valueOf(data: Attributes, type: number): Uint8Array | null {
  return decodeAttributes(data.get(type) ?? new Uint8Array(0))?.get(NFTA_DATA_VALUE) ?? null;
}

function nameOf<K extends string>(table: Readonly<Record<K, number>>, value: number | null): K | null {
  return (Object.keys(table) as K[]).find((key) => table[key] === value) ?? null;
}
