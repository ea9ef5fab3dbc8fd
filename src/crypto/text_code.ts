/**
 * Bytes as a text that people copy, read out and paste: a prefix that says what it is, then Crockford's base32
 * (https://www.crockford.com/base32.html: no i, l, o, u; either case; i and l read as 1, o as 0) over the bytes and a
 * checksum of four bytes. Blanks, line breaks and dashes between the characters mean nothing, so what a mail program or
 * a terminal broke into lines is still whole. The last character's unused bits are zero; other texts are refused.
 */

import { sha256 } from "./sha256.ts";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const BITS = 5;
const CHECKSUM_LEN = 4;

/** Why a text could not be read: it was made for something else, it is not complete, or a character is wrong. */
export type TextFault = "prefix" | "damaged";

/** The text of `bytes` under a prefix of lower-case letters and digits. */
export function encodeText(prefix: string, bytes: Uint8Array): string {
  const all = new Uint8Array(bytes.length + CHECKSUM_LEN);
  all.set(bytes);
  all.set(checksum(prefix, bytes), bytes.length);
  let text = prefix;
  let held = 0, count = 0;
  for (const byte of all) {
    held = ((held << 8) | byte) & 0xfff;
    for (count += 8; count >= BITS; count -= BITS) text += ALPHABET[(held >>> (count - BITS)) & 31]!;
  }
  if (count > 0) text += ALPHABET[(held << (BITS - count)) & 31]!;
  all.fill(0);
  return text;
}

/** The bytes of a text; a fault when it has another prefix or its checksum is wrong. Never throws. */
export function decodeText(prefix: string, text: string): Uint8Array | TextFault {
  const word = bare(text);
  if (!word.startsWith(prefix)) return "prefix";
  const length = Math.floor(((word.length - prefix.length) * BITS) / 8);
  if (length < CHECKSUM_LEN) return "damaged";
  const all = new Uint8Array(length);
  let held = 0, count = 0, at = 0;
  for (let i = prefix.length; i < word.length; i++) {
    const value = ALPHABET.indexOf(unambiguous(word[i]!));
    if (value < 0) return "damaged";
    held = ((held << BITS) | value) & 0xfff;
    count += BITS;
    if (count >= 8) all[at++] = held >>> (count -= 8);
  }
  const end = length - CHECKSUM_LEN;
  const sum = checksum(prefix, all.subarray(0, end));
  const right = sum.every((byte, i) => byte === all[end + i]);
  // A further character, or bits that no encoder sets, would give one content two texts.
  if (!right || count >= BITS || (held & ((1 << count) - 1)) !== 0) {
    all.fill(0);
    return "damaged";
  }
  const bytes = all.slice(0, end);
  all.fill(0);
  return bytes;
}

/** Whether a text was meant to be one of this prefix, whole or not. */
export function hasPrefix(prefix: string, text: string): boolean {
  return bare(text).startsWith(prefix);
}

function bare(text: string): string {
  return text.replace(/[\s\u200b\ufeff-]+/g, "").toLowerCase();
}

function unambiguous(character: string): string {
  return character === "o" ? "0" : character === "i" || character === "l" ? "1" : character;
}

function checksum(prefix: string, bytes: Uint8Array): Uint8Array {
  return sha256(`ovltun text ${prefix} `, bytes).subarray(0, CHECKSUM_LEN);
}
