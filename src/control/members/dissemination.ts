/**
 * Spreading news: what changed is told at once to three random peers, and again every 200 ms to three random peers for
 * log₂ N rounds, packed into as few datagrams as it takes (packing.ts), or until three peers have told us the same: a rumour
 * ends where it is known (Demers et al. 1987, feedback and counter). An item is named by what it is about, so newer news
 * replaces older. Pings and their answers take along what they have room for.
 */

export const FANOUT = 3;
export const ROUND_MS = 200;
/** What comes so soon after a round waits that long: one datagram then carries it with what comes meanwhile. */
const GATHER_MS = 100;
/** Peers that have told us the same: most have heard it by then, and anti-entropy finds the rest. */
const ENOUGH = 3;

export type News =
  | { readonly kind: "record"; readonly id: string }
  | { readonly kind: "statement"; readonly id: string }
  /** The directive about this node or subnet. */
  | { readonly kind: "directive"; readonly id: string };

interface Queued {
  readonly news: News;
  roundsLeft: number;
  /** Who has told us the same since. BOUNDED: < ENOUGH */
  readonly heardFrom: string[];
}

export class Dissemination {
  // BOUNDED: three per node, ≤ 3 × MAX_PEERS
  readonly #queue = new Map<string, Queued>();
  #lastAt = -Infinity;
  #fresh = false;

  /**
   * Something that `members` others should hear; `at once`: it gathers nothing, for who hears it late would not know what to
   * make of the probes that follow it.
   */
  add(news: News, members: number, when: "at once" | "soon" = "soon"): void {
    const key = keyOf(news);
    this.#queue.delete(key);
    this.#queue.set(key, { news, roundsLeft: 1 + Math.ceil(Math.log2(members + 2)), heardFrom: [] });
    this.#fresh = true;
    if (when === "at once") this.#lastAt = -Infinity;
  }

  /**
   * A peer told us what we knew already. What enough of them say is no news any more, but for statements: whom a rumour
   * has missed no synchronisation tells of them.
   */
  heard(news: News, from: string): void {
    if (this.#queue.size === 0 || news.kind === "statement") return;
    const key = keyOf(news);
    const queued = this.#queue.get(key);
    if (queued === undefined || queued.heardFrom.includes(from)) return;
    if (queued.heardFrom.length + 1 >= ENOUGH) this.#queue.delete(key);
    else queued.heardFrom.push(from);
  }

  /** When the next round is due. Infinity: there is no news. */
  get dueAt(): number {
    return this.#queue.size === 0 ? Infinity : this.#lastAt + (this.#fresh ? GATHER_MS : ROUND_MS);
  }

  /** Whether a round is due. */
  isDue(now: number): boolean {
    return now >= this.dueAt;
  }

  /** The news of a round when one is due: at once after `add`, unless there was one just now, then every 200 ms. */
  round(now: number): News[] {
    if (!this.isDue(now)) return [];
    this.#fresh = false;
    this.#lastAt = now;
    const due = [...this.#queue.entries()];
    for (const [key, queued] of due) if (--queued.roundsLeft <= 0) this.#queue.delete(key);
    return due.map(([, queued]) => queued.news);
  }

  /** Some news to take along with a ping, newest first; does not count as a round. */
  piggyback(): News[] {
    return [...this.#queue.values()].slice(-4).reverse().map((queued) => queued.news);
  }
}

function keyOf({ kind, id }: News): string {
  return `${kind} ${id}`;
}
