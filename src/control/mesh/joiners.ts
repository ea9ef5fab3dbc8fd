/**
 * Who founds when several hosts start together and none has a mesh yet: the one with the smallest id, once all who can reach one
 * another agree on that, and this has been so for a second. While a seed of any of them has not answered at all (it may be
 * the link to more joiners, or to a mesh) they wait longer, so that a lost datagram founds no second mesh.
 *
 * No joiner learns who all the others are: what they say is as short among thousands as among three. The smallest id that a
 * joiner has heard of is its leader. The leader speaks a new number from time to time, which goes from link to link like a
 * wave; over which link it came first is a joiner's way to the leader (a spanning tree, as of bridges in IEEE 802.1D). Back
 * along these ways each tells what holds of all behind it: the number up to which they agree, how many they are, and
 * whether all their seeds have answered (Segall 1983, propagation of information with feedback). Who hears of a smaller id
 * passes it on at once. Whoever leads for a minute and does not found, though nobody joins any more, is passed over: it may be
 * one that cannot, or a name that somebody made up. So N joiners need O(N log N) messages in all, and O(N) for each further wave.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import type { JoinerWord } from "../../wire/gossip_body.ts";

/** Agreement must have lasted this long when every seed of every joiner answered, ms. */
export const AGREED_MS = 1000;
/** … and this long when some seed is silent. */
export const AGREED_INCOMPLETE_MS = 4000;
/** Between two waves; longer among very many, for each is a datagram for every joiner. */
const WAVE_MS = 200;
const JOINERS_A_WAVE = 500;
/** Not as long as FORGET_MS, however many there are said to be. */
const WAVE_MAX_MS = 2000;
/** One that was not in the latest waves may have become a member since. */
const FRESH_WAVES = 5;
const FORGET_MS = 4000;
/** Whoever does not hear of waves is told again what is known. */
const REPEAT_MS = 400;
/** A way to the leader by which nothing has come for so long is none. */
const WAY_MS = 1000;
/** Without more joiners a leader that is another is given so long to found, … */
const PATIENCE_MS = 60_000;
/** … and who leads in place of such a one founds after so long, also where some do not agree: by then all have passed it over. */
const ANYWAY_MS = 90_000;
const BURIED_MAX = 64;
/** So long after the latest wave those who were joining count: they are members, or will be. */
const CROWD_MS = 30_000;
/** Greater numbers are of nobody who counts waves. */
const SEQ_MAX = 2 ** 40;

interface Heard {
  readonly word: JoinerWord;
  readonly at: number;
}

interface Summary {
  agreed: number;
  count: number;
  complete: boolean;
}

/** Who should hear from us after a word of another: all linked joiners, the one on our way to the leader, who has spoken. */
export type Listeners = "all" | "way" | "speaker" | null;

export class Joiners {
  readonly #id: string;
  // BOUNDED: one per link, ≤ MAX_PEERS: what the joiners at the other ends said last
  readonly #heard = new Map<string, Heard>();
  // BOUNDED: as the links: when each was told something last
  readonly #toldAt = new Map<string, number>();
  // Leaders that went silent, by their last numbers, and those passed over, by Infinity. BOUNDED: ≤ BURIED_MAX, the oldest go first
  readonly #buried = new BoundedMap<string, number>(BURIED_MAX);
  #leader: string;
  /** The leader's number, and when it grew. */
  #seq = 0;
  #grewAt = 0;
  #distance = 0;
  /** Our neighbour on the way to the leader; null while that is ourselves. */
  #way: string | null = null;
  /** Our own number as a leader. */
  #ownSeq = 0;
  #total = 1;
  /** What was said up the way last. */
  #toldAgreed = 0;
  /** Since when we are the leader of the same joiners, at which number, and since when all their seeds have answered. */
  #agreed:
    | { readonly since: number; readonly seq: number; readonly count: number; wholly: number | null }
    | null = null;
  #complete = false;
  /** What holds of us and of all behind us; null: something has changed since it was summed up. */
  #sum: Summary | null = null;
  /** Since when there are no more joiners than that. */
  #still: { readonly since: number; readonly size: number } | null = null;
  #passedOver = false;

  constructor(id: string) {
    this.#id = id;
    this.#leader = id;
  }

  /** All our own seeds have answered, and everybody we have a link with has said who it is. */
  get complete(): boolean {
    return this.#complete;
  }

