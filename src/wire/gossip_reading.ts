/** Fields of gossip as they are read: what each must be, or Malformed is thrown, which gossip_fields.ts catches. */

import { hexOf, isWhole, VERSION_LIMIT } from "./untrusted.ts";

const TUPLE_MAX = 8;

/** Not thrown any further than readGossip. */
export class Malformed extends Error {}

/** The fields of one item; what later versions put behind them is ignored. */
export function tuple(item: unknown): readonly unknown[] {
  if (!Array.isArray(item) || item.length > TUPLE_MAX) throw new Malformed();
  return item;
}

export function intField(value: unknown, limit = VERSION_LIMIT): number {
  if (!isWhole(value, limit)) throw new Malformed();
  return value;
}

export function hexField(value: unknown, length: number): string {
  return must(hexOf(value, length));
}

export function must<T>(value: T | null): T {
  if (value === null) throw new Malformed();
  return value;
}

/** The beginning of an id, or null. */
export function prefixField(value: unknown): string | null {
  return value === null ? null : hexField(value, 8);
}
