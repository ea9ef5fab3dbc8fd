/**
 * MessagePack as records, directives, gossip and handshakes have it: one map, with keys of one letter. What is read comes
 * from others, so reading never throws. And the form in which maps are signed.
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

// ----------------------------------------------------------------------------------------------------
// What records (control/records/record.ts) and directives (directive.ts) have in common: a MessagePack map with short
// keys, and behind it the Ed25519 signature of its author, over the map's bytes.
// | MessagePack map | signature, 64 |

const SIGNATURE_LEN = 64;

/** The map of what has at most `maxLength` bytes, its signature unchecked; null when there is none. Never throws. */
export function decodeSignedMap(raw: Uint8Array, maxLength: number): Record<string, unknown> | null {
  if (raw.length <= SIGNATURE_LEN || raw.length > maxLength) return null;
  return unpackMap(raw, 0, raw.length - SIGNATURE_LEN);
}
