/**
 * The directives known here, as a set that merges: of each target the strongest, so the order and the number of
 * deliveries do not matter, and what a weaker or older one says cannot come back. A revocation is stronger than any other,
 * and of two others the one of the greater incarnation; the rest of the order only makes it total. When there is no room,
 * the weakest go, by the same order: so the set stays a function of what was ever merged.
 *
 * Who issued it need not be well itself: otherwise two nodes that revoke one another would leave it to chance which of
 * them the others believe. docs/security.md says what follows from that.
 */

import { type Identity, SIGNATURE_LEN, verifySignature } from "../../crypto/identity.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import { toHex } from "../../wire/bytes.ts";
import {
  decodeDirective,
  type Directive,
  type DirectiveContent,
  encodeDirective,
} from "../../wire/directive.ts";
import { VERSION_LIMIT } from "../../wire/untrusted.ts";
import type { Claim, NodeRecord } from "../records/record.ts";

const HASH_LEN = 8;

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
  const [left, right] = [toHex(a.raw), toHex(b.raw)];
  return left === right ? 0 : left < right ? -1 : 1;
}

export class Directives {
  // BOUNDED: one per target, ≤ #max
  readonly #byTarget = new Map<string, Directive>();
  readonly #max: number;
  #version = 0;
  #hash: string | null = null;

  constructor(max = MAX_PEERS) {
    this.#max = max;
  }

  /** Merges one whose signature was verified. Returns it when that changed anything here, else null. */
  insert(directive: Directive): Directive | null {
    const known = this.#byTarget.get(directive.target);
    if (known !== undefined && compareDirectives(directive, known) <= 0) return null;
    this.#byTarget.set(directive.target, directive);
    if (this.#byTarget.size > this.#max) {
      const weakest = this.#weakest();
      this.#byTarget.delete(weakest.target);
      if (weakest === directive) return null;
    }
    this.#version++;
    this.#hash = null;
    return directive;
  }

  #weakest(): Directive {
    let weakest: Directive | null = null;
    for (const one of this.#byTarget.values()) {
      if (weakest === null || compareDirectives(one, weakest) < 0) weakest = one;
    }
    return weakest!;
  }

  /** The strongest about this node. */
  about(target: string): Directive | undefined {
    return this.#byTarget.get(target);
  }

  /** All, in order of their targets. */
  all(): Directive[] {
    return [...this.#byTarget.values()].sort((a, b) => a.target < b.target ? -1 : 1);
  }

  get size(): number {
    return this.#byTarget.size;
  }

  /** Changes with every change of the content. */
  get version(): number {
    return this.#version;
  }

  /** 16 hexadecimal digits that are equal where the sets are. */
  get hash(): string {
    this.#hash ??= toHex(sha256(...this.all().map((one) => one.raw)).slice(0, HASH_LEN));
    return this.#hash;
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
    let greatest = 0;
    for (const { seq } of this.#byTarget.values()) greatest = Math.max(greatest, seq);
    return Math.min(greatest + 1, VERSION_LIMIT - 1);
  }
}
