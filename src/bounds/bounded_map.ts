/**
 * Maps and sets that others could fill without end: of at most `max` entries. One too many, and the first goes, which is
 * the one that was added, or renewed, longest ago.
 */

export class BoundedMap<K, V> extends Map<K, V> {
  readonly #max: number;

  constructor(max: number) {
    super();
    this.#max = max;
  }

  /** As of any Map: an entry that is there keeps its place. */
  override set(key: K, value: V): this {
    super.set(key, value);
    if (this.size > this.#max) this.delete(this.keys().next().value!);
    return this;
  }

  /** The same, and the entry is the last to go from now on. */
  renew(key: K, value: V): this {
    this.delete(key);
    return this.set(key, value);
  }
}

export class BoundedSet<T> extends Set<T> {
  readonly #max: number;

  constructor(max: number) {
    super();
    this.#max = max;
  }

  /** As of any Set: what is there keeps its place. */
  override add(value: T): this {
    super.add(value);
    if (this.size > this.#max) this.delete(this.values().next().value!);
    return this;
  }

  /** The same, and it is the last to go from now on. */
  renew(value: T): this {
    this.delete(value);
    return this.add(value);
  }
}
