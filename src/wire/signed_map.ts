// What records (control/records/record.ts) and directives (directive.ts) have in common: a MessagePack map with short keys, and
// behind it the Ed25519 signature of whoever wrote it, over the map's bytes.
//
//   | MessagePack map | signature, 64 |

import { Packr } from "msgpackr/pack";
import { Unpackr } from "msgpackr/unpack";
import { toHex } from "./bytes.ts";

const SIGNATURE_LEN = 64;

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

/** The bytes of a map, to sign. */
export function encodeMap(map: Readonly<Record<string, unknown>>): Uint8Array {
  return new Uint8Array(packr.pack(map));
}

/** The map of what has at most `maxLength` bytes, its signature unchecked; null when there is none. Never throws. */
export function decodeSignedMap(raw: Uint8Array, maxLength: number): Record<string, unknown> | null {
  if (raw.length <= SIGNATURE_LEN || raw.length > maxLength) return null;
  let map: unknown;
  try {
    map = unpackr.unpack(raw.slice(0, raw.length - SIGNATURE_LEN));
  } catch {
    return null;
  }
  return typeof map === "object" && map !== null ? map as Record<string, unknown> : null;
}

/** The hexadecimal text of `length` bytes; null when the value is something else. */
export function hexOf(value: unknown, length: number): string | null {
  return value instanceof Uint8Array && value.length === length ? toHex(value) : null;
}
