/**
 * A session has one root key for each direction; each lane (a Worker of the sender, or its control plane) gets a key
 * of its own, so that every lane counts its packets by itself and no nonce is used twice under one key.
 *
 *   key of lane k = HKDF-SHA256(root, salt "", info "ovltun lane k", 32 bytes)   RFC 5869
 */

import { hkdfSync } from "node:crypto";
import type { AeadKey, AeadProvider, CipherSuite } from "../ports/aead.ts";

const LANE_KEY_LEN = 32;

/** The key of `lane`, new memory that the caller wipes; TypeError when the root has not 32 bytes. */
export function laneKey(root: Uint8Array, lane: number): Uint8Array {
  if (root.length !== LANE_KEY_LEN) throw new TypeError(`A root key has ${LANE_KEY_LEN} bytes`);
  return new Uint8Array(hkdfSync("sha256", root, new Uint8Array(0), `ovltun lane ${lane}`, LANE_KEY_LEN));
}

/** Which lane of which session, and the memory that is sealed and opened in. */
export interface LaneOf {
  readonly suite: CipherSuite;
  /** Of this direction. */
  readonly root: Uint8Array;
  readonly lane: number;
  readonly memory: Uint8Array;
}

/** What seals or opens on a lane, for the caller to wipe. */
export function laneAead(aead: AeadProvider, { suite, root, lane, memory }: LaneOf): AeadKey {
  const key = laneKey(root, lane);
  try {
    return aead.key(suite, key, memory);
  } finally {
    key.fill(0);
  }
}
