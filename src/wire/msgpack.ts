/**
 * MessagePack as records, directives, gossip and handshakes have it: one map, with keys of one letter. What is read comes
 * from others, so reading never throws.
 */

import { Packr } from "msgpackr/pack";
import { Unpackr } from "msgpackr/unpack";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

/** The bytes of a map, in a buffer of their own. */
export function packMap(map: Readonly<Record<string, unknown>>): Uint8Array {
  return new Uint8Array(packr.pack(map));
}

/** The map in the bytes from `at` to `end`, no byte more or less; null when there is none. Nothing in it refers to `b`. */
export function unpackMap(b: Uint8Array, at = 0, end = b.length): Record<string, unknown> | null {
  let map: unknown;
  try {
    map = unpackr.unpack(b.slice(at, end));
  } catch {
    return null;
  }
  return typeof map === "object" && map !== null && !Array.isArray(map)
    ? map as Record<string, unknown>
    : null;
}
