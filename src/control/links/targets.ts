/**
 * The endpoints we try to reach: seeds, the endpoints of known nodes, and addresses from which a stranger has just
 * said hello. A target keeps the nonces under way and its backoff; when it is due and still needed is decided in
 * links.ts. Nothing here is inserted before a signature was verified, but for what the user or a record names.
 */

import { MAX_PEERS } from "../../ports/devices.ts";
import type { Random } from "../../ports/time.ts";
import { toHex } from "../../wire/bytes.ts";
import type { Outcome, SendRefusal } from "../paths/outcome.ts";
import { nextPunch, type Punching } from "./punching.ts";

const MAX_TARGETS = 2 * MAX_PEERS;
const MAX_KNOCKS = 256;
const NONCE_MS = 10_000;
const NONCES_KEPT = 4;
const PAIRS_AFTER = 4;
const RETRY_MIN_MS = 500;
export const RETRY_MAX_MS = 5000;

export interface Target {
  readonly endpoint: string;
  /** Seeds (the user's words) that resolve to it. */
  readonly seeds: Set<string>;
  /** Nodes whose record or memory names it. BOUNDED: nodes behind one address, few */
  readonly nodes: Set<string>;
  /** A hello came from there, and we answer with our own until then. */
  knockUntil: number;
  /** Who answered there last. */
  answeredBy: string | null;
  nonces: { readonly nonce: string; readonly at: number }[];
  /** Hellos since the last answer. */
  tries: number;
  nextAt: number;
  /** Where it is in its rounds, when both sides are behind NAT; else null. */
  punching: Punching | null;
  firstTriedAt: number | null;
  lastTriedAt: number | null;
  outcome: Outcome;
}

/** The node at the target has answered: from there, or from another of its addresses. */
export function answeredBy(target: Target, id: string, from: string): void {
  target.tries = 0;
  target.punching = null;
  target.knockUntil = 0;
  target.answeredBy = id;
  target.outcome = from === target.endpoint ? { kind: "answered" } : { kind: "answered", from };
}

/** It is tried as if for the first time, at once. */
export function restart(target: Target, now: number): void {
  target.tries = 0;
  target.nextAt = now;
  target.punching = null;
}

/** Why this host does not send to the target; null: it does. */
export function refusalOf({ outcome }: Target): SendRefusal | null {
  return outcome.kind === "not-sent" ? outcome : null;
}

/** How a target is tried from now on. */
export interface Pace {
  /** The wait does not grow. */
  readonly steady: boolean;
  readonly maxMs: number;
  /** Both sides are behind NAT, and whether our id is the smaller one (punching.ts); null: they are not. */
  readonly punches: { readonly smaller: boolean } | null;
}

/** Seeds and nodes that name an endpoint. */
type Named = Pick<Target, "seeds" | "nodes">;

export class Targets {
  // BOUNDED: ≤ MAX_TARGETS
  readonly #targets = new Map<string, Target>();
  // What is named and not usable now, by whom it is named. BOUNDED: ≤ MAX_TARGETS
  readonly #aside = new Map<string, Named>();
  readonly #random: Random;
  readonly #usable: (endpoint: string) => boolean;

  /** `usable`: whether an endpoint may be tried at all. */
  constructor(random: Random, usable: (endpoint: string) => boolean = () => true) {
    this.#random = random;
    this.#usable = usable;
  }

  get(endpoint: string): Target | undefined {
    return this.#targets.get(endpoint);
  }

  *all(): Iterable<Target> {
    yield* this.#targets.values();
  }

