/**
 * How often endpoints are asked for a link. By default 0.5 s after the last time, doubling to 5 s. Less often:
 *
 *   the dead          20 datagrams a second to all their endpoints, so each waits longer the more there are
 *   who never answers 20 a minute to all such endpoints, however many records name them: a record may name the hosts of
 *                     others, who get no more than that from us. Each node that we hear of brings a few calls with it, so
 *                     that each of its addresses is called once at once. What the user names is not counted, and neither is
 *                     who calls us. Where two NATs are to be passed, by a time table that both know (punching.ts), there is
 *                     an allowance besides
 *   in all            so many a second that the handshakes under way do not push one another out (handshake/pending.ts)
 */

import { BoundedMap, BoundedSet } from "../../bounds/bounded_map.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import { addressOf } from "../../wire/address.ts";
import { RateLimit } from "../../bounds/rate_limit.ts";
import type { OwnNode } from "../outbox/outbox.ts";
import type { LinkTable } from "./link_table.ts";
import type { Pace, Target } from "./target.ts";
import { RETRY_MAX_MS, type Targets } from "./targets.ts";

const JOINING_STEADY_TRIES = 8;
/** Datagrams a second to all the dead together. */
const DEAD_PER_SECOND = 20;
/** Datagrams a minute to all who never answered together. */
export const SILENT_PER_MINUTE = 20;
/** The same by the time table for two NATs. */
const PUNCHES_PER_MINUTE = 60;
/** Calls that a node brings with it: as many as its record names endpoints. */
export const CALLS_EACH = 8;
const CALLS_MAX = 1024;
/** Calls to one address, whatever the port, before it gets no more than all of them together get. */
const CALLS_AT_ONE = 64;
const ADDRESSES_MAX = 1024;
/** Once the wait is long, datagrams go in pairs (targets.ts). */
const PAIR = 2;
/**
 * Hellos or handshakes a second, and at once. With as long as one waits for its answer that makes fewer than may wait
 * (MAX_PENDING).
 */
const ASKS_PER_SECOND = 100;
const ASKS_AT_ONCE = 512;

export class Pacing {
  readonly #own: OwnNode;
  readonly #table: LinkTable;
  readonly #targets: Targets;
  readonly #asks = new RateLimit(ASKS_PER_SECOND, ASKS_AT_ONCE);
  readonly #silent = new Allowance(SILENT_PER_MINUTE, CALLS_MAX, 0);
  readonly #punches = new Allowance(PUNCHES_PER_MINUTE, PUNCHES_PER_MINUTE, PUNCHES_PER_MINUTE);
  // BOUNDED: ≤ MAX_PEERS; nodes whose calls were counted in
  readonly #met = new BoundedSet<string>(MAX_PEERS);
  // BOUNDED: ≤ ADDRESSES_MAX, the longest uncalled go first
  readonly #addresses = new BoundedMap<string, Allowance>(ADDRESSES_MAX);

  constructor(own: OwnNode, table: LinkTable, targets: Targets) {
    this.#own = own;
    this.#table = table;
    this.#targets = targets;
  }

  /** How many may be asked now. */
  room(now: number): number {
    return this.#asks.room(now);
  }

  /** One more was asked. */
  asked(now: number): void {
    this.#asks.take(now);
  }

  /** Whether a target may be asked now; that counts as done. */
  allows(target: Target, now: number): boolean {
    if (!isUnproven(target, now)) return true;
    if (target.punching !== null) return this.#punches.take(now);
    for (const id of target.nodes) {
      if (this.#met.has(id)) continue;
      this.#met.add(id);
      this.#silent.add(CALLS_EACH);
    }
    const address = addressOf(target.endpoint);
    const there = this.#addresses.get(address) ??
      new Allowance(SILENT_PER_MINUTE, CALLS_AT_ONE, CALLS_AT_ONE);
    this.#addresses.renew(address, there);
    return there.has(now) && this.#silent.take(now) && there.take(now);
  }

  /** How long one that may not be asked waits for its turn. */
  turnMs(): number {
    return Math.max(1, this.#targets.silent) * (60_000 / SILENT_PER_MINUTE);
  }

  /** How a target is tried from now on. */
  paceOf(target: Target, now: number): Pace {
    const steady = !this.#own.member() && target.tries < JOINING_STEADY_TRIES;
    const dead = this.#isDead(target) ? PAIR * this.#table.deadEndpoints * 1000 / DEAD_PER_SECOND : 0;
    const silent = isUnproven(target, now) ? PAIR * this.turnMs() : 0;
    const maxMs = Math.max(RETRY_MAX_MS, dead, silent);
    return { steady, minMs: dead, maxMs, punches: this.#punchesWith(target) };
  }

  // All that name it are.
  #isDead({ seeds, nodes }: Target): boolean {
    if (seeds.size > 0 || nodes.size === 0) return false;
    for (const id of nodes) if (this.#table.wish(id)?.dead !== true) return false;
    return true;
  }

  // Punching needs a time table where a router on either side makes up the addresses; null: it does not here. Nobody has to
  // wait for the one of a node that counts as dead: it calls when it is back.
  #punchesWith(target: Target): { readonly smaller: boolean } | null {
    if (target.nodes.size !== 1 || !this.#own.member() || !this.#own.translated()) return null;
    const [id] = target.nodes;
    const wish = this.#table.wish(id!);
    if (wish === undefined || wish.dead || !wish.translated.includes(target.endpoint)) return null;
    return { smaller: this.#own.identity.id < id! };
  }
}

/** Whether only records name it, nothing ever came from there, and nobody calls from there just now. */
export function isUnproven({ seeds, proven, knockUntil }: Target, now: number): boolean {
  return seeds.size === 0 && !proven && knockUntil < now;
}

/** What is allowed: so many a minute, and what was added; not more than `most`. */
class Allowance {
  readonly #perMs: number;
  readonly #most: number;
  #left: number;
  #at: number | null = null;

  constructor(perMinute: number, most: number, left: number) {
    this.#perMs = perMinute / 60_000;
    this.#most = most;
    this.#left = left;
  }

  add(count: number): void {
    this.#left = Math.min(this.#most, this.#left + count);
  }

  has(now: number): boolean {
    this.add(Math.max(0, now - (this.#at ?? now)) * this.#perMs);
    this.#at = now;
    return this.#left >= 1;
  }

  take(now: number): boolean {
    if (!this.has(now)) return false;
    this.#left--;
    return true;
  }
}
