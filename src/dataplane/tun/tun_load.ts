/**
 * What a Worker writes to TUN, looked at now and then: whether it is a bulk transfer, TCP superframes at a high rate. Then
 * it pays to let the program that reads them finish its turn before the next ones come. A flood of UDP is none: its receiver
 * falls behind when we wait.
 */

/** How long is looked at before the answer changes, milliseconds. */
const WINDOW_MS = 100;
/** Half a gigabit a second. */
const BULK_BYTES = (500e6 / 8) * (WINDOW_MS / 1000);
/** Bytes of TCP superframes a write, on average over all writes. */
const BULK_SIZE = 16 * 1024;

/** What has been written so far; both only grow. */
export interface Written {
  /** Writes of any kind. */
  readonly writes: number;
  /** Bytes of TCP superframes. */
  readonly bytes: number;
}

export class TunLoad {
  #bytes = 0;
  #writes = 0;
  #since = 0;
  #bulk = false;

  /** Whether the last whole window was of bulk. `now`: milliseconds, monotonic. */
  bulk({ writes, bytes }: Written, now: number): boolean {
    const passed = now - this.#since;
    if (passed < WINDOW_MS) return this.#bulk;
    const grown = bytes - this.#bytes;
    this.#bulk = passed < 2 * WINDOW_MS && grown >= BULK_BYTES &&
      grown >= (writes - this.#writes) * BULK_SIZE;
    this.#bytes = bytes;
    this.#writes = writes;
    this.#since = now;
    return this.#bulk;
  }
}
