// How much of something is allowed: token buckets by key, "gossip <id>", for work that others can cause.

import { MAX_PEERS } from "../../ports/devices.ts";

const MAX_BUCKETS = MAX_PEERS;

export class Throttle {
  // BOUNDED: ≤ MAX_BUCKETS, the longest unused go first
  readonly #buckets = new Map<string, { left: number; at: number }>();

  /** Takes one from a bucket that holds `burst` and refills at this rate; false when it is empty. */
  allows(key: string, perSecond: number, now: number, burst = perSecond): boolean {
    const bucket = this.#buckets.get(key) ?? { left: burst, at: now };
    bucket.left = Math.min(burst, bucket.left + ((now - bucket.at) * perSecond) / 1000);
    bucket.at = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_BUCKETS) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }
}
