/**
 * Datagrams whose source the kernel refuses: the address may be gone from this host. They are tried without it, where the
 * kernel chooses. When one leaves, the source is given up for good; when none does, what is missing is the way there, and
 * the source stays. One peer at a time.
 */
import type { PeerEnds } from "./peer_ends.ts";

export class SourceTrial {
  readonly #ends: PeerEnds;
  /** The slot whose datagrams are being tried without their source, or −1. */
  #slot = -1;
  #goneFor = -1;

  constructor(ends: PeerEnds) {
    this.#ends = ends;
  }

  get isUnderWay(): boolean {
    return this.#slot >= 0;
  }

  /** Whether datagrams for the slot had a source. They are tried without it from now on. */
  begin(slot: number): boolean {
    if (!this.#ends.isPinned(slot)) return false;
    this.end();
    this.#ends.unpin(slot);
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
    if (this.#slot >= 0) this.#ends.repin(this.#slot);
    this.#slot = -1;
  }

  /** The slot whose source is gone, once; −1: none. */
  takeGone(): number {
    const slot = this.#goneFor;
    this.#goneFor = -1;
    return slot;
  }
}
