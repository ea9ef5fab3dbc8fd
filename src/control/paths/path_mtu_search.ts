/**
 * How large a packet a way carries, found by asking: packetization layer path MTU discovery (RFC 8899), without a word
 * from any router. Sizes are those of the outer IP packet, bytes. Pure: the owner sends what `due` says and tells what was
 * answered.
 *
 *   checking ──(answered)──▶ idle ──(10 min, when lowered; or check())──▶ checking
 *      │ three times unanswered, while small ones are answered
 *      ▼
 *   searching: rounds of up to eight sizes between what passed and what did not, each asked twice
 *
 * An answer counts whenever it comes. Loss can make the result too small for ten minutes, never too large.
 */

const CHECK_TRIES = 3;
const RAISE_MS = 600_000;
const SIZES_EACH_ROUND = 8;
/** What every way is presumed to carry (min_pmtu of Linux; RFC 8200 §5 for IPv6). */
const LEAST_V4 = 552;
const LEAST_V6 = 1280;
/** Ethernet, PPPoE, tunnels of all kinds, and what IPv6 asks of a link: tried first. */
const COMMON = [8000, 4000, 2000, 1492, 1480, 1450, 1420, 1400, 1340, 1280, 1000, 776] as const;
/** A way that answers nothing at all is asked less and less often. */
const SILENT_MAX_MS = 60_000;
/** Size of a probe without padding. */
export const SMALL = 0;

export class PathMtuSearch {
  readonly #least: number;
  #full: number;
  /** The largest size that passed, or that is presumed to until it was asked. */
  #mtu: number;
  #phase: "checking" | "searching" | "idle" = "checking";
  #target: number;
  #nextAt: number;
  #raiseAt = Infinity;
  #tries = 0;
  #alive = false;
  #silentMs = 0;
  // While searching: what passed, what did not, and what of this round is unanswered.
  #low = 0;
  #high = 0;
  #rounds = 0;
  // BOUNDED: ≤ COMMON.length + SIZES_EACH_ROUND
  #asked = new Set<number>();

  /** `full`: as much as our own link takes. */
  constructor(full: number, family: 4 | 6, now: number) {
    this.#least = Math.min(family === 4 ? LEAST_V4 : LEAST_V6, full);
    this.#full = this.#mtu = this.#target = full;
    this.#nextAt = now;
  }

  /** What is believed to pass now. */
  get mtu(): number {
    return this.#mtu;
  }

  /** Whether less passes than our own link takes. */
  get lowered(): boolean {
    return this.#mtu < this.#full;
  }

  /** Our own link, or what a router told the kernel, has changed. */
  setFull(full: number, now: number): void {
    if (full === this.#full) return;
    // Lower than what passed: that is still true. Higher: perhaps more passes, perhaps not.
    this.#mtu = this.lowered ? Math.min(this.#mtu, full) : full;
    this.#full = full;
    this.#check(full, now);
  }

  /** Everything is to be found out anew: another way. */
  restart(now: number): void {
    this.#mtu = this.#full;
    this.#check(this.#full, now);
  }

  /** Whether what passed still does; nothing happens while that is being asked. */
  check(now: number): void {
    if (this.#phase === "idle") this.#check(this.#mtu, now);
  }

  #check(target: number, now: number): void {
    this.#phase = "checking";
    this.#target = target;
    this.#tries = 0;
    this.#alive = false;
    this.#nextAt = now;
  }

  get dueAt(): number {
    return this.#phase === "idle" ? this.#raiseAt : this.#nextAt;
  }

  isDue(now: number): boolean {
    return now >= this.dueAt;
  }

  /** The sizes to ask now; SMALL: without padding. `patience`: how long an answer may take, ms. */
  due(now: number, patience: number): number[] {
    if (!this.isDue(now)) return [];
    if (this.#phase === "idle") this.#check(this.#full, now);
    if (this.#phase === "checking") {
      if (this.#tries === CHECK_TRIES) this.#conclude(now);
      else {
        this.#tries++;
        this.#nextAt = now + patience;
        return [this.#target, SMALL];
      }
    }
    return this.#phase === "searching" ? this.#search(now, patience) : [];
  }

  /** True when that changes `mtu`. */
  answered(size: number, now: number): boolean {
    this.#alive = true;
    this.#silentMs = 0;
    if (size === SMALL || size > this.#full) return false;
    const before = this.#mtu;
    if (this.#phase === "searching") {
      this.#asked.delete(size);
      this.#low = Math.max(this.#low, size);
      this.#mtu = this.#low;
      if (size >= this.#high) this.#settle(size, now);
    } else if (this.#phase === "checking" && size >= this.#target) this.#settle(size, now);
    else if (size > this.#mtu) this.#mtu = size;
    return this.#mtu !== before;
  }

  #settle(mtu: number, now: number): void {
    // That what passed still passes puts nothing off.
    const news = mtu !== this.#mtu || this.#phase === "searching" || this.#target === this.#full;
    this.#mtu = mtu;
    this.#phase = "idle";
    if (!this.lowered) this.#raiseAt = Infinity;
    else if (news || this.#raiseAt === Infinity) this.#raiseAt = now + RAISE_MS;
  }

  // Three times no answer to the size that was checked.
  #conclude(now: number): void {
    if (!this.#alive) {
      this.#silentMs = Math.min(SILENT_MAX_MS, Math.max(1000, 2 * this.#silentMs));
      this.#tries = 0;
      this.#nextAt = now + this.#silentMs;
      return;
    }
    this.#phase = "searching";
    // Above what passed before, where more was asked for; else anything may be.
    this.#low = this.#target > this.#mtu ? this.#mtu : this.#least;
    this.#high = this.#target;
    this.#rounds = 0;
    this.#asked.clear();
    this.#nextAt = now;
  }

  #search(now: number, patience: number): number[] {
    this.#nextAt = now + patience;
    const left = [...this.#asked].filter((size) => size > this.#low);
    this.#asked.clear();
    if (this.#rounds % 2 === 1) {
      this.#rounds++;
      for (const size of left) this.#asked.add(size);
      if (left.length > 0) return [...left, SMALL];
    }
    if (!this.#alive) { // not the size: the way is silent
      this.#check(this.#target, now);
      return [];
    }
    if (this.#rounds > 0) this.#high = Math.min(this.#high, ...left);
    const sizes = this.#candidates();
    if (sizes.length === 0) {
      this.#settle(this.#low, now);
      return [];
    }
    // The size that began it may have been lost by chance.
    if (this.#rounds === 0) sizes.push(this.#high);
    this.#rounds++;
    this.#alive = false;
    for (const size of sizes) this.#asked.add(size);
    return [...sizes, SMALL];
  }

  #candidates(): number[] {
    const inside = COMMON.filter((size) => size > this.#low && size < this.#high);
    if (this.#rounds === 0 && inside.length > 1) return [...inside];
    const room = this.#high - this.#low - 1;
    if (room <= 0) return [];
    const count = Math.min(room, SIZES_EACH_ROUND);
    const sizes = new Set<number>();
    for (let i = 1; i <= count; i++) {
      sizes.add(this.#low + Math.floor((i * (room + 1)) / (count + 1)));
    }
    return [...sizes].filter((size) => size > this.#low && size < this.#high);
  }
}
