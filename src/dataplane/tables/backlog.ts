/**
 * How many messages of the Workers wait for the control thread: a count in shared memory, for `postMessage` queues without
 * bound and nothing else pushes back. Workers hand up thousands of datagrams a second, a thread that needs 20 ms for each takes
 * fifty. What waits longer than seconds is worth nothing: gossip is told again, so beyond a bound it is dropped and counted,
 * and what does come is young. A handshake has cost its sender more, and its last message makes the session: those go on
 * up to a bound of their own. What is no datagram (a session that is used, a device that is gone) is rare, and always told.
 */

/** Datagrams that wait before gossip is dropped: of all Workers together. */
export const GOSSIP_WAITS_MAX = 1000;
/** The same for what nobody has authenticated, where members' gossip is: a flood of strangers leaves it room. */
export const STRANGERS_WAIT_MAX = 500;
/** The same for handshakes. */
export const HANDSHAKES_WAIT_MAX = 4000;

export class Backlog {
  readonly memory: SharedArrayBuffer;
  readonly #count: Int32Array;

  /** Over shared memory; without an argument, new memory. */
  constructor(memory = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#count = new Int32Array(memory);
  }

  /** A Worker hands something up. */
  posted(): void {
    Atomics.add(this.#count, 0, 1);
  }

  /** The control thread has dealt with one. */
  handled(): void {
    Atomics.sub(this.#count, 0, 1);
  }

  get waits(): number {
    return Atomics.load(this.#count, 0);
  }
}
