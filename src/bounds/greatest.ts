/**
 * A map that others could fill without end and that is to end up the same wherever the same was put in, in whatever order:
 * of each key the greatest value, and of all keys the `max` with the greatest values, in one total order. One too many, and
 * the least goes. Where each value of a key is greater than the one it replaces, the greatest `max` of a union are found in the
 * greatest `max` of its parts; what others sign may break that, and does not break the order of the rest. A binary heap, the
 * least on top: O(log max) for each change.
 */

export class Greatest<V> {
  readonly #max: number;
  readonly #compare: (a: V, b: V) => number;
  readonly #keyOf: (value: V) => string;
  // BOUNDED: ≤ #max, where each key is in #heap
  readonly #places = new Map<string, number>();
  readonly #heap: V[] = [];

  constructor(max: number, compare: (a: V, b: V) => number, keyOf: (value: V) => string) {
    this.#max = max;
    this.#compare = compare;
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#heap.length;
  }

  get(key: string): V | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#heap[place];
  }

  values(): Iterable<V> {
    return this.#heap.values();
  }

  /** Puts in a value that is greater than that of its key. Returns what had to go for it, itself perhaps, or null. */
  set(value: V): V | null {
    const place = this.#places.get(this.#keyOf(value));
    if (place !== undefined) {
      this.#heap[place] = value;
      this.#settle(place);
      return null;
    }
    if (this.#heap.length >= this.#max) {
      const least = this.#heap[0];
      if (least === undefined || this.#compare(value, least) < 0) return value;
      this.#places.delete(this.#keyOf(least));
      this.#put(0, value);
      this.#sink(0);
      return least;
    }
    this.#put(this.#heap.length, value);
    this.#rise(this.#heap.length - 1);
    return null;
  }

  delete(key: string): boolean {
    const place = this.#places.get(key);
    if (place === undefined) return false;
    this.#places.delete(key);
    const last = this.#heap.pop()!;
    if (place === this.#heap.length) return true;
    this.#put(place, last);
    this.#settle(place);
    return true;
  }

  /** Brings what lies there to where it belongs. */
  #settle(place: number): void {
    const value = this.#heap[place]!;
    this.#rise(place);
    this.#sink(this.#places.get(this.#keyOf(value))!);
  }

  #put(place: number, value: V): void {
    this.#heap[place] = value;
    this.#places.set(this.#keyOf(value), place);
  }

  #rise(from: number): void {
    let place = from;
    const value = this.#heap[place]!;
    while (place > 0) {
      const above = (place - 1) >>> 1;
      if (this.#compare(this.#heap[above]!, value) <= 0) break;
      this.#put(place, this.#heap[above]!);
      place = above;
    }
    this.#put(place, value);
  }

  #sink(from: number): void {
    let place = from;
    const value = this.#heap[place]!;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.#heap.length) break;
      if (below + 1 < this.#heap.length && this.#compare(this.#heap[below + 1]!, this.#heap[below]!) < 0) {
        below++;
      }
      if (this.#compare(value, this.#heap[below]!) <= 0) break;
      this.#put(place, this.#heap[below]!);
      place = below;
    }
    this.#put(place, value);
  }
}
