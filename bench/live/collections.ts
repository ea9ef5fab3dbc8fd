/**
 * Garbage collections of a measured program, from what its runtime prints about them: JavaScriptCore (Bun, the
 * compiled binary) with BUN_JSC_logGC=1, V8 (Deno) with --trace-gc. Each thread has a heap of its own, and both
 * engines print the heap's address in every line. Which thread it belongs to they do not say; but the main thread
 * starts the Workers, so its heap is the oldest. JavaScriptCore prints "starting" for a heap when it is made. V8
 * prints how old the heap is: a later line with a lower age is one of a younger heap.
 */

/** What the runtimes must be told; each leaves the other's alone. */
export const COLLECTION_LOGS: Readonly<Record<string, string>> = {
  BUN_JSC_logGC: "1",
  DENO_V8_FLAGS: "--trace-gc",
};

/** `[GC<0x26437800118>: START M 8004kb => EdenCollection, …`; `[GC<0x26437800118>: starting 0.02ms]` */
const JSC = /GC<(0x[0-9a-f]+)>: (?:starting|START .*?=> (Eden|Full)Collection)/;
/** `[7413:0x7f2d08060000]      412 ms: Scavenge 4.0 (4.8) -> 3.4 (5.2) MB, …` */
const V8 = /\[\d+:(0x[0-9a-f]+)(?::\d+)?\]\s+(\d+) ms: (Scavenge|Minor|Mark)/;
/** Two threads print at once: a line may come so much later than it was thought of. */
const ORDER_MS = 10;

export interface Collection {
  /** Seconds on the clock of whoever reads the lines. */
  readonly at: number;
  /** In a Worker's heap, not in the main thread's. */
  readonly worker: boolean;
  /** Of the young objects only. */
  readonly minor: boolean;
}

/** Reads one process's lines, all of them from its start. */
export class CollectionLog {
  readonly #startedAt: number;
  readonly #collections: { readonly at: number; readonly heap: string; readonly minor: boolean }[] = [];
  /** In the order in which they were first mentioned. BOUNDED: one per thread. */
  readonly #heaps = new Set<string>();
  /** Of these, those that are younger than another. */
  readonly #younger = new Set<string>();
  #oldest = { heap: "", ageMs: 0 };

  /** `startedAt`: when the process was started, in seconds. */
  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  /** `at`: when the line came, in seconds. Lines of anything else are passed over. */
  add(line: string, at: number): void {
    const [, heap, kind] = JSC.exec(line) ?? [];
    if (heap === undefined) return this.#addV8(line);
    this.#heaps.add(heap);
    if (kind !== undefined) this.#collections.push({ at, heap, minor: kind === "Eden" });
  }

  /** V8 writes to a pipe when its buffer is full: the time of a line is what it says itself. */
  #addV8(line: string): void {
    const [, heap, age, kind] = V8.exec(line) ?? [];
    if (heap === undefined) return;
    const ageMs = Number(age);
    this.#heaps.add(heap);
    if (heap !== this.#oldest.heap && ageMs + ORDER_MS < this.#oldest.ageMs) this.#younger.add(heap);
    if (ageMs > this.#oldest.ageMs) this.#oldest = { heap, ageMs };
    this.#collections.push({ at: this.#startedAt + ageMs / 1000, heap, minor: kind !== "Mark" });
  }

  /** What was read so far. */
  get collections(): Collection[] {
    const main = [...this.#heaps].find((heap) => !this.#younger.has(heap));
    return this.#collections.map(({ at, heap, minor }) => ({ at, worker: heap !== main, minor }));
  }

  /** Whether the program told of any heap: else nothing follows from an empty list. */
  get speaks(): boolean {
    return this.#heaps.size > 0;
  }
}

/** The most of these moments that any `seconds` in a row hold. */
export function mostWithin(moments: readonly number[], seconds: number): number {
  const sorted = moments.toSorted((x, y) => x - y);
  let most = 0, first = 0;
  for (const [last, moment] of sorted.entries()) {
    while (moment - sorted[first]! >= seconds) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
