/**
 * The text forms of IPv4 and IPv6 addresses: RFC 4291 §2.2 read strictly, RFC 5952 written. Numbers in, numbers
 * out: the meaning of an address (its class, prefixes, endpoints) is in address.ts, whose callers import
 * these two functions from there. No zone identifiers, no octal, no short IPv4 forms: configuration that
 * could be read in two ways is refused.
 */

import { hexDigit, u16 } from "./bytes.ts";

const GROUPS = 8;
const MAPPED_AT = 12; // an IPv4 address occupies the last four bytes, after ::ffff

/** Reads an IPv4 dotted quad or an IPv6 text; 16 bytes, IPv4 as ::ffff:a.b.c.d, or null when it is neither. */
export function parseAddress(text: string): Uint8Array | null {
  const address = new Uint8Array(16);
  if (text.includes(":")) return parseIpv6(text, address) ? address : null;
  address[10] = 0xff;
  address[11] = 0xff;
  return parseQuad(text, address, MAPPED_AT) ? address : null;
}

/** The dotted quad of a mapped address, else the canonical text of RFC 5952. */
export function formatAddress(a: Uint8Array): string {
  if (isMapped(a)) return `${a[12]!}.${a[13]!}.${a[14]!}.${a[15]!}`;
  const [start, length] = longestZeroRun(a);
  let text = "";
  for (let group = 0; group < GROUPS; group++) {
    if (length > 1 && group === start) {
      text += "::";
      group += length - 1;
      continue;
    }
    if (text !== "" && !text.endsWith(":")) text += ":";
    text += u16(a, group * 2).toString(16);
  }
  return text;
}

/** Whether the address is ::ffff:a.b.c.d, our form of IPv4. */
export function isMapped(a: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (a[i] !== 0) return false;
  return a[10] === 0xff && a[11] === 0xff;
}

function parseQuad(text: string, out: Uint8Array, at: number): boolean {
  const parts = text.split(".", 5);
  if (parts.length !== 4) return false;
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!;
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return false;
    out[at + i] = Number(part);
  }
  return true;
}

function parseIpv6(text: string, out: Uint8Array): boolean {
  if (text.length > 45) return false; // INET6_ADDRSTRLEN − 1
  const halves = text.split("::", 3);
  if (halves.length > 2) return false;
  const head = parseGroups(halves[0]!, halves.length === 1);
  if (head === null) return false;
  if (halves.length === 1) {
    if (head.length !== 16) return false;
    out.set(head);
    return true;
  }
  const tail = parseGroups(halves[1]!, true);
  if (tail === null || head.length + tail.length > 14) return false; // :: stands for one group or more
  out.set(head);
  out.set(tail, 16 - tail.length);
  return true;
}

// One side of "::" as bytes; an embedded IPv4 address may stand only at the very end of the text.
function parseGroups(text: string, last: boolean): number[] | null {
  const bytes: number[] = [];
  if (text === "") return bytes;
  const parts = text.split(":");
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (part.includes(".")) {
      const quad = new Uint8Array(4);
      if (!last || i !== parts.length - 1 || !parseQuad(part, quad, 0)) return null;
      bytes.push(...quad);
      continue;
    }
    const value = parseGroup(part);
    if (value < 0) return null;
    bytes.push(value >>> 8, value & 255);
  }
  return bytes;
}

function parseGroup(text: string): number {
  if (text.length < 1 || text.length > 4) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = hexDigit(text.charCodeAt(i));
    if (digit < 0) return -1;
    value = (value << 4) | digit;
  }
  return value;
}

// RFC 5952 §4.2: the longest run of zero groups, the first of equals; [start, length] in groups.
function longestZeroRun(a: Uint8Array): [number, number] {
  let best = 0, bestLength = 0;
  for (let group = 0; group < GROUPS; group++) {
    let length = 0;
    while (group + length < GROUPS && u16(a, (group + length) * 2) === 0) length++;
    if (length > bestLength) {
      best = group;
      bestLength = length;
    }
    group += length;
  }
  return [best, bestLength];
}
