/**
 * Spreading news: what changed is told at once to three random peers, and again every 200 ms to three random peers for
 * log₂ N rounds, packed into as few datagrams as it takes (packing.ts). An item is named by what it is about, so newer
 * news replaces older. Pings and their answers take along what they have room for.
 */

export const FANOUT = 3;
export const ROUND_MS = 200;

export type News =
  | { readonly kind: "record"; readonly id: string }
  | { readonly kind: "statement"; readonly id: string }
  /** The directive about this node. */
  | { readonly kind: "directive"; readonly id: string };

interface Queued {
  readonly news: News;
  roundsLeft: number;
}

export class Dissemination {
  // BOUNDED: three per node, ≤ 3 × MAX_PEERS
  readonly #queue = new Map<string, Queued>();
  #nextAt = 0;
  #fresh = false;

  /** Something that `members` others should hear. */
  add(news: News, members: number): void {
    const key = `${news.kind} ${news.id}`;
    this.#queue.delete(key);
    this.#queue.set(key, { news, roundsLeft: 1 + Math.ceil(Math.log2(members + 2)) });
    this.#fresh = true;
  }

  /** Whether a round is due. */
  isDue(now: number): boolean {
    return this.#queue.size > 0 && (this.#fresh || now >= this.#nextAt);
  }

  /** The news of a round when one is due: at once after `add`, then every 200 ms. */
  round(now: number): News[] {
    if (!this.isDue(now)) return [];
    this.#fresh = false;
    this.#nextAt = now + ROUND_MS;
    const due = [...this.#queue.entries()];
    for (const [key, queued] of due) if (--queued.roundsLeft <= 0) this.#queue.delete(key);
    return due.map(([, queued]) => queued.news);
  }

  /** Some news to take along with a ping, newest first; does not count as a round. */
  piggyback(): News[] {
    return [...this.#queue.values()].slice(-4).reverse().map((queued) => queued.news);
  }
}
