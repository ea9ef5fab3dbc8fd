/**
 * Packets for sealed peers that wait for a session: copies, with their vnet headers, few and for ten seconds. What does
 * not fit pushes the oldest of its own peer out; a peer alone can fill the memory, but takes nothing from others.
 */
import { MAX_PEERS } from "../../ports/devices.ts";

/** Packets a peer may have waiting. */
export const MAX_WAITING = 100;
/** How often a session with one peer is asked for, so that a busy one that is gone leaves others their turn. */
const ASK_MS = 500;
/** Bytes that may wait for all peers together. */
export const MAX_WAITING_BYTES = 8 << 20;
/** As long as a handshake waits for its answer (control/handshake/pending.ts): the sender has sent it again since. */
export const MAX_WAITING_MS = 10_000;
const SWEEP_MS = 1000;

interface Waiting {
  readonly frame: Uint8Array;
  readonly since: number;
}

export class WaitingPackets {
  /** BOUNDED: one per slot, each ≤ MAX_WAITING, all ≤ MAX_WAITING_BYTES. The oldest first. */
  readonly #bySlot = new Map<number, Waiting[]>();
  #bytes = 0;
  #sweptAt = -Infinity;
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
  keep(slot: number, frame: Uint8Array, now: number): number {
    const waiting = this.#bySlot.get(slot) ?? [];
    let lost = 0;
    while (
      waiting.length > 0 &&
      (waiting.length >= MAX_WAITING || this.#bytes + frame.length > MAX_WAITING_BYTES)
    ) {
      this.#bytes -= waiting.shift()!.frame.length;
      lost++;
    }
    if (this.#bytes + frame.length > MAX_WAITING_BYTES) lost++;
    else {
      waiting.push({ frame: frame.slice(), since: now });
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
    for (const { frame } of waiting) this.#bytes -= frame.length;
    return waiting.map(({ frame }) => frame);
  }

  /** Drops what has waited for MAX_WAITING_MS; looks once a second. Returns how many frames that were. */
  expire(now: number): number {
    if (now - this.#sweptAt < SWEEP_MS) return 0;
    this.#sweptAt = now;
    let dropped = 0;
    for (const [slot, waiting] of this.#bySlot) {
      while (waiting.length > 0 && now - waiting[0]!.since >= MAX_WAITING_MS) {
        this.#bytes -= waiting.shift()!.frame.length;
        dropped++;
      }
      if (waiting.length === 0) this.#bySlot.delete(slot);
    }
    return dropped;
  }
}
