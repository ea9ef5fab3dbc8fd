/**
 * What the kernel of this host refuses to send, told only where it keeps a peer from being reached: a missing route means
 * nothing while there is another way. A peer has IPv6 addresses, too, where this host has none.
 */

import type { LinkTable } from "./link_table.ts";
import { refusalOf, type Target } from "./target.ts";
import type { Targets } from "./targets.ts";

const SENTENCES_MAX = 8;
/** Targets looked at each time: a host without IPv6 may refuse thousands, and is asked each second. */
const LOOKS = 256;

export class RefusedHere {
  readonly #targets: Targets;
  readonly #table: LinkTable;
  /** BOUNDED: ≤ SENTENCES_MAX; told until it is so no more */
  readonly #told = new Set<Target>();

  constructor(targets: Targets, table: LinkTable) {
    this.#targets = targets;
    this.#table = table;
  }

  /** For targets that are missed and refused here, a few; of very many not each is found at once. */
  sentences(): string[] {
    for (const target of this.#told) if (!this.#isToTell(target)) this.#told.delete(target);
    for (const target of this.#targets.someRefused(LOOKS)) {
      if (this.#told.size >= SENTENCES_MAX) break;
      if (this.#isToTell(target)) this.#told.add(target);
    }
    const inOrder = [...this.#told].sort((a, b) => a.ordinal - b.ordinal);
    return inOrder.map((target) => `Cannot send to ${target.endpoint}: ${refusalOf(target)!.why}`);
  }

  #isToTell(target: Target): boolean {
    return this.#targets.get(target.endpoint) === target && this.has(target) && this.#matters(target);
  }

  /** Whether it is this host that keeps the target from being reached. */
  has(target: Target): boolean {
    const refusal = refusalOf(target);
    return refusal !== null && (!refusal.avoidable || !this.#hasOtherWay(target));
  }

  #matters(target: Target): boolean {
    return this.#table.misses(target) || this.#table.isAt(target.endpoint);
  }

  // Asked of every target that is refused, and a host without IPv6 has one for each peer: so no walk over all of them.
  #hasOtherWay(target: Target): boolean {
    for (const id of target.nodes) {
      for (const endpoint of this.#table.wish(id)?.endpoints ?? []) {
        const other = this.#targets.get(endpoint);
        if (other !== undefined && other !== target && refusalOf(other) === null) return true;
      }
    }
    for (const seed of target.seeds) {
      const others = this.#targets.namedBy("seeds", seed);
      if (others.some((other) => other !== target && refusalOf(other) === null)) return true;
    }
    return false;
  }
}
