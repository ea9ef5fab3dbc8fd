/** The nonces of our hellos that are under way, by which an answer finds its target, wherever it comes from. */

import type { Random } from "../../ports/time.ts";
import { toHex } from "../../wire/bytes.ts";
import type { Target } from "./target.ts";

const NONCE_LEN = 8;
const NONCE_MS = 10_000;
/** Of one target. */
const NONCES_KEPT = 4;

export class Nonces {
  readonly #random: Random;
  // BOUNDED: ≤ NONCES_KEPT of each target
  readonly #targets = new Map<string, Target>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** A fresh one; the oldest of the target go. */
  fresh(target: Target, now: number): string {
    const nonce = toHex(this.#random.bytes(NONCE_LEN));
    const kept = [...target.nonces.filter(({ at }) => now - at < NONCE_MS), { nonce, at: now }]
      .slice(-NONCES_KEPT);
    for (const old of target.nonces) if (!kept.includes(old)) this.#targets.delete(old.nonce);
    target.nonces = kept;
    this.#targets.set(nonce, target);
    return nonce;
  }

  /** The target that it was sent to. */
  of(nonce: string): Target | undefined {
    return this.#targets.get(nonce);
  }

  /** Whether it may still be answered. */
  isFresh(target: Target, nonce: string, now: number): boolean {
    return target.nonces.some((one) => one.nonce === nonce && now - one.at < NONCE_MS);
  }

  /** Takes it if it is one under way to this target: each is good once. */
  redeem(target: Target, nonce: string, now: number): boolean {
    if (!this.isFresh(target, nonce, now)) return false;
    target.nonces = target.nonces.filter((one) => one.nonce !== nonce);
    this.#targets.delete(nonce);
    return true;
  }

  /** The target is gone. */
  drop(target: Target): void {
    for (const { nonce } of target.nonces) this.#targets.delete(nonce);
    target.nonces = [];
  }
}
