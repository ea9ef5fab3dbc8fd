// Sentences about what a person should look at, by what they are about. Some hold for as long as the process runs; what
// is known only by signs holds until there has been none for a while. Time is an argument.

import { BoundedMap } from "../../bounds/bounded_map.ts";

const WARNINGS_MAX = 64;

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
