/**
 * The directives known here, as a set that merges: of each target the strongest, so the order and the number of
 * deliveries do not matter, and what a weaker or older one says cannot come back. About a node, a revocation is stronger than
 * any other, and of two others the one of the greater incarnation; about a subnet, the one of the greater number, and of two of
 * one number the one that lifts a reservation. The rest of the order only makes it total. When there is no room, the weakest go,
 * by the same order, each kind for itself: so the set stays a function of what was ever merged (bounds/greatest.ts).
 *
 * What is forgotten needs no record any more: the directive is signed and says up to which life. A reservation that is lifted
 * stays as the directive that lifts it.
 *
 * Who issued it need not be well itself: otherwise two nodes that revoke one another would leave it to chance which of
 * them the others believe. docs/security.md says what follows from that.
 */

import { type Identity, SIGNATURE_LEN, verifySignature } from "../../crypto/identity.ts";
import { Greatest } from "../../bounds/greatest.ts";
import { compareBytes } from "../../wire/bytes.ts";
import {
  aboutOf,
  decodeDirective,
  type Directive,
  type DirectiveContent,
  encodeDirective,
  FORGET_LIMIT,
  type Forgetting,
  type Reservation,
} from "../../wire/directive.ts";
import { VERSION_LIMIT } from "../../wire/untrusted.ts";
import { HashTree } from "../records/hash_tree.ts";
import type { Claim, NodeRecord } from "../records/record.ts";

/** Nodes that decisions are kept about. */
export const MAX_DIRECTIVES = 16_384;
/** Subnets that are reserved, or were: those that were decided about last. */
export const MAX_RESERVATIONS_KEPT = 8192;
/** No greater number follows from what others say: a number that a member makes up leaves room above those of the others. */
const SEQ_STEP_MAX = 2 ** 16;

/** A reservation for somebody. */
export type Standing = Directive<Reservation> & { readonly holder: string };

const NONE: ReadonlySet<string> = new Set();

function stands(one: Directive<Reservation>): one is Standing {
  return one.holder !== null;
}

/** Signs what a directive says. */
export function signDirective<C extends DirectiveContent>(content: C, identity: Identity): Directive<C> {
  const payload = encodeDirective(content);
  const raw = new Uint8Array(payload.length + SIGNATURE_LEN);
  raw.set(payload);
  raw.set(identity.sign(payload), payload.length);
  return { ...content, raw };
}

/** The directive in bytes from outside, shape and signature checked; null when either is wrong. Never throws. */
export function openDirective(raw: Uint8Array, verify = verifySignature): Directive | null {
  const directive = decodeDirective(raw);
  if (directive === null) return null;
  const end = raw.length - SIGNATURE_LEN;
  return verify(directive.issuer, raw.slice(0, end), raw.slice(end)) ? directive : null;
}

/** Negative when `a` is weaker than `b`, of one kind. Total: 0 only for the same bytes. */
export function compareDirectives(a: Directive, b: Directive): number {
  if (a.kind === "forget" && b.kind === "forget") return compareForgettings(a, b);
  if (a.kind === "reserve" && b.kind === "reserve") return compareReservations(a, b);
  return compareBytes(a.raw, b.raw);
}

function compareForgettings(a: Directive<Forgetting>, b: Directive<Forgetting>): number {
  if (a.revoke !== b.revoke) return a.revoke ? 1 : -1;
  if (a.incarnation !== b.incarnation) return a.incarnation - b.incarnation;
  if (a.seq !== b.seq) return a.seq - b.seq;
  return compareBytes(a.raw, b.raw);
}

function compareReservations(a: Directive<Reservation>, b: Directive<Reservation>): number {
  if (a.seq !== b.seq) return a.seq - b.seq;
  if ((a.holder === null) !== (b.holder === null)) return a.holder === null ? 1 : -1;
  return compareBytes(a.raw, b.raw);
}

export class Directives {
  readonly #forgettings: Greatest<Directive<Forgetting>>;
  readonly #reservations: Greatest<Directive<Reservation>>;
  // BOUNDED: by #reservations; the keys of those that stand, by the node that they are for
  readonly #reservedFor = new Map<string, Set<string>>();
  readonly #tree = new HashTree();
  readonly #listeners: ((key: string) => void)[] = [];
  #version = 0;
  #greatestSeq = 0;

  constructor(max = MAX_DIRECTIVES, maxReservations = Math.min(max, MAX_RESERVATIONS_KEPT)) {
    this.#forgettings = new Greatest<Directive<Forgetting>>(max, compareForgettings, aboutOf);
    this.#reservations = new Greatest<Directive<Reservation>>(maxReservations, compareReservations, aboutOf);
  }

