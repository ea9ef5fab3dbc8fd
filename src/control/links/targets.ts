/**
 * The endpoints we try to reach: seeds, the endpoints of known nodes, and addresses from which a stranger has just
 * said hello. A target keeps the nonces under way and its backoff; when it is due and still needed is decided in
 * links.ts. Nothing here is inserted before a signature was verified, but for what the user or a record names.
 *
 * Nothing walks over all of them by the clock. A target is looked at when its time comes, and then no more until
 * something changes by which it may be needed: it is named, its node is missed (`wake`), its answer came from another
 * node. Targets are found by endpoint, by who names them, by who answered there, and by nonce.
 */

import { Heap } from "../../bounds/heap.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import type { Random } from "../../ports/time.ts";
import type { SendRefusal } from "../paths/outcome.ts";
import { Nonces } from "./nonces.ts";
import { nextPunch } from "./punching.ts";
import { isNamed, newTarget, type Pace, refusalOf, type Target } from "./target.ts";

/** Endpoints of one node that are tried: more than a record names, and the names in it lead to. */
export const TARGETS_EACH = 24;
const MAX_TARGETS = TARGETS_EACH * MAX_PEERS;
const MAX_KNOCKS = 256;
const PAIRS_AFTER = 4;
const RETRY_MIN_MS = 500;
export const RETRY_MAX_MS = 5000;

/** Seeds and nodes that name an endpoint. */
type Named = Pick<Target, "seeds" | "nodes">;
type By = keyof Named;