  /** The target of an endpoint, new when need be; null when it is not usable or the table is full. */
  obtain(endpoint: string, now: number): Target | null {
    const known = this.#targets.get(endpoint);
    if (known !== undefined) return known;
    if (this.#targets.size >= MAX_TARGETS || !this.#usable(endpoint)) return null;
    const target: Target = {
      endpoint,
      seeds: new Set(),
      nodes: new Set(),
      knockUntil: 0,
      answeredBy: null,
      nonces: [],
      tries: 0,
      nextAt: now,
      punching: null,
      firstTriedAt: null,
      lastTriedAt: null,
      outcome: { kind: "untried" },
    };
    this.#targets.set(endpoint, target);
    return target;
  }

  /** The target for an answer to a hello that came from there; null when too many strangers knock. */
  knock(endpoint: string, now: number, forMs: number): Target | null {
    if (!this.#targets.has(endpoint)) {
      let knocks = 0;
      for (const t of this.#targets.values()) if (t.seeds.size === 0 && t.nodes.size === 0) knocks++;
      if (knocks >= MAX_KNOCKS) return null;
    }
    const target = this.obtain(endpoint, now);
    if (target !== null) target.knockUntil = now + forMs;
    return target;
  }

  /** Names the endpoints of a seed or a node, and takes it off all others. */
  name(of: "seeds" | "nodes", key: string, endpoints: readonly string[], now: number): void {
    for (const t of this.#targets.values()) if (!endpoints.includes(t.endpoint)) t[of].delete(key);
    for (const [endpoint, names] of this.#aside) if (!endpoints.includes(endpoint)) names[of].delete(key);
    for (const endpoint of endpoints) {
      if (this.#usable(endpoint)) this.obtain(endpoint, now)?.[of].add(key);
      else this.#putAside(endpoint)?.[of].add(key);
    }
  }

  /** Sets aside what is not usable any more, and takes up again what is. */
  forsake(now: number): void {
    for (const [endpoint, { seeds, nodes }] of this.#targets) {
      if (this.#usable(endpoint)) continue;
      this.#targets.delete(endpoint);
      const names = this.#putAside(endpoint);
      for (const seed of seeds) names?.seeds.add(seed);
      for (const node of nodes) names?.nodes.add(node);
    }
    for (const [endpoint, { seeds, nodes }] of this.#aside) {
      const named = seeds.size > 0 || nodes.size > 0;
      const target = named && this.#usable(endpoint) ? this.obtain(endpoint, now) : null;
      for (const seed of seeds) target?.seeds.add(seed);
      for (const node of nodes) target?.nodes.add(node);
      if (target !== null || !named) this.#aside.delete(endpoint);
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
    for (const [endpoint, t] of this.#targets) {
      if (t.seeds.size === 0 && t.nodes.size === 0 && t.knockUntil < now) this.#targets.delete(endpoint);
    }
  }

  /** A fresh nonce for a hello (or an ack that asks back) to the target. */
  freshNonce(target: Target, now: number): string {
    const nonce = toHex(this.#random.bytes(8));
    target.nonces = [...target.nonces.filter((n) => now - n.at < NONCE_MS), { nonce, at: now }].slice(
      -NONCES_KEPT,
    );
    return nonce;
  }

  /**
   * Notes a hello: the wait for the next doubles up to `maxMs`, with a quarter of jitter. Once it is long, hellos go in
   * pairs, so that one lost datagram does not cost another long wait.
   */
  tried(target: Target, { steady, maxMs, punches }: Pace, now: number): void {
    target.firstTriedAt ??= now;
    target.lastTriedAt = now;
    const second = target.tries > PAIRS_AFTER && target.tries % 2 === 0;
    const doublings = steady || second ? 0 : Math.min(target.tries, 10);
    const wait = Math.min(RETRY_MIN_MS * 2 ** doublings, maxMs);
    target.nextAt = now + wait * (0.75 + this.#random.below(501) / 1000);
    target.tries++;
    const { tries, answeredBy } = target;
    const next = punches === null
      ? null
      : nextPunch(target.punching, { tries, answered: answeredBy !== null, ...punches }, this.#random, now);
    target.punching = next?.state ?? null;
    if (next !== null) target.nextAt = next.at;
    if (target.tries > 1 && target.outcome.kind === "untried") target.outcome = { kind: "silent" };
  }

  /** The target that this nonce is under way to, wherever it was answered from; that of `from` first. */
  asked(from: string, nonce: string, now: number): Target | undefined {
    const under = (t: Target) => t.nonces.some((n) => n.nonce === nonce && now - n.at < NONCE_MS);
    const there = this.#targets.get(from);
    if (there !== undefined && under(there)) return there;
    for (const target of this.#targets.values()) if (under(target)) return target;
    return undefined;
  }

  /** The host itself refuses to send there; null: no more. What was answered meanwhile stays. */
  noteRefusal(endpoint: string, refusal: SendRefusal | null): void {
    const target = this.#targets.get(endpoint);
    if (target === undefined) return;
    if (refusal !== null) target.outcome = { kind: "not-sent", ...refusal };
    else if (target.outcome.kind === "not-sent") target.outcome = { kind: "silent" };
  }

  /** Takes the nonce if it is one under way to this target: each is good once. */
  redeem(target: Target, nonce: string, now: number): boolean {
    const found = target.nonces.some((n) => n.nonce === nonce && now - n.at < NONCE_MS);
    if (found) target.nonces = target.nonces.filter((n) => n.nonce !== nonce);
    return found;
  }
}
