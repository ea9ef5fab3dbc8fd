/**
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624): of IPv4 headers, and of TCP, UDP and
 * ICMP where an inner checksum has to be completed or verified. Sums are carried unfolded as exact doubles, so
 * pieces can be added in any order; each piece but the last must have an even length. Nothing is allocated per
 * call and no bounds are checked: the caller knows that the bytes are there.
 */

import { u16 } from "./bytes.ts";
import { summedMemory } from "./checksum_simd.ts";

const TWO_32 = 4294967296;

// Below these sizes the byte loop wins. The second also keeps small arrays out of the word path, because asking
// for their `.buffer` makes Bun move them, under the feet of anyone who gave their address to C.
const MIN_WORDS_LEN = 64;
const MIN_ARENA_LEN = 4096;
const MAX_WORDS_LEN = 65536 * 4; // both partial sums of sumWords stay below 2^32
const MAX_SIMD_LEN = 65536;

type SimdSum = ((at: number, len: number) => number) | undefined;

// BOUNDED: weak, one per arena; `lastBytes` spares the lookup when the same arena comes again.
const wordViews = new WeakMap<Uint8Array, Int32Array>();
const simdSums = new WeakMap<Uint8Array, SimdSum>();
let lastBytes: Uint8Array = new Uint8Array(0);
let lastWords: Int32Array = new Int32Array(0);
let lastSimd: SimdSum;

/** Zeroed memory of at least `length` bytes that never moves; `sum` over it is five times as fast as over another. */
export function checksumArena(length: number): Uint8Array<ArrayBuffer> {
  const made = summedMemory(length);
  const bytes = new Uint8Array(made?.memory ?? new ArrayBuffer(length));
  if (made !== null) simdSums.set(bytes, made.sum);
  return bytes;
}

/**
 * Adds the `len` bytes at `at` as 16-bit words to `initial`; an odd last byte counts as the high half of a word.
 * Fold the result before use: which of the equal unfolded sums comes back depends on the alignment. It is 0 only
 * when `initial` and all bytes are. Pass long-lived arenas, not fresh subarrays: each array of 4 KiB or more gets
 * a 32-bit view once, which makes 1400 bytes cost 0.2 µs in place of 0.45 (Deno); memory of `checksumArena` 0.04.
 */
export function sum(b: Uint8Array, at: number, len: number, initial: number): number {
  return len >= MIN_WORDS_LEN && len <= MAX_WORDS_LEN && b.length >= MIN_ARENA_LEN
    ? sumWords(b, at, len, initial)
    : sumBytes(b, at, len, initial);
}

// Bytes up to the next aligned word, the words in the machine's little-endian order, the bytes left over. A sum of
// swapped words is the swapped sum (RFC 1071 §2 (B)), also when an odd number of bytes came before them.
function sumWords(b: Uint8Array, at: number, len: number, initial: number): number {
  const w = b === lastBytes ? lastWords : wordsOf(b);
  if (lastSimd !== undefined && len <= MAX_SIMD_LEN) return initial + swap16(fold(lastSimd(at, len)));
  const head = -(b.byteOffset + at) & 3;
  const count = (len - head) >> 2;
  let i = (at + head - (-b.byteOffset & 3)) >> 2;
  const end = i + count;
  // `all` is the sum mod 2^32, `high` that of the upper halves: together they give that of the lower ones.
  let all = 0, high = 0;
  for (const stop = end - 7; i < stop; i += 8) {
    const p = w[i]!, q = w[i + 1]!, r = w[i + 2]!, s = w[i + 3]!;
    const t = w[i + 4]!, u = w[i + 5]!, v = w[i + 6]!, x = w[i + 7]!;
    all = (all + p + q + r + s + t + u + v + x) | 0;
    high = (high + (p >>> 16) + (q >>> 16) + (r >>> 16) + (s >>> 16) + (t >>> 16) + (u >>> 16) + (v >>> 16) +
      (x >>> 16)) | 0;
  }
  for (; i < end; i++) {
    all = (all + w[i]!) | 0;
    high = (high + (w[i]! >>> 16)) | 0;
  }
  const low = (all - (high << 16)) >>> 0;
  const words = swap16(fold(low + (high >>> 0)));
  const rest = sumBytes(b, at + head + count * 4, (len - head) & 3, words);
  return sumBytes(b, at, head, initial) + ((head & 1) === 0 ? rest : swap16(fold(rest)));
}

