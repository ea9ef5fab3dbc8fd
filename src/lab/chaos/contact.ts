/**
 * How long it takes after a healing until hosts that were apart reach each other: until the first pair does, and until the last.
 * A healing is a moment from which on some pairs are connected that were not. Pairs to one of which something happens
 * meanwhile do not count. Pure.
 */
import { pairKey } from "./world.ts";

/** One healing whose pairs all reach each other again, or do not count any more. */
export interface Contact {
  /** From the healing to the first answer of any pair, and to the first answer of the last; ms. */
  readonly firstMs: number;
  readonly allMs: number;
  readonly pairs: number;
  /** The last pair. */
  readonly last: readonly [string, string];
  /** One of the hosts was kept from running meanwhile: how long it took is no fault of the mesh. */
  readonly excused: boolean;
}

interface Healing {
  readonly since: number;
  /** BOUNDED: one per pair of hosts */
  readonly waiting: Map<string, readonly [string, string]>;
  /** Pairs that are not to be judged by the time they take. BOUNDED: as `waiting` */
  readonly slow: Set<string>;
  excused: boolean;
  found: number;
  firstMs: number;
  allMs: number;
  last: readonly [string, string] | null;
}

export class ContactWatch {
  /** BOUNDED: as many as there are pairs, each of which waits in one */
  readonly #healings: Healing[] = [];

  /** These pairs are connected from `now` on. */
  healed(pairs: readonly (readonly [string, string])[], now: number): void {
    if (pairs.length === 0) return;
    const waiting = new Map(pairs.map(([a, b]) => [pairKey(a, b), [a, b] as const])); // BOUNDED: one per pair
    const slow = new Set<string>(); // BOUNDED: as `waiting`
    const nothing = { excused: false, found: 0, firstMs: 0, allMs: 0, last: null };
    this.#healings.push({ since: now, waiting, slow, ...nothing });
  }

  /** Something happened between the two, or to `a` when `b` is null: how long they take says nothing. */
  disturb(a: string, b: string | null): void {
    for (const { waiting } of this.#healings) {
      for (const [key, pair] of waiting) {
        if (pair.includes(a) && (b === null || pair.includes(b))) waiting.delete(key);
      }
    }
  }

  /** It is kept from running by other programs: it takes as long as it takes. */
  excuse(host: string): void {
    for (const { waiting, slow } of this.#healings) {
      for (const [key, pair] of waiting) if (pair.includes(host)) slow.add(key);
    }
  }

  /** `a` had an answer from `b`. */
  answered(a: string, b: string, now: number): void {
    const key = pairKey(a, b);
    for (const healing of this.#healings) {
      const pair = healing.waiting.get(key);
      if (pair === undefined) continue;
      healing.waiting.delete(key);
      healing.allMs = now - healing.since;
      healing.last = pair;
      healing.excused ||= healing.slow.has(key);
      if (healing.found++ === 0) healing.firstMs = healing.allMs;
    }
  }

  /** Those that have waited for longer without an excuse, each once. */
  late(longestMs: number, now: number): { readonly pair: readonly [string, string]; readonly ms: number }[] {
    return this.#healings.flatMap(({ since, waiting, slow }) => {
      if (now - since <= longestMs) return [];
      const late = [...waiting].filter(([key]) => !slow.has(key));
      for (const [key] of late) waiting.delete(key);
      return late.map(([, pair]) => ({ pair, ms: now - since }));
    });
  }

  /** The healings of which nothing more is to come. */
  take(): Contact[] {
    const over = this.#healings.filter(({ waiting }) => waiting.size === 0);
    for (const healing of over) this.#healings.splice(this.#healings.indexOf(healing), 1);
    return over.flatMap(({ firstMs, allMs, found, last, excused }) =>
      last === null ? [] : [{ firstMs, allMs, pairs: found, last, excused }]
    );
  }
}
