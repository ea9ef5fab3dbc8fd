/**
 * What the kernel dropped of our datagrams after it had taken them, and says to no socket: most often because its neighbour
 * table, one for all network namespaces, is full. Then hosts on our own links that have no entry yet cannot be reached, while all
 * else works, which no error shows. The counter of the namespace is cheap to read; the tables are asked about once it has grown.
 */
import type { NeighbourTable, SwallowedSends } from "../../ports/host.ts";

/** The counter is read this often, and what was found is told for so long after the last such datagram. */
const READ_MS = 5000;
const TELL_MS = 60_000;

export class SwallowedWatch {
  readonly #host: SwallowedSends;
  #unsent: number | null = null;
  #readAt = -Infinity;
  /** BOUNDED: one per family. `fulls` as the table counted last. */
  readonly #tables = new Map<4 | 6, NeighbourTable>();
  /** BOUNDED: one per family; since when its table was found full last. */
  readonly #full = new Map<4 | 6, number>();

  constructor(host: SwallowedSends) {
    this.#host = host;
  }

  /** What is wrong at the moment, a sentence each. */
  look(now: number): string[] {
    if (now - this.#readAt >= READ_MS) {
      this.#readAt = now;
      this.#read(now);
    }
    return [...this.#full].filter(([, at]) => now - at < TELL_MS).map(([family]) =>
      sentenceOf(this.#tables.get(family)!)
    );
  }

  #read(now: number): void {
    const unsent = this.#host.unsentDatagrams();
    const before = this.#unsent;
    this.#unsent = unsent;
    // What was counted before us is nothing that we sent, but the tables are to be compared with something.
    if (before !== null && unsent <= before) return;
    for (const table of this.#host.neighbourTables()) {
      const known = this.#tables.get(table.family);
      // It may have been read long ago: a table that is half empty now was not what kept ours back.
      const grown = known !== undefined && table.fulls > known.fulls && 2 * table.entries >= table.limit;
      if (before !== null && (grown || table.entries >= table.limit)) this.#full.set(table.family, now);
      this.#tables.set(table.family, table);
    }
  }
}

function sentenceOf({ family, limit }: NeighbourTable): string {
  const key = `net.ipv${family}.neigh.default.gc_thresh`;
  const room = Math.max(limit, 1024);
  return `The kernel's table of IPv${family} neighbours is full (${limit} entries for all network namespaces of this machine): ` +
    "packets to hosts on its links are dropped without an error (give it room: " +
    `sysctl -w ${key}3=${4 * room} ${key}2=${2 * room})`;
}