  set complete(complete: boolean) {
    if (complete !== this.#complete) this.#sum = null;
    this.#complete = complete;
  }

  /** Takes in what the joiner at the other end of a link (`by`) told us. Returns who should hear of it now. */
  hear(by: string, word: JoinerWord, now: number): Listeners {
    if (word.seq > SEQ_MAX) return null;
    this.#sum = null;
    this.#heard.set(by, { word, at: now });
    if (by === this.#way) this.#total = word.total;
    if (word.leader === this.#id) this.#ownSeq = Math.max(this.#ownSeq, word.seq); // we have started again
    if (this.#follow(by, word, now)) return "all";
    if (word.leader > this.#leader) return "speaker";
    return this.#way !== null && this.#summary().agreed > this.#toldAgreed ? "way" : null;
  }

  // True when that was a smaller leader, or a new wave.
  #follow(by: string, { leader, seq, distance }: JoinerWord, now: number): boolean {
    if (leader > this.#leader || leader === this.#id || seq <= (this.#buried.get(leader) ?? -1)) return false;
    const smaller = leader < this.#leader;
    // Each is passed on by all: who counts faster than waves come is not followed at that pace.
    if (!smaller && (seq <= this.#seq || now - this.#grewAt < WAVE_MS / 2)) return false;
    if (smaller || by === this.#way || !this.#hasWay(now)) {
      this.#way = by;
      this.#distance = distance + 1;
    }
    if (smaller) this.#toldAgreed = 0;
    this.#leader = leader;
    this.#seq = seq;
    this.#grewAt = now;
    return true;
  }

  #hasWay(now: number): boolean {
    const heard = this.#way === null ? undefined : this.#heard.get(this.#way);
    return heard !== undefined && now - heard.at <= WAY_MS && heard.word.leader === this.#leader &&
      heard.word.distance < this.#distance;
  }

  /** What holds of us and of all whose way to the leader leads over us: of a seed that may be thousands. */
  #summary(): Summary {
    return this.#sum ??= this.#sumUp();
  }

  #sumUp(): Summary {
    const sum = { agreed: this.#seq, count: 1, complete: this.complete };
    for (const [by, { word }] of this.#heard) {
      if (word.leader !== this.#leader) return { ...sum, agreed: 0, complete: false };
      if (word.upward) {
        sum.agreed = by === this.#way ? 0 : Math.min(sum.agreed, word.agreed);
        sum.count += word.count;
        sum.complete &&= word.complete;
      } else if (by !== this.#way) sum.agreed = Math.min(sum.agreed, word.seq);
    }
    return sum;
  }

  /** What to tell the joiner at the other end of a link. */
  wordTo(to: string, now: number): JoinerWord {
    this.#toldAt.set(to, now);
    const { agreed, count, complete } = this.#summary();
    const upward = to === this.#way;
    if (upward) this.#toldAgreed = agreed;
    const leads = this.#leader === this.#id;
    return {
      leader: this.#leader,
      seq: this.#seq,
      distance: this.#distance,
      upward,
      agreed,
      count,
      complete,
      total: leads ? count : this.#total,
    };
  }

  /** By the clock: forgets who is silent, and begins a wave. True when all are to hear of it. */
  tick(now: number): boolean {
    for (const [by, { at }] of this.#heard) if (now - at > FORGET_MS) this.forget(by);
    const still = this.#stillFor(now);
    if (this.#leader !== this.#id && still >= PATIENCE_MS) {
      this.#passedOver = true;
      this.#bury(Infinity);
      this.#still = { since: now, size: this.size };
    } else if (this.#leader !== this.#id && now - this.#grewAt > FORGET_MS) {
      this.#bury(this.#seq);
    } else if (this.#leader === this.#id && now - this.#grewAt < this.#waveMs()) return false;
    this.#sum = null;
    if (this.#leader !== this.#id) return false;
    this.#way = null;
    this.#distance = 0;
    this.#grewAt = now;
    this.#seq = ++this.#ownSeq;
    return true;
  }

  // How many there are was the leader's word.
  #bury(seq: number): void {
    this.#buried.renew(this.#leader, seq);
    this.#leader = this.#id;
    this.#total = this.#heard.size + 1;
  }

  /** For how long no more have joined. */
  #stillFor(now: number): number {
    if (this.#still === null || this.size > this.#still.size) this.#still = { since: now, size: this.size };
    return now - this.#still.since;
  }

  #waveMs(): number {
    return Math.min(WAVE_MAX_MS, WAVE_MS * Math.max(1, this.#total / JOINERS_A_WAVE));
  }

  /** Whether this joiner has heard nothing of us for a while. */
  misses(id: string, now: number): boolean {
    return now - (this.#toldAt.get(id) ?? -Infinity) >= REPEAT_MS;
  }

  /** Whether it is up to us to found, now. Call it often: it watches how long agreement lasts. */
  shouldFound(now: number): boolean {
    const { agreed, count, complete } = this.#summary();
    const leads = this.#leader === this.#id && this.#heard.size > 0;
    if (leads && this.#passedOver && this.#stillFor(now) >= ANYWAY_MS) return true;
    if (!leads || agreed === 0) {
      this.#agreed = null;
      return false;
    }
    this.#total = count;
    if (this.#agreed?.count !== count) this.#agreed = { since: now, seq: this.#seq, count, wholly: null };
    const lasting = this.#agreed!;
    lasting.wholly = complete ? lasting.wholly ?? now : null;
    if (agreed <= lasting.seq || this.#seq - agreed > FRESH_WAVES) return false;
    if (now - lasting.since >= AGREED_INCOMPLETE_MS) return true;
    return lasting.wholly !== null && now - lasting.wholly >= AGREED_MS;
  }

  /** Our neighbour on the way to the leader; null while we lead. */
  get way(): string | null {
    return this.#way;
  }

  /** Whether the joiner at the other end of this link was heard lately. */
  has(id: string): boolean {
    return this.#heard.has(id);
  }

  /** A joiner that turned out to be a member, or another network's. */
  forget(id: string): void {
    if (this.#heard.delete(id)) this.#sum = null;
    this.#toldAt.delete(id);
  }

  /** How many were joining together lately, ourselves included: the mesh will have as many members at least. */
  crowd(now: number): number {
    return now - this.#grewAt <= CROWD_MS ? Math.min(this.size + 1, MAX_PEERS) : 1;
  }

  /** Other joiners, as far as it is known. */
  get size(): number {
    return Math.max(this.#heard.size, this.#total - 1);
  }
}
