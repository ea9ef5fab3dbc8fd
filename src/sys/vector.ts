/**
 * struct iovec (readv(2)): pieces of packet memory for one system call, laid out without allocation. An address
 * is written as two 32-bit words; the pool's own lies below 2^53, so the arithmetic is exact.
 */
import { addressOf } from "#ffi";
import type { PacketPool } from "../ports/devices.ts";

export const IOVEC_LEN = 16;
const WORDS = IOVEC_LEN / 4;
const TWO_32 = 4294967296;

export class Vector {
  readonly bytes: Uint8Array;
  /** Pieces held. */
  count = 0;
  readonly #words: Uint32Array;
  readonly #capacity: number;
  readonly #baseLow: number;
  readonly #baseHigh: number;

  constructor(pool: PacketPool, capacity: number) {
    const memory = new ArrayBuffer(capacity * IOVEC_LEN);
    this.bytes = new Uint8Array(memory);
    this.#words = new Uint32Array(memory);
    this.#capacity = capacity;
    const base = addressOf(pool.memory);
    this.#baseLow = base >>> 0;
    this.#baseHigh = Math.floor(base / TWO_32);
  }

  /** Adds pool bytes at, at + length; false when the vector is full. */
  push(at: number, length: number): boolean {
    if (this.count === this.#capacity) return false;
    const low = this.#baseLow + at;
    const word = this.count++ * WORDS;
    this.#words[word] = low;
    this.#words[word + 1] = this.#baseHigh + (low >= TWO_32 ? 1 : 0);
    this.#words[word + 2] = length;
    return true;
  }

  /** Bytes of piece `i`. */
  lengthOf(i: number): number {
    return this.#words[i * WORDS + 2]!;
  }

  /** The address of piece `i` of this vector itself, for msg_iov. */
  get address(): number {
    return addressOf(this.bytes.buffer as ArrayBuffer);
  }
}