  /** Merges one whose signature was verified. Returns it when that changed anything here, else null. */
  insert(directive: Directive): Directive | null {
    const { seq } = directive;
    if (seq - this.#greatestSeq <= SEQ_STEP_MAX) this.#greatestSeq = Math.max(this.#greatestSeq, seq);
    const key = aboutOf(directive);
    const known = this.get(key);
    if (known !== undefined && compareDirectives(directive, known) <= 0) return null;
    const evicted = directive.kind === "forget"
      ? this.#forgettings.set(directive)
      : this.#reservations.set(directive);
    if (known !== undefined) this.#unlist(known);
    if (evicted !== null && evicted !== directive) {
      this.#unlist(evicted);
      this.#changed(aboutOf(evicted));
    }
    if (evicted === directive) return null;
    this.#list(directive);
    this.#changed(key);
    return directive;
  }

  #changed(key: string): void {
    this.#version++;
    const now = this.get(key);
    if (now === undefined) this.#tree.delete(key);
    else this.#tree.set(key, strengthOf(now), now.raw);
    for (const listener of this.#listeners) listener(key);
    // What is reserved for a node counts for as long as it is not revoked.
    for (const about of this.#reservedFor.get(key) ?? []) for (const one of this.#listeners) one(about);
  }

  #list(directive: Directive): void {
    if (directive.kind === "forget" || directive.holder === null) return;
    const keys = this.#reservedFor.get(directive.holder) ?? new Set();
    this.#reservedFor.set(directive.holder, keys.add(aboutOf(directive)));
  }

  #unlist(directive: Directive): void {
    if (directive.kind === "forget" || directive.holder === null) return;
    const keys = this.#reservedFor.get(directive.holder);
    keys?.delete(aboutOf(directive));
    if (keys?.size === 0) this.#reservedFor.delete(directive.holder);
  }

  /** The strongest of what has this key (`aboutOf`): about a node, or about a subnet. */
  get(key: string): Directive | undefined {
    return this.#forgettings.get(key) ?? this.#reservations.get(key);
  }

  /** The strongest about this node. */
  about(target: string): Directive<Forgetting> | undefined {
    return this.#forgettings.get(target);
  }

  /** The strongest with this key about a subnet, whether or not it stands. */
  reservation(key: string): Directive<Reservation> | undefined {
    return this.#reservations.get(key);
  }

  /** The keys of the reservations for this node that stand. */
  reservedFor(id: string): ReadonlySet<string> {
    return this.#reservedFor.get(id) ?? NONE;
  }

  /** The reservations that stand, in no order; none for a node whose key is refused: it can never take it. */
  *standing(): Iterable<Standing> {
    for (const [holder, keys] of this.#reservedFor) {
      if (this.isRevoked(holder)) continue;
      for (const key of keys) yield this.standingOf(key)!;
    }
  }

  /** The same of one. */
  standingOf(key: string): Standing | null {
    const one = this.#reservations.get(key);
    return one === undefined || !stands(one) || this.isRevoked(one.holder) ? null : one;
  }

  /** Those about nodes, in order of their targets. */
  forgettings(): Directive<Forgetting>[] {
    return [...this.#forgettings.values()].sort((a, b) => a.target < b.target ? -1 : 1);
  }

  /** All, in order of their keys. */
  all(): Directive[] {
    const all = [...this.#forgettings.values(), ...this.#reservations.values()];
    return all.map((one) => [aboutOf(one), one] as const).sort(([a], [b]) => a < b ? -1 : 1).map(([, one]) =>
      one
    );
  }

  get size(): number {
    return this.#forgettings.size + this.#reservations.size;
  }

  /** Changes with every change of the content. */
  get version(): number {
    return this.#version;
  }

  /** Calls `listener` with the key of each that changes. */
  onChange(listener: (key: string) => void): void {
    this.#listeners.push(listener);
  }

  /** As they are compared with those of another node. */
  get tree(): HashTree {
    return this.#tree;
  }

  /** Whether the key of this node is refused: no session, no gossip, no path. */
  isRevoked(nodeId: string): boolean {
    return this.about(nodeId)?.revoke === true;
  }

  /** Whether a record counts no more: its node is as good as gone, until it writes a greater incarnation. */
  isForgotten({ id, incarnation }: Pick<NodeRecord, "id" | "incarnation">): boolean {
    const about = this.about(id);
    return about !== undefined && (about.revoke || incarnation <= about.incarnation);
  }

  /**
   * Whether a claim counts no more: made in an incarnation that is forgotten. A restart gives its record a greater
   * incarnation, not the claim.
   */
  isClaimForgotten(id: string, { incarnation }: Pick<Claim, "incarnation">): boolean {
    return this.isForgotten({ id, incarnation });
  }

  /** The number of the next one that is issued here. */
  get nextSeq(): number {
    return Math.min(this.#greatestSeq + 1, VERSION_LIMIT - 1);
  }
}

// The order of compareDirectives but for its end and for lives beyond FORGET_LIMIT, in two numbers below VERSION_LIMIT.
function strengthOf(directive: Directive): { readonly major: number; readonly minor: number } {
  if (directive.kind === "reserve") return { major: directive.seq, minor: directive.holder === null ? 1 : 0 };
  const { revoke, incarnation, seq } = directive;
  const life = Math.min(incarnation, FORGET_LIMIT - 1);
  return { major: (revoke ? FORGET_LIMIT : 0) + life, minor: seq };
}
