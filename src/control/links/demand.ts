/**
 * Which links a node wants: with its neighbours (neighbours.ts; in a small mesh those are all), and with the peers that are
 * in demand, because packets wait for them or pass. Demand ends a while after the last packet. The other side of such a
 * link keeps it for as long as it is told to, and needs it no longer by itself. Knows no links; demand_steps.ts acts.
 */

import { DENSITY, Neighbours } from "./neighbours.ts";

/** How long after the last packet a peer is in demand. */
export const DEMAND_MS = 180_000;
/** How long a link is kept because its peer needs it: then that is asked again. */
export const KEPT_MS = 600_000;

/** How often a peer may leave it unanswered that we do not need the link. */
const OFFERS_MAX = 2;

interface Asked {
  readonly since: number;
  until: number;
}

export class Demand {
  readonly neighbours: Neighbours;
  /** Links with all, however many: the mesh's packets have no tunnel to wait in. */
  everybody = false;
  // BOUNDED: one per member, ≤ MAX_PEERS: those that packets wait for, or pass
  readonly #asked = new Map<string, Asked>();
  // BOUNDED: one per link; those that we have told that we do not need it, and how often
  readonly #offered = new Map<string, number>();
  // BOUNDED: as #asked: those that need the link, until when
  readonly #kept = new Map<string, number>();

  constructor(id: string, density = DENSITY) {
    this.neighbours = new Neighbours(id, density);
  }

  /** Whether links with all are wanted. */
  get full(): boolean {
    return this.everybody || this.neighbours.full;
  }

  /** Whether we need the link ourselves. */
  needs(id: string): boolean {
    return this.full || this.#asked.has(id) || this.neighbours.has(id);
  }

  /** Whether we want the link, be it for the other side. */
  wants(id: string): boolean {
    return this.needs(id) || this.#kept.has(id);
  }

  /** Whether a node has a link with another whatever happens. */
  watches(a: string, b: string): boolean {
    return this.full || this.neighbours.areNeighbours(a, b);
  }

  /** Since when packets have waited for this node, or passed; null: they do not. */
  askedSince(id: string): number | null {
    return this.#asked.get(id)?.since ?? null;
  }

  /** Packets wait for this node. */
  ask(id: string, now: number): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) this.#asked.set(id, { since: now, until: now + DEMAND_MS });
    else asked.until = now + DEMAND_MS;
  }

  /** Packets have passed. */
  used(id: string, now: number): void {
    if (this.#asked.has(id)) this.ask(id, now);
  }

  /** The node needs the link. */
  keep(id: string, now: number, ms = KEPT_MS): void {
    this.#kept.set(id, now + ms);
  }

  /** The node does not need it, or there is no such node any more. */
  release(id: string): void {
    this.#kept.delete(id);
  }

  /** We tell the node that we do not need the link. False: it has left that unanswered too often. */
  offer(id: string): boolean {
    const times = this.#offered.get(id) ?? 0;
    this.#offered.set(id, times + 1);
    return times < OFFERS_MAX;
  }

  /** Whether that was told, and not answered yet; it is now. */
  takeOffer(id: string): boolean {
    return this.#offered.delete(id);
  }

  /** The node is gone. */
  forget(id: string): void {
    this.#offered.delete(id);
    this.#kept.delete(id);
    this.#asked.delete(id);
  }

  /** Those for which it has ended. */
  ended(now: number): string[] {
    const ended: string[] = [];
    for (const [id, { until }] of this.#asked) if (until <= now && this.#asked.delete(id)) ended.push(id);
    for (const [id, until] of this.#kept) if (until <= now && this.#kept.delete(id)) ended.push(id);
    return ended;
  }
}
