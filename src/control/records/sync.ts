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
const MAX_SESSIONS = 64;

interface Session {
  readonly peer: string;
  readonly round: number;
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
  // BOUNDED: ≤ MAX_SESSIONS, the oldest go first
  readonly #sessions = new BoundedMap<string, Session>(MAX_SESSIONS);
  #round = 0;

  /** Opens a round with a peer and returns its number; null while the last one is young. */
  begin(peer: string, now: number): number | null {
    const last = this.#sessions.get(peer);
    if (last !== undefined && now - last.startedAt < ROUND_AGAIN_MS) return null;
    this.#sessions.delete(peer);
    const round = ++this.#round;
    this.#sessions.set(peer, {
      peer,
      round,
      startedAt: now,
      parts: null,
      got: new Set(),
      directives: null,
      missing: new Map(),
    });
    return round;
  }

  /** A part of the answer came and was compared. */
  onPart(
    peer: string,
    round: number,
    part: DigestPart & { readonly directives: string },
    comparison: Comparison,
  ): void {
    const session = this.#sessions.get(peer);
    if (session === undefined || session.round !== round) return;
    session.parts = part.parts;
    session.directives = part.directives;
    session.got.add(part.part);
    for (const w of comparison.want) session.missing.set(w.prefix, w);
  }

  /** Whether the round with this peer is complete: all parts, and every record they promised. */
  complete(peer: string, store: Store): boolean {
    const session = this.#sessions.get(peer);
    if (session === undefined || session.parts === null || session.got.size < session.parts) return false;
    if (session.missing.size > 0) {
      for (const record of store.records()) {
        const promised = session.missing.get(idPrefix(record.id));
        if (promised !== undefined && compareVersions(record, promised) >= 0) {
          session.missing.delete(idPrefix(record.id));
        }
      }
    }
    return session.missing.size === 0;
  }

  /** Hash of this peer's directives as of its last answer; null without one. */
  directivesOf(peer: string): string | null {
    return this.#sessions.get(peer)?.directives ?? null;
  }

  forget(peer: string): void {
    this.#sessions.delete(peer);
  }
}
