/**
 * The disk of a simulated host: what is asked of it is there after a while, in the order in which it was asked, and later still
 * while it stalls. What is not there when its process is killed never comes.
 */

import {
  type Kept,
  ownToJson,
  readOwn,
  recordText,
  storedBytes,
  type StoredOwn,
  type StoredPeer,
  type StoredState,
} from "../../src/control/records/state.ts";
import type { PersistAction } from "../../src/control/outbox/events.ts";

interface Write {
  readonly at: number;
  readonly apply: () => void;
  /** Null: nobody is told. */
  readonly ticket: number | null;
}

export class SimDisk {
  /** How long a write takes, ms. */
  latency: () => number = () => 0;
  /** Nothing is written before. */
  stalledUntil = 0;
  /** Each state that is to be written. */
  onState: (state: StoredOwn) => void = () => {};
  /** What a start reads, whatever was written; null: that. */
  given: StoredState | null = null;
  /** Nothing is kept: for thousands of hosts that never start again. */
  forgets = false;
  /** Writes, and bytes, that came to the disk. */
  writes = 0;
  bytes = 0;
  /** Every claim that was ever on it, "10.42.7.0/24 3". BOUNDED: by the run */
  readonly claims = new Set<string>();
  #own: StoredOwn | null = null;
  // BOUNDED: one per node that was ever known here
  readonly #peers = new Map<string, { readonly raw: Uint8Array; readonly endpoint: string | null }>();
  readonly #directives = new Map<string, Uint8Array>();
  #queue: Write[] = [];

  saveState({ ticket, state, keep }: PersistAction, now: number): void {
    const apply = () => {
      this.#keep(keep);
      this.#own = state;
      if (state.claim !== null) this.claims.add(`${state.claim.subnet.text} ${state.claim.stamp}`);
      this.bytes += ownToJson(state).length;
    };
    this.onState(state);
    this.#ask(now, apply, ticket);
  }

  remember(kept: readonly Kept[], whole: boolean, now: number): void {
    const apply = () => {
      if (whole) this.#peers.clear();
      if (whole) this.#directives.clear();
      this.#keep(kept);
    };
    this.#ask(now, apply, null);
  }

  #ask(now: number, apply: () => void, ticket: number | null): void {
    const last = this.#queue.at(-1)?.at ?? 0;
    this.#queue.push({ at: Math.max(now + this.latency(), this.stalledUntil, last), apply, ticket });
  }

  #keep(kept: readonly Kept[]): void {
    for (const one of kept) {
      this.bytes += one.raw.length;
      if (one.kind === "peer") this.#peers.set(one.id, { raw: one.raw, endpoint: one.endpoint });
      else this.#directives.set(one.target, one.raw);
    }
  }

  /** When the next write is there; Infinity: none is on its way. */
  get nextAt(): number {
    return this.#queue[0]?.at ?? Infinity;
  }

  /** Writes what is due by now. Returns the tickets of it. */
  advance(now: number): number[] {
    const tickets: number[] = [];
    while (this.nextAt <= now) {
      const { apply, ticket } = this.#queue.shift()!;
      if (!this.forgets) apply();
      this.writes++;
      if (ticket !== null) tickets.push(ticket);
    }
    return tickets;
  }

  /** The process is gone, and with it what was on its way. */
  cut(): void {
    this.#queue = [];
  }

  /** All that is on it, as JSON; null: nothing. */
  get text(): string | null {
    const state = this.state();
    return state === null ? null : JSON.stringify(state);
  }

  set text(text: string | null) {
    this.#own = null;
    this.#peers.clear();
    this.#directives.clear();
    if (text === null) return;
    const json = JSON.parse(text) as { peers: StoredPeer[]; directives: string[] };
    this.#own = readOwn(json);
    for (const [i, { record, endpoint }] of json.peers.entries()) {
      this.#peers.set(`${i}`, { raw: storedBytes(record), endpoint });
    }
    for (const [i, directive] of json.directives.entries()) {
      this.#directives.set(`${i}`, storedBytes(directive));
    }
  }

  /** As a start reads it. */
  state(): StoredState | null {
    if (this.given !== null) return this.given;
    if (this.#own === null) return null;
    const peers = [...this.#peers.values()].map(({ raw, endpoint }) => ({
      record: recordText(raw),
      endpoint,
    }));
    return { ...this.#own, peers, directives: [...this.#directives.values()].map(recordText) };
  }
}
