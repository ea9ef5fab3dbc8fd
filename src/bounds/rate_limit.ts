/** A token bucket: `rate` events a second, `burst` at once. Time is an argument, in milliseconds. */
export class RateLimit {
  readonly #rate: number;
  readonly #burst: number;
  #tokens: number;
  #at = 0;

  constructor(rate: number, burst: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** How many could be taken now. */
  room(now: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#rate / 1000);
    this.#at = now;
    return Math.floor(this.#tokens);
  }

  /** Takes a token; false when none is left. */
  take(now: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#rate / 1000);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
