/**
 * Packets for sealed peers that wait for a session: copies, with their vnet headers, few and not for ever. What does
 * not fit pushes the oldest of its own peer out; a peer alone can fill the memory, but takes nothing from others.
 */
import { MAX_PEERS } from "../ports.ts";

/** Packets a peer may have waiting. */
export const MAX_WAITING = 100;
/** How often a session with one peer is asked for, so that a busy one that is gone leaves others their turn. */
const ASK_MS = 500;
/** Bytes that may wait for all peers together. */
export const MAX_WAITING_BYTES = 8 << 20;

export class WaitingPackets {
  /** BOUNDED: one per slot, each ≤ MAX_WAITING, all ≤ MAX_WAITING_BYTES. The oldest first. */
  readonly #bySlot = new Map<number, Uint8Array[]>();
  #bytes = 0;
  /** When a session with the peer in a slot was asked for last. */
  readonly #askedAt = new Float64Array(MAX_PEERS).fill(-Infinity);

  /** Whether it is time to ask for a session with the peer. */
  mayAsk(slot: number, now: number): boolean {
    return now - this.#askedAt[slot]! >= ASK_MS;
  }

  /** It was asked for. */
  asked(slot: number, now: number): void {
    this.#askedAt[slot] = now;
  }

  /** Keeps a copy of the frame. Returns how many frames were lost for it, itself perhaps. */
  keep(slot: number, frame: Uint8Array): number {
    const waiting = this.#bySlot.get(slot) ?? [];
    let lost = 0;
    while (
      waiting.length > 0 &&
      (waiting.length >= MAX_WAITING || this.#bytes + frame.length > MAX_WAITING_BYTES)
    ) {
      this.#bytes -= waiting.shift()!.length;
      lost++;
    }
    if (this.#bytes + frame.length > MAX_WAITING_BYTES) lost++;
    else {
      waiting.push(frame.slice());
      this.#bytes += frame.length;
    }
    if (waiting.length > 0) this.#bySlot.set(slot, waiting);
    else this.#bySlot.delete(slot);
    return lost;
  }

  /** Takes what waits for `slot`, the oldest first. */
  take(slot: number): readonly Uint8Array[] {
    const waiting = this.#bySlot.get(slot) ?? [];
    this.#bySlot.delete(slot);
    for (const { length } of waiting) this.#bytes -= length;
    return waiting;
  }
}
