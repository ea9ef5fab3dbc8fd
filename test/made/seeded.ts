/** Seeded randomness and dirty buffers for the codec tests: a failure names its seed and comes back with it. */

/** mulberry32: doubles in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** An integer in [0, n). */
export function below(random: () => number, n: number): number {
  return Math.floor(random() * n);
}

/** `n` random bytes. */
export function randomBytes(random: () => number, n: number): Uint8Array {
  return Uint8Array.from({ length: n }, () => below(random, 256));
}

/** `n` bytes of 0xa5, so that an encoder which leaves a byte unwritten is seen. */
export function dirty(n: number): Uint8Array {
  return new Uint8Array(n).fill(0xa5);
}

/** Bytes from hexadecimal text with spaces. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Whether every byte outside at..end is still 0xa5. */
export function untouchedOutside(b: Uint8Array, at: number, end: number): boolean {
  return b.every((byte, i) => (i >= at && i < end) || byte === 0xa5);
}
