// The Internet checksum (RFC 1071) and its incremental update (RFC 1624): of IPv4 headers, and of TCP, UDP and
// ICMP where an inner checksum has to be completed or verified. Sums are carried unfolded as exact doubles, so
// pieces can be added in any order; each piece but the last must have an even length. Nothing is allocated and
// nothing is bounded here: the caller has checked that the bytes are there.

import { u16 } from "./bytes.ts";

const TWO_32 = 4294967296;

/**
 * Adds the `len` bytes at `at` as 16-bit words to `initial`; an odd last byte counts as the high half of a word.
 * Fold the result before use. Exact for any length and for the sum of many pieces.
 */
export function sum(b: Uint8Array, at: number, len: number, initial: number): number {
  // Even and odd bytes are summed apart: no shift for each word, and both sums stay int32 up to 16 MiB. Of the
  // variants measured (16- and 32-bit words, 8 bytes a step) this was the quickest in both runtimes.
  let high = 0, low = 0, i = at;
  const end = at + len;
  for (const stop = end - 15; i < stop; i += 16) {
    high = (high + b[i]! + b[i + 2]! + b[i + 4]! + b[i + 6]! + b[i + 8]! + b[i + 10]! + b[i + 12]! +
      b[i + 14]!) | 0;
    low = (low + b[i + 1]! + b[i + 3]! + b[i + 5]! + b[i + 7]! + b[i + 9]! + b[i + 11]! + b[i + 13]! +
      b[i + 15]!) | 0;
  }
  for (const stop = end - 1; i < stop; i += 2) {
    high += b[i]!;
    low += b[i + 1]!;
  }
  if (i < end) high += b[i]!;
  return initial + high * 256 + low;
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
  const folded = (~old & 0xffff) + (~from & 0xffff) + to;
  return ~((folded & 0xffff) + (folded >>> 16)) & 0xffff;
}
