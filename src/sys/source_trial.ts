/**
 * Datagrams whose source the kernel refuses: the address may be gone from this host. They are tried without it, where the
 * kernel chooses. When one leaves, the source is given up for good; when none does, what is missing is the way there, and
 * the source stays. One peer at a time.
 */
import type { LocalEnds } from "./local_ends.ts";

export class SourceTrial {
  readonly #locals: LocalEnds;
  /** The slot whose datagrams are being tried without their source, or −1. */
  #slot = -1;
  #goneFor = -1;

  constructor(locals: LocalEnds) {
    this.#locals = locals;
  }

  get isUnderWay(): boolean {
    return this.#slot >= 0;
  }

  /** Whether datagrams for the slot had a source. They are tried without it from now on. */
  begin(slot: number): boolean {
    if (!this.#locals.isPinned(slot)) return false;
    this.end();
    this.#locals.unpin(slot);
    this.#slot = slot;
    return true;
  }

  /** A datagram for this slot has left. True when it was tried without its source, which is gone then. */
  left(slot: number): boolean {
    if (slot !== this.#slot) return false;
    this.#goneFor = slot;
    this.#slot = -1;
    return true;
  }

  /** Nothing left without it either. */
  end(): void {
    if (this.#slot >= 0) this.#locals.repin(this.#slot);
    this.#slot = -1;
  }

  /** The slot whose source is gone, once; −1: none. */
  takeGone(): number {
    const slot = this.#goneFor;
    this.#goneFor = -1;
    return slot;
  }
}
