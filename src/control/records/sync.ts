/**
 * Synchronisation with one peer at a time, as far as it has state: which round we asked for, which parts of the
 * answer came, which promised records are still missing. A joiner may claim only when such a round is complete, so
 * it repeats rounds until one is; a member runs one with a random peer every few seconds and does not insist.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { compareVersions } from "./store.ts";
import type { Store } from "./store.ts";
import { type Comparison, type DigestPart, idPrefix } from "./digest.ts";

const ROUND_AGAIN_MS = 400;
const MAX_ROUNDS = 64;

interface Round {
  readonly peer: string;
  readonly number: number;
  readonly startedAt: number;
  parts: number | null;
  /** BOUNDED: ≤ 4096 parts, see the codec */
  readonly got: Set<number>;
  /** Hash of the peer's directives; null before its answer. */
  directives: string | null;
  /** BOUNDED: one per node, ≤ MAX_PEERS */
  readonly missing: Map<string, { readonly incarnation: number; readonly epoch: number }>;
}

export class Sync {
  // BOUNDED: ≤ MAX_ROUNDS, the oldest go first
  readonly #rounds = new BoundedMap<string, Round>(MAX_ROUNDS);
  #last = 0;

  /** Opens a round with a peer and returns its number; null while the last one is young. */
  begin(peer: string, now: number): number | null {
    const last = this.#rounds.get(peer);
    if (last !== undefined && now - last.startedAt < ROUND_AGAIN_MS) return null;
    this.#rounds.delete(peer);
    const number = ++this.#last;
    this.#rounds.set(peer, {
      peer,
      number,
      startedAt: now,
      parts: null,
      got: new Set(),
      directives: null,
      missing: new Map(),
    });
    return number;
  }

  /** A part of the answer came and was compared. */
  onPart(
    peer: string,
    number: number,
    part: DigestPart & { readonly directives: string },
    comparison: Comparison,
  ): void {
    const round = this.#rounds.get(peer);
    if (round === undefined || round.number !== number) return;
    round.parts = part.parts;
    round.directives = part.directives;
    round.got.add(part.part);
    for (const w of comparison.want) round.missing.set(w.prefix, w);
  }

  /** Whether the round with this peer is complete: all parts, and every record they promised. */
  complete(peer: string, store: Store): boolean {
    const round = this.#rounds.get(peer);
    if (round === undefined || round.parts === null || round.got.size < round.parts) return false;
    if (round.missing.size > 0) {
      for (const record of store.records()) {
        const promised = round.missing.get(idPrefix(record.id));
        if (promised !== undefined && compareVersions(record, promised) >= 0) {
          round.missing.delete(idPrefix(record.id));
        }
      }
    }
    return round.missing.size === 0;
  }

  /** Hash of this peer's directives as of its last answer; null without one. */
  directivesOf(peer: string): string | null {
    return this.#rounds.get(peer)?.directives ?? null;
  }

  forget(peer: string): void {
    this.#rounds.delete(peer);
  }
}
