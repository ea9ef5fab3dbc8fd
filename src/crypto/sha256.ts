/** SHA-256 (FIPS 180-4) by node:crypto, for names and comparisons: network ids, digests. No key ever comes here. */

import { createHash } from "node:crypto";

/** The 32 bytes of the hash of all parts together; a text counts as UTF-8. */
export function sha256(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** The same in hexadecimal, 64 digits. */
export function sha256Hex(...parts: readonly (Uint8Array | string)[]): string {
  return sha256(...parts).reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "");
}
