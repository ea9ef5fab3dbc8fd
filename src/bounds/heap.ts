/** A queue by time: the earliest first, and of two at one time the one that was pushed first. As large as what it is of. */

interface Entry<T> {
  readonly at: number;
  readonly order: number;
  readonly item: T;
}

export class Heap<T> {
  readonly #entries: Entry<T>[] = [];
  #pushed = 0;

  get size(): number {
    return this.#entries.length;
  }

  /** When the first is due; Infinity: there is none. */
  get nextAt(): number {
    return this.#entries[0]?.at ?? Infinity;
  }

  push(at: number, item: T): void {
    const entries = this.#entries;
    const entry = { at, order: this.#pushed++, item };
    let n = entries.length;
    entries.push(entry);
    while (n > 0) {
      const parent = (n - 1) >> 1;
      if (!isBefore(entry, entries[parent]!)) break;
      entries[n] = entries[parent]!;
      n = parent;
    }
    entries[n] = entry;
  }

  pop(): T | undefined {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (top !== last) this.#sink(last!);
    return top?.item;
  }

  #sink(entry: Entry<T>): void {
    const entries = this.#entries;
    let n = 0;
    for (;;) {
      let child = 2 * n + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && isBefore(entries[child + 1]!, entries[child]!)) child++;
      if (!isBefore(entries[child]!, entry)) break;
      entries[n] = entries[child]!;
      n = child;
    }
    entries[n] = entry;
  }
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
