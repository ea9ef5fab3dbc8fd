/**
 * What a Worker has written to TUN lately: whether it is a bulk transfer, TCP superframes at a high rate. Then it pays to
 * let the program that reads them finish its turn before the next ones come. A flood of UDP is none: its receiver
 * falls behind when we wait.
 */

/** How long is looked at before the answer changes, milliseconds. */
const WINDOW_MS = 100;
/** Half a gigabit a second. */
const BULK_BYTES = (500e6 / 8) * (WINDOW_MS / 1000);
/** Bytes of TCP superframes a write, on average over all writes. */
const BULK_SIZE = 16 * 1024;

export class TunLoad {
  #bytes = 0;
  #writes = 0;
  #since = 0;
  #bulk = false;

  /** One write: a TCP superframe of `bytes`, or anything else, 0. */
  add(bytes: number): void {
    this.#writes++;
    this.#bytes += bytes;
  }

  /** Whether the last whole window was of bulk. `now`: milliseconds, monotonic. */
  bulk(now: number): boolean {
    const passed = now - this.#since;
    if (passed < WINDOW_MS) return this.#bulk;
    this.#bulk = passed < 2 * WINDOW_MS && this.#bytes >= BULK_BYTES &&
      this.#bytes >= this.#writes * BULK_SIZE;
    this.#bytes = this.#writes = 0;
    this.#since = now;
    return this.#bulk;
  }
}
