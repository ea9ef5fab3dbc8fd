/**
 * What records (control/records/record.ts) and directives (directive.ts) have in common: a MessagePack map with short
 * keys, and behind it the Ed25519 signature of its author, over the map's bytes.
 *
 *   | MessagePack map | signature, 64 |
 */

import { unpackMap } from "./msgpack.ts";

const SIGNATURE_LEN = 64;

/** The map of what has at most `maxLength` bytes, its signature unchecked; null when there is none. Never throws. */
export function decodeSignedMap(raw: Uint8Array, maxLength: number): Record<string, unknown> | null {
  if (raw.length <= SIGNATURE_LEN || raw.length > maxLength) return null;
  return unpackMap(raw, 0, raw.length - SIGNATURE_LEN);
}
