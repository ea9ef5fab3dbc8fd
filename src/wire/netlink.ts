/**
 * Netlink messages (RFC 3549, linux/netlink.h): the header, attributes, and the kernel's acknowledgement with
 * its own sentence. Every integer of the framing is in the machine's order, little-endian wherever we run.
 * Not a hot path: encoders allocate what they return. Decoders check every bound, never throw, and lend views
 * of the buffer they were given.
 */

import { putU16le, putU32le, u16le, u32le } from "./bytes.ts";

// | length u32 | type u16 | flags u16 | sequence u32 | port u32 |
export const NLMSG_LEN = 16;
const TYPE_AT = 4;
const FLAGS_AT = 6;
const SEQUENCE_AT = 8;
const PORT_AT = 12;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 1;
export const NLM_F_MULTI = 2;
export const NLM_F_ACK = 4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300; // ROOT | MATCH, on a get
export const NLM_F_REPLACE = 0x100; // these four on a new
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
const NLM_F_CAPPED = 0x100; // these two on an error
const NLM_F_ACK_TLVS = 0x200;

const ATTRIBUTE_LEN = 4; // | length u16 | type u16 |
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;

/** One message. `payload` is borrowed from the buffer it was read from. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** nlmsg_pid: the socket it is for, 0 in what we send. */
  readonly port: number;
  readonly payload: Uint8Array;
}

/** Attributes by type, without the two flag bits. Where a type occurs twice the last one counts, as in libnl. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

/** What the kernel answers to a request: 0, or an errno with its sentence where it gives one. */
export interface Acknowledgement {
  readonly errno: number;
  readonly text: string | null;
  /** Where in the request, header included, the attribute is that it objects to; absent: it does not say. */
  readonly offset?: number;
}

const align = (length: number): number => (length + 3) & ~3;

/** A request, ready to send. The payload begins with the fixed header of its message type. */
export function encodeMessage(
  type: number,
  flags: number,
  sequence: number,
  payload: Uint8Array,
): Uint8Array {
  // An explicit ArrayBuffer: Bun moves small typed arrays, and this one goes to sendto(2).
  const b = new Uint8Array(new ArrayBuffer(NLMSG_LEN + align(payload.length)));
  putU32le(b, 0, NLMSG_LEN + payload.length);
  putU16le(b, TYPE_AT, type);
  putU16le(b, FLAGS_AT, flags);
  putU32le(b, SEQUENCE_AT, sequence);
  b.set(payload, NLMSG_LEN);
  return b;
}

/** The messages of one datagram; null when a length does not fit. */
export function decodeMessages(b: Uint8Array): NetlinkMessage[] | null {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at < b.length;) {
    if (b.length - at < NLMSG_LEN) return null;
    const length = u32le(b, at);
    if (length < NLMSG_LEN || length > b.length - at) return null;
    messages.push({
      type: u16le(b, at + TYPE_AT),
      flags: u16le(b, at + FLAGS_AT),
      sequence: u32le(b, at + SEQUENCE_AT),
      port: u32le(b, at + PORT_AT),
      payload: b.subarray(at + NLMSG_LEN, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** Parts one after another. */
export function join(parts: readonly Uint8Array[]): Uint8Array {
  const b = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    b.set(part, at);
    at += part.length;
  }
  return b;
}

/** One attribute, padded to four bytes. Throws RangeError beyond 65531 bytes of value. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  if (value.length > 0xffff - ATTRIBUTE_LEN) {
    throw new RangeError(`An attribute cannot hold ${value.length} bytes`);
  }
  const b = new Uint8Array(align(ATTRIBUTE_LEN + value.length));
  putU16le(b, 0, ATTRIBUTE_LEN + value.length);
  putU16le(b, 2, type);
  b.set(value, ATTRIBUTE_LEN);
  return b;
}

/** An attribute of 32 bits in the machine's order. */
export function attributeU32(type: number, value: number): Uint8Array {
  const b = new Uint8Array(4);
  putU32le(b, 0, value);
  return attribute(type, b);
}

/** An attribute that holds a NUL-terminated string. */
export function attributeText(type: number, text: string): Uint8Array {
  return attribute(type, new TextEncoder().encode(`${text}\0`));
}

/** An attribute of attributes. */
export function nest(type: number, attributes: readonly Uint8Array[]): Uint8Array {
  return attribute(type | NLA_F_NESTED, join(attributes));
}

/** The attributes of `b` from `at` to its end; null when a length does not fit. */
export function decodeAttributes(b: Uint8Array, at = 0): Attributes | null {
  const attributes = new Map<number, Uint8Array>();
  while (b.length - at >= ATTRIBUTE_LEN) {
    const length = u16le(b, at);
    if (length < ATTRIBUTE_LEN || length > b.length - at) return null;
    attributes.set(u16le(b, at + 2) & NLA_TYPE_MASK, b.subarray(at + ATTRIBUTE_LEN, at + length));
    at += align(length);
  }
  return attributes;
}

/** A 32-bit attribute, unsigned; null when it is absent or of another size. */
export function readU32(attributes: Attributes, type: number): number | null {
  const value = attributes.get(type);
  return value?.length === 4 ? u32le(value, 0) : null;
}

/** A string attribute up to its NUL; null when it is absent. */
export function readText(attributes: Attributes, type: number): string | null {
  const value = attributes.get(type);
  if (value === undefined) return null;
  const end = value.indexOf(0);
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
}

/** A nested attribute; null when it is absent or malformed. */
export function readNested(attributes: Attributes, type: number): Attributes | null {
  const value = attributes.get(type);
  return value === undefined ? null : decodeAttributes(value);
}

/**
 * The verdict in an NLMSG_ERROR (struct nlmsgerr) or an NLMSG_DONE (a dump that failed half-way).
 * Null for any other message and for a malformed one.
 */
export function decodeAcknowledgement(m: NetlinkMessage): Acknowledgement | null {
  if (m.type !== NLMSG_ERROR && m.type !== NLMSG_DONE) return null;
  if (m.payload.length < 4) return m.type === NLMSG_DONE ? { errno: 0, text: null } : null;
  const errno = -(u32le(m.payload, 0) | 0);
  if (errno < 0 && m.type === NLMSG_ERROR) return null;
  const words = (m.flags & NLM_F_ACK_TLVS) === 0 ? null : kernelWords(m);
  const text = words === null ? null : readText(words, NLMSGERR_ATTR_MSG);
  const offset = words === null ? null : readU32(words, NLMSGERR_ATTR_OFFS);
  return { errno: Math.max(0, errno), text, ...(offset === null ? {} : { offset }) };
}

// They follow the errno and, in an error, the request: its header only when capped, else all of it.
function kernelWords(m: NetlinkMessage): Attributes | null {
  let at = 4;
  if (m.type === NLMSG_ERROR) {
    if (m.payload.length < 4 + NLMSG_LEN) return null;
    at += (m.flags & NLM_F_CAPPED) !== 0 ? NLMSG_LEN : align(u32le(m.payload, 4));
  }
  return decodeAttributes(m.payload, at);
}

/** The text of the attribute that begins at `at`, however deep; null when there is none, or it holds no text. */
export function attributeTextAt(b: Uint8Array, at: number): string | null {
  if (at < 0 || b.length - at < ATTRIBUTE_LEN) return null;
  const length = u16le(b, at);
  if (length <= ATTRIBUTE_LEN || length > b.length - at) return null;
  const text = new TextDecoder().decode(b.subarray(at + ATTRIBUTE_LEN, at + length)).replace(/\0$/, "");
  return /^[\x20-\x7e]+$/.test(text) ? text : null;
}
