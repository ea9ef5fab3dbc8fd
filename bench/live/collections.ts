/**
 * Garbage collections of a measured program, from what its runtime prints about them: JavaScriptCore (Bun, the
 * compiled binary) with BUN_JSC_logGC=1, V8 (Deno) with --trace-gc. Each thread has a heap of its own, and both
 * engines print the heap's address in every line. Which thread it belongs to they do not say; but the main thread
 * starts the Workers, so its heap is the one that is mentioned first: JavaScriptCore prints "starting" for a heap
 * when it is made, V8 collects the main thread's before that has loaded the program.
 */

/** What the runtimes must be told; each leaves the other's alone. */
export const COLLECTION_LOGS: Readonly<Record<string, string>> = {
  BUN_JSC_logGC: "1",
  DENO_V8_FLAGS: "--trace-gc",
};

/** `[GC<0x26437800118>: START M 8004kb => EdenCollection, …`; `[GC<0x26437800118>: starting 0.02ms]` */
const JSC = /GC<(0x[0-9a-f]+)>: (?:starting|START .*?=> (Eden|Full)Collection)/;
/** `[1157:0x7f7c00000000:0]  412 ms: Scavenge 5.2 (6.0) -> 4.1 (7.0) MB, …` */
const V8 = /\[\d+:(0x[0-9a-f]+)(?::\d+)?\]\s+\d+ ms: (Scavenge|Minor|Mark)/;

export interface Collection {
  /** Seconds on the clock of whoever reads the lines. */
  readonly at: number;
  /** The main thread's heap or a Worker's. */
  readonly worker: boolean;
  /** Of the young objects only. */
  readonly minor: boolean;
}

/** Reads one process's lines as they come. */
export class CollectionLog {
  readonly collections: Collection[] = [];
  #mainHeap: string | null = null;

  /** `at`: when the line came, in seconds. Lines of anything else are passed over. */
  add(line: string, at: number): void {
    const [, heap, kind] = JSC.exec(line) ?? V8.exec(line) ?? [];
    if (heap === undefined) return;
    this.#mainHeap ??= heap;
    if (kind === undefined) return;
    this.collections.push({ at, worker: heap !== this.#mainHeap, minor: kind !== "Full" && kind !== "Mark" });
  }

  /** Whether the program told of any heap: else nothing follows from an empty list. */
  get speaks(): boolean {
    return this.#mainHeap !== null;
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
