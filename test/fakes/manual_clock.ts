/** A clock that stands still until a test moves it. */

import type { Clock } from "../../src/ports/time.ts";

export class ManualClock implements Clock {
  #now: number;

  constructor(now = 1000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return 1_700_000_000_000 + this.#now;
  }

  /** Moves on; time never goes back. */
  advanceTo(now: number): void {
    this.#now = Math.max(this.#now, now);
  }
}
