/**
 * Who founds when several hosts start together and none has a mesh yet. Joiners tell one another which joiners they
 * have heard of, transitively; the smallest id founds once every joiner of the set has said, freshly, that it
 * knows exactly this set, and this has been so for a second. While a seed of any of them has not answered at all
 * (it may be the link to more joiners, or to a mesh) they wait longer, so that a lost datagram founds no second mesh.
 */

import { sha256Hex } from "../../crypto/sha256.ts";
import type { JoinerEntry } from "../../wire/gossip_body.ts";

/** Agreement must have lasted this long when every seed of every joiner answered, ms. */
export const AGREED_MS = 1000;
/** … and this long when some seed is silent. */
export const AGREED_INCOMPLETE_MS = 4000;
const FRESH_MS = 1000;
const FORGET_MS = 4000;
const MAX_JOINERS = 256;

interface Heard {
  readonly entry: JoinerEntry;
  readonly at: number;
  /** It said so itself. */
  readonly itself: boolean;
}

export class Joiners {
  readonly #id: string;
  // BOUNDED: ≤ MAX_JOINERS
  readonly #heard = new Map<string, Heard>();
  #seq = 0;
  #agreedSince: number | null = null;
  #whollySince: number | null = null;
  #view = "";

  constructor(id: string) {
    this.#id = id;
    this.#view = viewHash([id]);
  }

  /** Takes in what the joiner at the other end of its link (`by`) told us. True when the set of joiners changed. */
  merge(entries: readonly JoinerEntry[], now: number, by: string | null = null): boolean {
    let changed = false;
    for (const entry of entries) {
      if (entry.id === this.#id) continue;
      const known = this.#heard.get(entry.id);
      const at = now - entry.age;
      const itself = entry.id === by;
      if (known !== undefined && !isNewer(entry, at, itself, known)) continue;
      if (at <= now - FORGET_MS || (known === undefined && this.#heard.size >= MAX_JOINERS)) continue;
      this.#heard.set(entry.id, { entry, at, itself });
      changed ||= known === undefined;
    }
    if (changed) this.#setChanged();
    return changed;
  }

  /** Whether this joiner was heard of lately. */
  has(id: string): boolean {
    return this.#heard.has(id);
  }

  /** A joiner that turned out to be a member, or another network's. */
  forget(id: string): void {
    if (this.#heard.delete(id)) this.#setChanged();
  }

  get size(): number {
    return this.#heard.size;
  }

  /** What to tell: ourselves first, then every joiner heard of. `complete`: all our own seeds answered. */
  entries(complete: boolean, now: number): JoinerEntry[] {
    this.#seq++;
    const own = { id: this.#id, seq: this.#seq, age: 0, complete, view: this.#view };
    return [
      own,
      ...[...this.#heard.values()].map((h) => ({ ...h.entry, age: Math.max(0, Math.ceil(now - h.at)) })),
    ];
  }

  /** Whether it is up to us to found, now. Call it often: it watches how long agreement lasts. */
  shouldFound(complete: boolean, now: number): boolean {
    for (const [id, heard] of this.#heard) {
      if (now - heard.at <= FORGET_MS) continue;
      this.#heard.delete(id);
      this.#setChanged();
    }
    const all = [...this.#heard.values()];
    const agreed = all.length > 0 &&
      all.every((h) => h.entry.view === this.#view && this.#id < h.entry.id);
    if (!agreed) {
      this.#agreedSince = this.#whollySince = null;
      return false;
    }
    this.#agreedSince ??= now;
    const wholly = complete && all.every((h) => h.entry.complete);
    this.#whollySince = wholly ? this.#whollySince ?? now : null;
    if (all.some((h) => now - h.at > FRESH_MS)) return false; // one may have become a member since
    if (now - this.#agreedSince >= AGREED_INCOMPLETE_MS) return true;
    return this.#whollySince !== null && now - this.#whollySince >= AGREED_MS;
  }

  #setChanged(): void {
    this.#view = viewHash([this.#id, ...this.#heard.keys()]);
    this.#agreedSince = this.#whollySince = null;
  }
}

// Ages travel with entries, so that a joiner which is gone does not live on in relays. A lower count is that of a
// joiner started again. What a joiner says itself counts more than what others make of it.
function isNewer(entry: JoinerEntry, at: number, itself: boolean, known: Heard): boolean {
  if (itself && !known.itself) return true;
  if (!itself && known.itself && at <= known.at + FRESH_MS) return false;
  return entry.seq > known.entry.seq || (entry.seq < known.entry.seq && at > known.at + FORGET_MS / 2);
}

function viewHash(ids: string[]): string {
  return sha256Hex(ids.sort().join(" ")).slice(0, 16);
}
