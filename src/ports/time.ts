/** Time and randomness, as arguments. */

/** Time as an argument. `now` is monotonic, in milliseconds; `wall` is Unix time in milliseconds, for people. */
export interface Clock {
  now(): number;
  wall(): number;
}

/** Randomness as an argument. */
export interface Random {
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array;
  /** A uniform integer in [0, limit). */
  below(limit: number): number;
}

/** What is to be done later; each returns what calls it off. Nothing is done before the call has returned. */
export interface Timers {
  after(milliseconds: number, act: () => void): () => void;
  every(milliseconds: number, act: () => void): () => void;
}
