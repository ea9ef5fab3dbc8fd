/**
 * Values from outside, out of a MessagePack map, JSON or a file that people edit: each is what it must be, or null. The
 * texts are for everybody's eyes, so they are printable and short.
 */

import { formatEndpoint, parseEndpoint } from "./address.ts";
import { toHex } from "./bytes.ts";

/** Versions, stamps and counters stay below this: they travel in 48 bits. */
export const VERSION_LIMIT = 2 ** 48;

/** "[ffff:…]:65535" at its longest, with room for the forms that are not canonical. */
const ENDPOINT_MAX = 63;

/** Whether it is a whole number in [0, limit). */
export function isWhole(value: unknown, limit: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < limit;
}

/** Whether it may be an incarnation, an epoch, a stamp or another number that only grows. */
export function isVersion(value: unknown): value is number {
  return isWhole(value, VERSION_LIMIT);
}

/** The fields of an object or a map; null for anything else, arrays included. */
export function fieldsIn(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : null;
}

/** A copy of `length` bytes. */
export function bytesOf(value: unknown, length: number): Uint8Array | null {
  return value instanceof Uint8Array && value.length === length ? new Uint8Array(value) : null;
}

/** A copy of at most `max` bytes. */
export function fewBytesOf(value: unknown, max: number): Uint8Array | null {
  return value instanceof Uint8Array && value.length <= max ? new Uint8Array(value) : null;
}

/** `length` bytes, as hexadecimal text. */
export function hexOf(value: unknown, length: number): string | null {
  return value instanceof Uint8Array && value.length === length ? toHex(value) : null;
}

// As isPrintable, of each character.
const PRINTABLE = /^[!-~]*$/;

/** Printable ASCII without spaces, at most `max` characters. */
export function wordOf(value: unknown, max: number): string | null {
  return typeof value === "string" && value.length <= max && PRINTABLE.test(value) ? value : null;
}

/** Whether a character is ASCII that can be seen. */
export function isPrintable(character: string): boolean {
  return character > " " && character < "\x7f";
}

/** A literal endpoint as its canonical text. */
export function endpointOf(value: unknown): string | null {
  const endpoint = typeof value === "string" && value.length <= ENDPOINT_MAX ? parseEndpoint(value) : null;
  return endpoint === null ? null : formatEndpoint(endpoint);
}

/** A list of at most `max` items. Null when one of them is malformed, too: half a list is none. */
export function listOf<T>(value: unknown, max: number, read: (item: unknown) => T | null): T[] | null {
  if (!Array.isArray(value) || value.length > max) return null;
  const list: T[] = [];
  for (const item of value as unknown[]) {
    const one = read(item);
    if (one === null) return null;
    list.push(one);
  }
  return list;
}
