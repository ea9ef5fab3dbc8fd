// When something that is done again and again is due: rounds that run by the clock, and log lines that are not to be
// repeated too soon. Each has a key of its own, "renew <id>".

import { BoundedMap } from "../../bounds/bounded_map.ts";

const MAX_KEYS = 8192;

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
