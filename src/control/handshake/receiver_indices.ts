// Receiver indices that we give to others: 24 random bits, then a zero byte in place of the lane. One set for
// handshakes under way and sessions, so that each index names one thing.

import { MAX_PEERS } from "../../ports/devices.ts";
import type { Random } from "../../ports/time.ts";
import { u24 } from "../../wire/bytes.ts";

/** Far from 2^24, so that a free one is found at once. */
const MAX_INDICES = 8 * MAX_PEERS;

export class ReceiverIndices {
  readonly #random: Random;
  // BOUNDED: ≤ MAX_INDICES
  readonly #taken = new Set<number>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** A free index, taken from now on; null when there are too many. */
  take(): number | null {
    if (this.#taken.size >= MAX_INDICES) return null;
    let index = 0;
    while (index === 0 || this.#taken.has(index)) index = u24(this.#random.bytes(3), 0) * 256;
    this.#taken.add(index);
    return index;
  }

  release(index: number): void {
    this.#taken.delete(index);
  }
}
