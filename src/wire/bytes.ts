/**
 * Reading and writing of integers in byte arrays: network byte order by default, `…le` for the structs that
 * the kernel lays out in the machine's own order (every machine we run on is little-endian). The functions
 * allocate nothing and check nothing: the caller has compared `at` with its own end. A read beyond the array
 * yields zero bits, a write beyond it is ignored, as typed arrays do. The caller owns every buffer.
 */

const TWO_32 = 4294967296;

/** 16 bits at `at`, network order. */
export function u16(b: Uint8Array, at: number): number {
  return (b[at]! << 8) | b[at + 1]!;
}

/** 24 bits at `at`, network order. */
export function u24(b: Uint8Array, at: number): number {
  return (b[at]! << 16) | (b[at + 1]! << 8) | b[at + 2]!;
}

/** 32 bits at `at`, network order, unsigned (a double when it is 2^31 or more). */
export function u32(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
}

/** 32 bits at `at`, network order, signed: stays a small integer, for table keys and comparisons. */
export function i32(b: Uint8Array, at: number): number {
  return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
}

/** 48 bits at `at`, network order, as an exact double. */
export function u48(b: Uint8Array, at: number): number {
  return u16(b, at) * TWO_32 + u32(b, at + 2);
}

/** Writes the low 16 bits of `v`. */
export function putU16(b: Uint8Array, at: number, v: number): void {
  b[at] = v >>> 8;
  b[at + 1] = v;
}

/** Writes the low 24 bits of `v`. */
export function putU24(b: Uint8Array, at: number, v: number): void {
  b[at] = v >>> 16;
  b[at + 1] = v >>> 8;
  b[at + 2] = v;
}

/** Writes the low 32 bits of `v`, which may be signed or unsigned. */
export function putU32(b: Uint8Array, at: number, v: number): void {
  b[at] = v >>> 24;
  b[at + 1] = v >>> 16;
  b[at + 2] = v >>> 8;
  b[at + 3] = v;
}

/** Writes the low 48 bits of `v`, 0 ≤ v < 2^53. */
export function putU48(b: Uint8Array, at: number, v: number): void {
  putU16(b, at, Math.floor(v / TWO_32));
  putU32(b, at + 2, v);
}

/**
 * Copies the `length` bytes at `from` to `to`, in words: up to three bytes behind them come along. For headers, where
 * a call of `copyWithin` costs more than the copying. Ranges that overlap need from > to.
 */
export function copyWords(v: DataView, from: number, to: number, length: number): void {
  for (let i = 0; i < length; i += 4) v.setInt32(to + i, v.getInt32(from + i, true), true);
}

/** 16 bits at `at`, little-endian. */
export function u16le(b: Uint8Array, at: number): number {
  return b[at]! | (b[at + 1]! << 8);
}

/** 32 bits at `at`, little-endian, unsigned. */
export function u32le(b: Uint8Array, at: number): number {
  return (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;
}

/** Writes the low 16 bits of `v`, little-endian. */
export function putU16le(b: Uint8Array, at: number, v: number): void {
  b[at] = v;
  b[at + 1] = v >>> 8;
}

/** Writes the low 32 bits of `v`, little-endian. */
export function putU32le(b: Uint8Array, at: number, v: number): void {
  b[at] = v;
  b[at + 1] = v >>> 8;
  b[at + 2] = v >>> 16;
  b[at + 3] = v >>> 24;
}

/** Writes 64 bits, little-endian; exact for 0 ≤ v < 2^53, which every user-space pointer is. */
export function putU64le(b: Uint8Array, at: number, v: number): void {
  putU32le(b, at, v);
  putU32le(b, at + 4, Math.floor(v / TWO_32));
}

/** Lower-case hexadecimal, two digits a byte, no separators. */
export function toHex(b: Uint8Array): string {
  // Put together digit by digit it would be a rope: of an id a kilobyte, for as long as the id is kept.
  return b.toHex();
}

/** The bytes of a hexadecimal text of either case; null when its length is odd or a digit is not one. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0) return null;
  const b = new Uint8Array(text.length / 2);
  for (let i = 0; i < b.length; i++) {
    const high = hexDigit(text.charCodeAt(2 * i));
    const low = hexDigit(text.charCodeAt(2 * i + 1));
    if (high < 0 || low < 0) return null;
    b[i] = (high << 4) | low;
  }
  return b;
}

/** The value of one hexadecimal digit given as a UTF-16 code, or −1. */
export function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Whether two arrays hold the same bytes. Not constant-time: never compare a MAC or a key with it. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Negative, 0 or positive as `a` comes before, equals or comes after `b`, byte by byte. Not constant-time. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
