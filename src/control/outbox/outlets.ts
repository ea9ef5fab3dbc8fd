/**
 * What the machines of one control plane share on their way out: what is to be done (actions.ts), when it is due, how much
 * is allowed, what is counted and what people are warned of. A machine takes those of them that it uses. Time is an argument.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { RateLimit } from "../../bounds/rate_limit.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import { Actions, Called } from "./actions.ts";

const MAX_KEYS = 8192;
const MAX_BUCKETS = MAX_PEERS;
const WARNINGS_MAX = 64;

export interface Outlets {
  readonly actions: Actions;
  readonly schedule: Schedule;
  readonly throttle: Throttle;
  readonly tally: Tally;
  readonly called: Called;
  readonly warnings: Warnings;
}

/** The outlets of a node that has said nothing yet. */
export function newOutlets(): Outlets {
  const called = new Called();
  const actions = new Actions(called);
  return {
    actions,
    schedule: new Schedule(),
    throttle: new Throttle(),
    tally: new Tally(),
    called,
    warnings: new Warnings(),
  };
}

/**
 * When something that is done again and again is due: rounds that run by the clock, and log lines that are not to be
 * repeated too soon. Each has a key of its own, "renew <id>".
 */
export class Schedule {
  // BOUNDED: ≤ MAX_KEYS, the oldest go first; when each was done last
  readonly #done = new BoundedMap<string, number>(MAX_KEYS);

  /** Whether `key` is due, which then counts as done: true at most once in `everyMs`. */
  due(key: string, everyMs: number, now: number): boolean {
    const last = this.#done.get(key);
    if (last !== undefined && now - last < everyMs) return false;
    this.done(key, now);
    return true;
  }

  /** It was done just now, due or not. */
  done(key: string, now: number): void {
    this.#done.renew(key, now);
  }
}

/** How much of something is allowed: token buckets by key, "gossip <id>", for work that others can cause. */
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

/** What did not go as it should, counted: `ovltun status` shows both. */
export class Tally {
  #rejected = 0;
  #unsent = 0;

  /** A datagram was looked at and not used: malformed, unverified, of no link, or too many. */
  reject(): void {
    this.#rejected++;
  }

  get rejected(): number {
    return this.#rejected;
  }

  /** A message of our own fits in no datagram. */
  leaveUnsent(): void {
    this.#unsent++;
  }

  get unsent(): number {
    return this.#unsent;
  }
}

/**
 * Sentences about what a person should look at, by what they are about. Some hold for as long as the process runs; what
 * is known only by signs holds until there has been none for a while.
 */
export class Warnings {
  // BOUNDED: ≤ WARNINGS_MAX, the longest unchanged go first
  readonly #warnings = new BoundedMap<string, { readonly sentence: string; readonly until: number }>(
    WARNINGS_MAX,
  );

  /** In place of what was said about `key`; it holds until `until`. */
  set(key: string, sentence: string, until = Infinity): void {
    this.#warnings.renew(key, { sentence, until });
  }

  has(key: string): boolean {
    return this.#warnings.has(key);
  }

  /** Those that hold now. */
  at(now: number): string[] {
    return [...this.#warnings.values()].filter(({ until }) => now < until).map(({ sentence }) => sentence);
  }
}
