/**
 * A lane of a session: what it seals or opens with, and which of its counters were used. A session has one root key for
 * each direction; each lane (a Worker of the sender, or its control plane) gets a key of its own, so that every lane counts
 * its packets by itself and no nonce is used twice under one key.
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

// ----------------------------------------------------------------------------------------------------
// Which counters of a lane were used already: a ring of bits behind the greatest (RFC 6479). A counter is looked up
// before its packet is opened and entered only after that succeeded, so that only a holder of the key moves the window.
// Counters are exact doubles below 2^53; the low 32 bits decide the place in the ring.

const WORDS = 256;
const WORD_BITS = 32;
const WORD_SHIFT = 5;
/** Counters so far behind the greatest are refused: the ring, less the word that is being filled. */
export const REPLAY_WINDOW = (WORDS - 1) * WORD_BITS;

export class ReplayWindow {
  readonly #words = new Int32Array(WORDS);
  #greatest = -1;

  /** Whether the counter was not used and is not too old. Changes nothing. */
  isFresh(counter: number): boolean {
    if (counter > this.#greatest) return true;
    if (this.#greatest - counter >= REPLAY_WINDOW) return false;
    return (this.#words[wordOf(counter)]! & (1 << (counter & (WORD_BITS - 1)))) === 0;
  }

  /** Enters the fresh counter of an authenticated packet. True when it is the greatest so far. */
  commit(counter: number): boolean {
    const newest = counter > this.#greatest;
    if (newest) this.#advance(counter);
    this.#words[wordOf(counter)]! |= 1 << (counter & (WORD_BITS - 1));
    return newest;
  }

  /** Empties the words between the greatest and `counter`, its own included. */
  #advance(counter: number): void {
    const words = Math.min(WORDS, Math.floor(counter / WORD_BITS) - Math.floor(this.#greatest / WORD_BITS));
    const last = wordOf(counter);
    for (let i = 0; i < words; i++) this.#words[(last - i) & (WORDS - 1)] = 0;
    this.#greatest = counter;
  }
}

/** Exact for every counter: the ring has 2^13 bits, and `>>>` takes a double modulo 2^32. */
function wordOf(counter: number): number {
  return (counter >>> WORD_SHIFT) & (WORDS - 1);
}
