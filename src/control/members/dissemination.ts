/**
 * Spreading news: what changed is told at once to three random peers, and again every 200 ms to three random peers for
 * log₂ N rounds, packed into as few datagrams as it takes (packing.ts), or until some peers have told us the same: a rumour
 * ends where it is known (Demers et al. 1987, feedback and counter). An item is named by what it is about, so newer news
 * replaces older. Pings and their answers take along what they have room for.
 *
 * When a mesh is founded or a split heals, each of thousands has something to tell of each other. A round then tells as much
 * as a host can take in, in turns, the rest in the next ones; and fewer peers need have said the same, for what a rumour
 * misses the next synchronisation brings with much else.
 */

export const FANOUT = 3;
export const ROUND_MS = 200;
/** What comes so soon after a round waits that long: one datagram then carries it with what comes meanwhile. */
const GATHER_MS = 100;
/** Peers that have told us the same: nearly all have heard it by then, and anti-entropy finds the rest. */
const ENOUGH = 5;
/** The same when there is more than so much to tell. */
const ENOUGH_OF_MANY = 2;
const MANY = 64;
/** What an item takes of a round, bytes, about. */
const ITEM_BYTES = { record: 330, statement: 40, directive: 200 };
/** Bytes of a round for each of its peers: two dozen datagrams; one from a host that is behind itself. */
export const ROUND_BYTES = 28_000;
export const ROUND_BYTES_LATE = 1200;
/** News that a ping takes along, of so many that came last. */
const TAKEN_ALONG = 4;
const LATEST = 8;

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
  /** It goes before all else in its first round. */
  urgent: boolean;
}

export class Dissemination {
  // BOUNDED: three per node, ≤ 3 × MAX_PEERS
  readonly #queue = new Map<string, Queued>();
  // BOUNDED: ≤ LATEST; what was added last
  #latest: Queued[] = [];
  #lastAt = -Infinity;
  #fresh = false;
  #urgent = false;

  /**
   * Something that `members` others should hear; `at once`: it gathers nothing, for who hears it late would not know what to
   * make of the probes that follow it.
   */
  add(news: News, members: number, when: "at once" | "soon" = "soon"): void {
    const key = keyOf(news);
    this.#queue.delete(key);
    const urgent = when === "at once";
    const queued = { news, roundsLeft: 1 + Math.ceil(Math.log2(members + 2)), heardFrom: [], urgent };
    this.#urgent ||= urgent;
    this.#queue.set(key, queued);
    this.#latest = [queued, ...this.#latest.slice(0, LATEST - 1)];
    this.#fresh = true;
    if (urgent) this.#lastAt = -Infinity;
  }

  /**
   * A peer told us what we knew already. What enough of them say is no news any more. A few statements are told in all their
   * rounds: who is suspect must hear so, and has little time.
   */
  heard(news: News, from: string): void {
    if (this.#queue.size === 0 || (news.kind === "statement" && this.#queue.size <= MANY)) return;
    const key = keyOf(news);
    const queued = this.#queue.get(key);
    if (queued === undefined || queued.heardFrom.includes(from)) return;
    const enough = this.#queue.size > MANY && news.kind !== "statement" ? ENOUGH_OF_MANY : ENOUGH;
    if (queued.heardFrom.length + 1 >= enough) this.#queue.delete(key);
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

  /** Whether there is so much to tell that a synchronisation does better. */
  get overflows(): boolean {
    return this.#queue.size > MANY;
  }

  /**
   * The news of a round when one is due, of so many bytes: at once after `add`, unless there was one just now, then every
   * 200 ms. What is told goes to the end, so that all have their turn.
   */
  round(now: number, bytes = Infinity): News[] {
    if (!this.isDue(now)) return [];
    this.#fresh = false;
    this.#lastAt = now;
    const due: News[] = [];
    let left = bytes;
    for (const [key, queued] of this.#inTurn()) {
      left -= ITEM_BYTES[queued.news.kind];
      if (left < 0 && due.length > 0) break;
      due.push(queued.news);
      queued.urgent = false;
      this.#queue.delete(key);
      if (--queued.roundsLeft > 0) this.#queue.set(key, queued);
    }
    return due;
  }

  #inTurn(): [string, Queued][] {
    const all = [...this.#queue];
    if (!this.#urgent) return all;
    this.#urgent = false;
    return [...all.filter(([, { urgent }]) => urgent), ...all.filter(([, { urgent }]) => !urgent)];
  }

  /** Some news to take along with a ping, newest first; does not count as a round. */
  piggyback(): News[] {
    const latest = this.#latest.filter((queued) => this.#queue.get(keyOf(queued.news)) === queued);
    return latest.slice(0, TAKEN_ALONG).map(({ news }) => news);
  }
}

// Nearly all are records: there may be thousands at once, and for them no text is made.
function keyOf({ kind, id }: News): string {
  return kind === "record" ? id : `${kind} ${id}`;
}
