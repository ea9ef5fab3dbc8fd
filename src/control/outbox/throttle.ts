// How much of something is allowed: token buckets by key, "gossip <id>", for work that others can cause.

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { RateLimit } from "../../bounds/rate_limit.ts";
import { MAX_PEERS } from "../../ports/devices.ts";

const MAX_BUCKETS = MAX_PEERS;

export class Throttle {
  // BOUNDED: ≤ MAX_BUCKETS, the longest unused go first
  readonly #buckets = new BoundedMap<string, RateLimit>(MAX_BUCKETS);

  /** Takes one from a bucket that holds `burst` and refills at this rate; false when it is empty. */
  allows(key: string, perSecond: number, now: number, burst = perSecond): boolean {
    const bucket = this.#buckets.get(key) ?? new RateLimit(perSecond, burst);
    this.#buckets.renew(key, bucket);
    return bucket.take(now);
  }
}
