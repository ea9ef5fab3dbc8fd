/**
 * Hostile bytes out of genuine ones: bits turned over, pieces cut off, doubled, moved and spliced, length fields and
 * MessagePack heads where they hurt. A seed decides everything.
 */
import { below, seeded } from "../made/seeded.ts";

/** Longest input: more than any datagram that is taken, so that the limits are met from both sides. */
export const INPUT_MAX = 1600;
/** Inputs that are kept besides the genuine ones. */
const KEPT_MAX = 256;

const BYTES = [0, 1, 2, 0x0f, 0x10, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff];
const LENGTHS = [0, 1, 7, 8, 19, 20, 0x7f, 0xff, 0x100, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
/** Heads of arrays, maps, texts and bytes of great length, of extensions, and what MessagePack never uses. */
const HEADS = [
  [0xdc, 0xff, 0xff],
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xde, 0xff, 0xff],
  [0xdf, 0x00, 0xff, 0xff, 0xff],
  [0xda, 0xff, 0xff],
  [0xdb, 0x7f, 0xff, 0xff, 0xff],
  [0xc4, 0xff],
  [0xc6, 0xff, 0xff, 0xff, 0xff],
  [0x90],
  [0x9f],
  [0x80],
  [0x8f],
  [0xc0],
  [0xc1],
  [0xc2],
  [0xc3],
  [0xca, 0x7f, 0xc0, 0, 0],
  [0xcb, 0x43, 0x40, 0, 0, 0, 0, 0, 0],
  [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0],
  [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x6b],
  [0xd4, 0x65, 0x00],
  [0xd4, 0x78, 0x00],
  [0xd4, 0x73, 0x00],
  [0xd6, 0x69, 0, 0, 0, 1],
  [0xd6, 0x70, 0, 0, 0, 1],
  [0xc7, 0x08, 0x74, 0x09],
  [0xc7, 0x04, 0x62, 0xff, 0xff, 0xff, 0x00],
  [0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
  [0xc8, 0x01, 0x00, 0x42],
  [0xa9, ...new TextEncoder().encode("__proto__")],
];
/** Heads that hold one more value: an array of one, a map of one, a long array, the longest short one, an extension. */
const NESTED = [0x91, 0x81, 0xdc, 0x9f, 0xd4];

export class Mutator {
  readonly #random: () => number;
  readonly #genuine: readonly Uint8Array[];
  readonly #found: readonly Uint8Array[];
  // BOUNDED: ≤ KEPT_MAX
  readonly #kept: Uint8Array[] = [];
  readonly #b = new Uint8Array(INPUT_MAX);
  #length = 0;

  /** `found`: inputs that led somewhere new elsewhere; most of them are refused. */
  constructor(genuine: readonly Uint8Array[], found: readonly Uint8Array[], seed: number) {
    this.#genuine = genuine;
    this.#found = found;
    this.#random = seeded(seed);
  }

  /** The next input, borrowed until the next call; one in 32 is one of those that it begins with, as it is. */
  next(): Uint8Array {
    const from = this.#any();
    this.#length = Math.min(from.length, INPUT_MAX);
    this.#b.set(from.subarray(0, this.#length));
    const times = this.#below(32) === 0 ? 0 : 1 + this.#below(4);
    for (let i = 0; i < times; i++) this.#change();
    return this.#b.subarray(0, this.#length);
  }

  /** Remembers the last input, which led somewhere new: the next ones begin there, too. */
  keep(): void {
    const input = this.#b.slice(0, this.#length);
    if (this.#kept.length < KEPT_MAX) this.#kept.push(input);
    else this.#kept[this.#below(KEPT_MAX)] = input;
  }

  #below(n: number): number {
    return below(this.#random, n);
  }

  /** Of eight inputs one was found, three were kept and four are genuine, where there are any of each. */
  #any(): Uint8Array {
    const n = this.#below(8);
    const list = n === 0 && this.#found.length > 0
      ? this.#found
      : n < 4 && this.#kept.length > 0
      ? this.#kept
      : this.#genuine;
    return list[this.#below(list.length)]!;
  }

  #change(): void {
    const at = this.#below(this.#length + 1);
    switch (this.#below(12)) {
      case 0:
      case 1:
        this.#b[at]! ^= 1 << this.#below(8);
        return;
      case 2:
        this.#b[at] = BYTES[this.#below(BYTES.length)]!;
        return;
      case 3:
        this.#b[at] = this.#below(256);
        return;
      case 4:
        this.#length = at;
        return;
      case 5:
        return this.#noise(at, 1 + this.#below(40));
      case 6:
        return this.#splice(at);
      case 7:
        return this.#double(at);
      case 8:
        return this.#remove(at, 1 + this.#below(16));
      case 9:
        return this.#length16(at);
      case 10:
        return this.#insert(at, HEADS[this.#below(HEADS.length)]!, this.#below(2) === 0);
      default:
        return this.#nest(at);
    }
  }

  /** Room for bytes at `at`, or what is there to be written over: how many of `length` fit. */
  #room(at: number, length: number, over: boolean): number {
    const fitting = Math.min(length, INPUT_MAX - at);
    if (!over) this.#open(at, fitting);
    else this.#length = Math.max(this.#length, at + fitting);
    return fitting;
  }

  #open(at: number, length: number): void {
    this.#b.copyWithin(at + length, at, this.#length);
    this.#length = Math.min(INPUT_MAX, this.#length + length);
  }

  /** Puts bytes in at `at`, or over what is there; as often as it takes to fill `length`. */
  #insert(at: number, bytes: readonly number[], over: boolean, length = bytes.length): void {
    const fitting = this.#room(at, length, over);
    for (let i = 0; i < fitting; i++) this.#b[at + i] = bytes[i % bytes.length]!;
  }

  #noise(at: number, length: number): void {
    const fitting = this.#room(at, length, false);
    for (let i = 0; i < fitting; i++) this.#b[at + i] = this.#below(256);
  }

  /** Another input's end from here on. */
  #splice(at: number): void {
    const other = this.#any();
    const from = this.#below(2) === 0 ? Math.min(at, other.length) : this.#below(other.length + 1);
    const tail = other.subarray(from, from + INPUT_MAX - at);
    this.#b.set(tail, at);
    this.#length = at + tail.length;
  }

  #double(at: number): void {
    const length = Math.min(1 + this.#below(64), this.#length - at, INPUT_MAX - this.#length);
    if (length <= 0) return;
    this.#open(at, length);
    this.#b.copyWithin(at, at + length, at + 2 * length);
  }

  #remove(at: number, length: number): void {
    const end = Math.min(at + length, this.#length);
    this.#b.copyWithin(at, end, this.#length);
    this.#length -= end - at;
  }

  /** A length of 8, 16 or 32 bits: an extreme one, or about what is left. */
  #length16(at: number): void {
    const left = this.#length - at;
    const value = this.#below(2) === 0 ? LENGTHS[this.#below(LENGTHS.length)]! : left - 2 + this.#below(5);
    const width = 1 << this.#below(3);
    const fitting = this.#room(at, width, true);
    for (let i = 0; i < fitting; i++) this.#b[at + i] = value >>> 8 * (width - 1 - i);
  }

  /** Arrays or maps within one another, to the end or less. */
  #nest(at: number): void {
    const head = NESTED[this.#below(NESTED.length)]!;
    const piece = head === 0xdc ? [head, this.#below(256), 0] : head === 0xd4 ? [head, 0x73, 0] : [head];
    const times = 1 + this.#below(this.#below(4) === 0 ? INPUT_MAX : 16);
    this.#insert(at, piece, this.#below(2) === 0, times * piece.length);
  }
}
