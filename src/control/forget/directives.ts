/**
 * The directives known here, as a set that merges: of each target the strongest, so the order and the number of
 * deliveries do not matter, and what a weaker or older one says cannot come back. A revocation is stronger than any other,
 * and of two others the one of the greater incarnation; the rest of the order only makes it total. When there is no room,
 * the weakest go, by the same order: so the set stays a function of what was ever merged (bounds/greatest.ts).
 *
 * What is forgotten needs no record any more: the directive is signed and says up to which life. Kinds to come (a
 * reservation of a subnet) are merged in the same way, each about a key of its own.
 *
 * Who issued it need not be well itself: otherwise two nodes that revoke one another would leave it to chance which of
 * them the others believe. docs/security.md says what follows from that.
 */

import { type Identity, SIGNATURE_LEN, verifySignature } from "../../crypto/identity.ts";
import { Greatest } from "../../bounds/greatest.ts";
import { compareBytes } from "../../wire/bytes.ts";
import {
  decodeDirective,
  type Directive,
  type DirectiveContent,
  encodeDirective,
  FORGET_LIMIT,
} from "../../wire/directive.ts";
import { VERSION_LIMIT } from "../../wire/untrusted.ts";
import { HashTree } from "../records/hash_tree.ts";
import type { Claim, NodeRecord } from "../records/record.ts";

/** Nodes that decisions are kept about. */
export const MAX_DIRECTIVES = 16_384;

/** Signs what a directive says. */
export function signDirective(content: DirectiveContent, identity: Identity): Directive {
  const payload = encodeDirective(content);
  const raw = new Uint8Array(payload.length + SIGNATURE_LEN);
  raw.set(payload);
  raw.set(identity.sign(payload), payload.length);
  return { ...content, raw };
}

/** The directive in bytes from outside, shape and signature checked; null when either is wrong. Never throws. */
export function openDirective(raw: Uint8Array): Directive | null {
  const directive = decodeDirective(raw);
  if (directive === null) return null;
  const end = raw.length - SIGNATURE_LEN;
  return verifySignature(directive.issuer, raw.slice(0, end), raw.slice(end)) ? directive : null;
}

/** Negative when `a` is weaker than `b`. Total: 0 only for the same bytes. */
export function compareDirectives(a: Directive, b: Directive): number {
  if (a.revoke !== b.revoke) return a.revoke ? 1 : -1;
  if (a.incarnation !== b.incarnation) return a.incarnation - b.incarnation;
  if (a.seq !== b.seq) return a.seq - b.seq;
  return compareBytes(a.raw, b.raw);
}

export class Directives {
  readonly #kept: Greatest<Directive>;
  readonly #tree = new HashTree();
  readonly #listeners: ((target: string) => void)[] = [];
  #version = 0;
  #greatestSeq = 0;

  constructor(max = MAX_DIRECTIVES) {
    this.#kept = new Greatest(max, compareDirectives, ({ target }) => target);
  }

  /** Merges one whose signature was verified. Returns it when that changed anything here, else null. */
  insert(directive: Directive): Directive | null {
    this.#greatestSeq = Math.max(this.#greatestSeq, directive.seq);
    const known = this.#kept.get(directive.target);
    if (known !== undefined && compareDirectives(directive, known) <= 0) return null;
    const evicted = this.#kept.set(directive);
    if (evicted !== null) this.#changed(evicted.target);
    if (evicted === directive) return null;
    this.#changed(directive.target);
    return directive;
  }

  #changed(target: string): void {
    this.#version++;
    const about = this.about(target);
    if (about === undefined) this.#tree.delete(target);
    else this.#tree.set(target, strengthOf(about), about.raw);
    for (const listener of this.#listeners) listener(target);
  }

  /** The strongest about this node. */
  about(target: string): Directive | undefined {
    return this.#kept.get(target);
  }

  /** All, in order of their targets. */
  all(): Directive[] {
    return [...this.#kept.values()].sort((a, b) => a.target < b.target ? -1 : 1);
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Changes with every change of the content. */
  get version(): number {
    return this.#version;
  }

  /** Calls `listener` with the target of each that changes. */
  onChange(listener: (target: string) => void): void {
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
function strengthOf(
  { revoke, incarnation, seq }: Directive,
): { readonly major: number; readonly minor: number } {
  const life = Math.min(incarnation, FORGET_LIMIT - 1);
  return { major: (revoke ? FORGET_LIMIT : 0) + life, minor: seq };
}