function wordsOf(b: Uint8Array): Int32Array {
  let words = wordViews.get(b);
  if (words === undefined) {
    const skipped = -b.byteOffset & 3;
    words = new Int32Array(b.buffer, b.byteOffset + skipped, (b.length - skipped) >> 2);
    wordViews.set(b, words);
  }
  lastBytes = b;
  lastWords = words;
  lastSimd = simdSums.get(b);
  return words;
}

// Even and odd bytes are summed apart: no shift for each word, and both sums stay int32 up to 16 MiB.
function sumBytes(b: Uint8Array, at: number, len: number, initial: number): number {
  let high = 0, low = 0, i = at;
  const end = at + len;
  for (const stop = end - 7; i < stop; i += 8) {
    high = (high + b[i]! + b[i + 2]! + b[i + 4]! + b[i + 6]!) | 0;
    low = (low + b[i + 1]! + b[i + 3]! + b[i + 5]! + b[i + 7]!) | 0;
  }
  for (const stop = end - 1; i < stop; i += 2) {
    high = (high + b[i]!) | 0;
    low = (low + b[i + 1]!) | 0;
  }
  if (i < end) high += b[i]!;
  return initial + high * 256 + low;
}

function swap16(v: number): number {
  return ((v & 0xff) << 8) | (v >>> 8);
}

/** A sum folded to 16 bits, not inverted: 0 only when the sum is 0. */
export function fold(sum: number): number {
  const low = sum >>> 0;
  let folded = Math.floor(sum / TWO_32) + (low >>> 16) + (low & 0xffff);
  folded = (folded >>> 16) + (folded & 0xffff);
  return (folded >>> 16) + (folded & 0xffff);
}

/** The folded and inverted sum of the bytes: what goes into a checksum field, or 0 over data that holds one. */
export function checksum(b: Uint8Array, at: number, len: number): number {
  return ~fold(sum(b, at, len, 0)) & 0xffff;
}

/**
 * The unfolded sum of the IPv4 pseudo-header (RFC 9293 §3.1, RFC 768) of the packet whose IP header is at `ipAt`;
 * `transportLen` is the length of the transport header with its payload.
 */
export function pseudoHeaderSum4(
  b: Uint8Array,
  ipAt: number,
  protocol: number,
  transportLen: number,
): number {
  return u16(b, ipAt + 12) + u16(b, ipAt + 14) + u16(b, ipAt + 16) + u16(b, ipAt + 18) + protocol +
    transportLen;
}

/**
 * The unfolded sum of the IPv6 pseudo-header (RFC 8200 §8.1). The addresses are those of the fixed header, so a
 * packet with a routing header that has segments left needs another destination, which we never send.
 */
export function pseudoHeaderSum6(
  b: Uint8Array,
  ipAt: number,
  protocol: number,
  transportLen: number,
): number {
  return sum(b, ipAt + 8, 32, protocol + (transportLen >>> 16) + (transportLen & 0xffff));
}

/** The checksum field `old` after one 16-bit word that it covers changed (RFC 1624, equation 3). */
export function updateChecksum16(old: number, from: number, to: number): number {
  const added = (~old & 0xffff) + (~from & 0xffff) + to;
  const folded = (added & 0xffff) + (added >>> 16);
  return ~(folded + (folded >>> 16)) & 0xffff; // the first fold may carry again, as from 0x1ffff
}