export class Targets {
  // BOUNDED: ≤ MAX_TARGETS
  readonly #targets = new Map<string, Target>();
  // What is named and not usable now, by whom it is named. BOUNDED: ≤ MAX_TARGETS
  readonly #aside = new Map<string, Named>();
  // The endpoints that a seed or a node names. BOUNDED: one per seed and per wanted node, each ≤ TARGETS_EACH
  readonly #names: Readonly<Record<By, Map<string, readonly string[]>>> = {
    seeds: new Map(),
    nodes: new Map(),
  };
  // BOUNDED: as #targets; by who answered there last
  readonly #answered = new Map<string, Set<Target>>();
  // Those that nothing names. BOUNDED: ≤ MAX_KNOCKS, and what was named up to a second ago
  readonly #unnamed = new Set<Target>();
  // BOUNDED: as #targets; those that this host would not send to, and some that it would not
  readonly #refused = new Set<Target>();
  // BOUNDED: as #targets; those that are missed and never answered
  readonly #silent = new Set<Target>();
  // BOUNDED: as #targets, a few of each
  readonly #due = new Heap<Target>();
  readonly #nonces: Nonces;
  readonly #random: Random;
  readonly #usable: (endpoint: string) => boolean;
  #made = 0;

  /** `usable`: whether an endpoint may be tried at all. */
  constructor(random: Random, usable: (endpoint: string) => boolean = () => true) {
    this.#random = random;
    this.#usable = usable;
    this.#nonces = new Nonces(random);
  }

  get(endpoint: string): Target | undefined {
    return this.#targets.get(endpoint);
  }

  get size(): number {
    return this.#targets.size;
  }

  /** Those that a seed or a node names, in the order in which it names them. */
  namedBy(of: By, key: string): Target[] {
    const endpoints = this.#names[of].get(key) ?? [];
    return endpoints.map((endpoint) => this.#targets.get(endpoint)).filter((target) => target !== undefined);
  }

  /** Those where this node answered last, the latest last. */
  answeredBy(id: string): Target[] {
    return [...this.#answered.get(id) ?? []];
  }

  /** The target of an endpoint, new when need be; null when it is not usable or the table is full. */
  obtain(endpoint: string, now: number): Target | null {
    const known = this.#targets.get(endpoint);
    if (known !== undefined) return known;
    if (this.#targets.size >= MAX_TARGETS || !this.#usable(endpoint)) return null;
    const target = newTarget(endpoint, this.#made++, now);
    this.#targets.set(endpoint, target);
    this.#unnamed.add(target);
    this.wake(target);
    return target;
  }

  /** The target for an answer to a hello that came from there; null when too many strangers knock. */
  knock(endpoint: string, now: number, forMs: number): Target | null {
    if (!this.#targets.has(endpoint) && this.#unnamed.size >= MAX_KNOCKS) return null;
    const target = this.obtain(endpoint, now);
    if (target !== null) {
      target.knockUntil = now + forMs;
      this.wake(target);
    }
    return target;
  }

  #delete(target: Target): void {
    this.#targets.delete(target.endpoint);
    this.#unnamed.delete(target);
    this.#refused.delete(target);
    this.#silent.delete(target);
    this.#nonces.drop(target);
    this.#setAnsweredBy(target, null);
    target.lookAt = Infinity;
  }

  // --------------------------------------------------------------------------------------------- who names them

  /** Names the endpoints of a seed or a node, TARGETS_EACH at most, and takes it off all others. */
  name(of: By, key: string, all: readonly string[], now: number): void {
    const endpoints = all.length > TARGETS_EACH ? all.slice(0, TARGETS_EACH) : all;
    for (const endpoint of this.#names[of].get(key) ?? []) {
      if (!endpoints.includes(endpoint)) this.#unname(of, key, endpoint);
    }
    if (endpoints.length > 0) this.#names[of].set(key, endpoints);
    else this.#names[of].delete(key);
    for (const endpoint of endpoints) this.#putName(of, key, endpoint, now);
  }

  /** A node was reached there, too. */
  alsoNames(id: string, endpoint: string, now: number): void {
    const endpoints = this.#names.nodes.get(id) ?? [];
    if (endpoints.includes(endpoint)) return;
    this.name("nodes", id, [endpoint, ...endpoints], now);
  }

  #putName(of: By, key: string, endpoint: string, now: number): void {
    if (!this.#usable(endpoint)) {
      this.#putAside(endpoint)?.[of].add(key);
      return;
    }
    const target = this.obtain(endpoint, now);
    if (target === null) return;
    target[of].add(key);
    this.#unnamed.delete(target);
    this.wake(target);
  }

  #unname(of: By, key: string, endpoint: string): void {
    const target = this.#targets.get(endpoint);
    if (target?.[of].delete(key) && !isNamed(target)) this.#unnamed.add(target);
    const aside = this.#aside.get(endpoint);
    if (aside?.[of].delete(key) && !isNamed(aside)) this.#aside.delete(endpoint);
  }

  /** Sets aside what is not usable any more, and takes up again what is. */
  forsake(now: number): void {
    for (const target of this.#targets.values()) {
      if (this.#usable(target.endpoint)) continue;
      this.#delete(target);
      if (!isNamed(target)) continue;
      const names = this.#putAside(target.endpoint);
      for (const seed of target.seeds) names?.seeds.add(seed);
      for (const node of target.nodes) names?.nodes.add(node);
    }
    for (const [endpoint, { seeds, nodes }] of this.#aside) {
      if (!this.#usable(endpoint)) continue;
      this.#aside.delete(endpoint);
      for (const seed of seeds) this.#putName("seeds", seed, endpoint, now);
      for (const node of nodes) this.#putName("nodes", node, endpoint, now);
    }
  }

  #putAside(endpoint: string): Named | null {
    const known = this.#aside.get(endpoint);
    if (known !== undefined || this.#aside.size >= MAX_TARGETS) return known ?? null;
    const names: Named = { seeds: new Set(), nodes: new Set() };
    this.#aside.set(endpoint, names);
    return names;
  }

  /** Drops targets that are no longer named. */
  sweep(now: number): void {
    for (const target of this.#unnamed) if (target.knockUntil < now) this.#delete(target);
  }

  // ------------------------------------------------------------------------------------------------ when to look

  /** It may be needed: it is looked at when its time comes. */
  wake(target: Target): void {
    this.#lookAt(target, target.nextAt);
  }

  /** It is looked at then, unless it is before. */
  lookAgain(target: Target, at: number): void {
    this.#lookAt(target, at);
  }

  #lookAt(target: Target, at: number): void {
    if (at >= target.lookAt) return;
    target.lookAt = at;
    this.#due.push(at, target);
  }

  /** When the next is to be looked at, or one that is gone was. */
  get dueAt(): number {
    return this.#due.nextAt;
  }

  /**
   * Those whose time has come, the oldest first, no more than `most`: they are not looked at again unless something asks for
   * it.
   */
  due(now: number, most = Infinity): Target[] {
    const due: Target[] = [];
    while (this.#due.nextAt <= now && due.length < most) {
      const at = this.#due.nextAt;
      const target = this.#due.pop()!;
      if (target.lookAt !== at) continue; // it is looked at earlier, or is gone
      target.lookAt = Infinity;
      if (target.nextAt > now) this.wake(target);
      else due.push(target);
    }
    return due.length < 2 ? due : due.sort((a, b) => a.ordinal - b.ordinal);
  }

  /** It is tried as if for the first time, at once. */
  restart(target: Target, now: number): void {
    target.tries = 0;
    target.nextAt = now;
    target.punching = null;
    this.wake(target);
  }

  /** What was refused may not be any more: all that were are tried again at once. */
  retryRefused(now: number): void {
    for (const target of this.#targets.values()) {
      if (target.outcome.kind === "refused") this.restart(target, now);
    }
  }

  /** It has answered, and will have none of us: it is tried again, but not at once. */
  putOff(target: Target, now: number): void {
    target.nextAt = now + RETRY_MAX_MS * (0.75 + this.#random.below(501) / 1000);
    this.wake(target);
  }

  /**
   * Notes a hello: the wait for the next doubles from `minMs` up to `maxMs`, with a quarter of jitter. Once it is long,
   * hellos go in pairs, so that one lost datagram does not cost another long wait.
   */
  tried(target: Target, { steady, minMs, maxMs, punches }: Pace, now: number): void {
    target.firstTriedAt ??= now;
    target.lastTriedAt = now;
    const second = target.tries > PAIRS_AFTER && target.tries % 2 === 0;
    const grown = Math.min(RETRY_MIN_MS * 2 ** Math.min(target.tries, 10), maxMs);
    const wait = steady || second ? RETRY_MIN_MS : Math.max(minMs, grown);
    target.nextAt = now + wait * (0.75 + this.#random.below(501) / 1000);
    target.tries++;
    const { tries, answeredBy } = target;
    const next = punches === null
      ? null
      : nextPunch(target.punching, { tries, answered: answeredBy !== null, ...punches }, this.#random, now);
    target.punching = next?.state ?? null;
    if (next !== null) target.nextAt = next.at;
    if (target.tries > 1 && target.outcome.kind === "untried") target.outcome = { kind: "silent" };
    this.wake(target);
  }

  // ------------------------------------------------------------------------------------------------- what came of it

  /** The node at the target has answered: from there, or from another of its addresses. */
  answered(target: Target, id: string, from = target.endpoint): void {
    target.tries = 0;
    target.punching = null;
    target.knockUntil = -Infinity;
    this.prove(target);
    target.outcome = from === target.endpoint ? { kind: "answered" } : { kind: "answered", from };
    this.setAnsweredBy(target, id);
  }

  /** A node receives there, or did. */
  prove(target: Target): void {
    target.proven = true;
    this.#silent.delete(target);
  }

  /** Whether it is one of those that are missed and never answered. */
  setSilent(target: Target, silent: boolean): void {
    if (silent) this.#silent.add(target);
    else this.#silent.delete(target);
  }

  /** How many of those there are. */
  get silent(): number {
    return this.#silent.size;
  }

  /** Who answers there, as far as is known; null: nobody. */
  setAnsweredBy(target: Target, id: string | null): void {
    this.#setAnsweredBy(target, id);
    this.wake(target);
  }

  #setAnsweredBy(target: Target, id: string | null): void {
    const before = target.answeredBy;
    if (before === id) return;
    if (before !== null) {
      const those = this.#answered.get(before);
      those?.delete(target);
      if (those?.size === 0) this.#answered.delete(before);
    }
    (target as { answeredBy: string | null }).answeredBy = id;
    if (id === null) return;
    const those = this.#answered.get(id) ?? new Set();
    this.#answered.set(id, those.add(target));
  }

  /** The host itself refuses to send there; null: no more. What was answered meanwhile stays. */
  noteRefusal(endpoint: string, refusal: SendRefusal | null): void {
    const target = this.#targets.get(endpoint);
    if (target === undefined) return;
    if (refusal !== null) {
      target.outcome = { kind: "not-sent", ...refusal };
      this.#refused.add(target);
    } else if (target.outcome.kind === "not-sent") target.outcome = { kind: "silent" };
  }

  /** Some of those that this host does not send to, `max` at most, in turns. */
  someRefused(max: number): Target[] {
    const some: Target[] = [];
    for (const target of this.#refused) {
      if (some.push(target) >= max) break;
    }
    for (const target of some) {
      this.#refused.delete(target);
      if (refusalOf(target) !== null) this.#refused.add(target); // behind the others
    }
    return some;
  }

  // ------------------------------------------------------------------------------------------------------- nonces

  /** A fresh nonce for a hello (or an ack that asks back) to the target. */
  freshNonce(target: Target, now: number): string {
    return this.#nonces.fresh(target, now);
  }

  /** The target that this nonce is under way to, wherever it was answered from. */
  asked(nonce: string, now: number): Target | undefined {
    const target = this.#nonces.of(nonce);
    return target !== undefined && this.#nonces.isFresh(target, nonce, now) ? target : undefined;
  }

  /** The target that this nonce was sent to, also long ago. */
  sentWith(nonce: string): Target | undefined {
    return this.#nonces.of(nonce);
  }

  /** Takes the nonce if it is one under way to this target: each is good once. */
  redeem(target: Target, nonce: string, now: number): boolean {
    return this.#nonces.redeem(target, nonce, now);
  }
}
