/**
 * What the kernel of this host refuses to send, told only where it keeps a peer from being reached: a missing route means
 * nothing while there is another way. A peer has IPv6 addresses, too, where this host has none.
 */

import type { LinkTable } from "./link_table.ts";
import { refusalOf, type Target } from "./target.ts";
import type { Targets } from "./targets.ts";

const SENTENCES_MAX = 8;

export class RefusedHere {
  readonly #targets: Targets;
  readonly #table: LinkTable;

  constructor(targets: Targets, table: LinkTable) {
    this.#targets = targets;
    this.#table = table;
  }

  /** For each target that is missed and refused here. */
  sentences(): string[] {
    const sentences: string[] = [];
    for (const target of this.#targets.refused()) {
      if (this.has(target) && this.#matters(target)) {
        sentences.push(`Cannot send to ${target.endpoint}: ${refusalOf(target)!.why}`);
      }
    }
    return sentences.slice(0, SENTENCES_MAX);
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
