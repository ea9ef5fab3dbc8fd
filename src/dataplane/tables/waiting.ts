/**
 * What waits for a session, on its way out and on its way in; the control plane makes the session meanwhile.
 *
 * Out: packets for sealed peers, copies with their vnet headers, few and for ten seconds. What does not fit pushes the
 * oldest of its own peer out; a peer alone can fill the memory, but takes nothing from others.
 *
 * In: sealed data that overtook its session. An initiator sends data right behind the last message of its handshake; that
 * message goes to the control thread, and the session comes back by the mailbox a moment later. Only sessions are waited
 * for whose last message has passed the gate: no one without the network's key has anything kept. Of several Workers, the
 * first sees all handshakes: data for the lanes of the others is not waited for.
 */
import { withoutLane } from "../../wire/data_header.ts";

// ------------------------------------------------------------------------------------------- on its way out

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
  /** When a session with the peer in a slot was asked for last. BOUNDED: one per slot, ≤ MAX_PEERS. */
  readonly #askedAt = new Map<number, number>();

  /** Whether it is time to ask for a session with the peer. */
  mayAsk(slot: number, now: number): boolean {
    return now - (this.#askedAt.get(slot) ?? -Infinity) >= ASK_MS;
  }

  /** It was asked for. */
  asked(slot: number, now: number): void {
    this.#askedAt.set(slot, now);
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

// ------------------------------------------------------------------------------------------- on its way in

/** How long after the last message. */
export const EARLY_MS = 500;
/** Sessions that are waited for, and datagrams of each. */
export const MAX_EXPECTED = 64;
export const MAX_EARLY = 32;
/** Bytes that wait for all of them. */
export const MAX_EARLY_BYTES = 1 << 20;

export interface EarlyDatagram {
  readonly bytes: Uint8Array;
  readonly from: string;
}

interface Expected {
  readonly since: number;
  readonly datagrams: EarlyDatagram[];
}

export class EarlyDatagrams {
  /** BOUNDED: ≤ MAX_EXPECTED, each ≤ MAX_EARLY datagrams; the oldest go first. By receiver index without its lane. */
  readonly #expected = new Map<number, Expected>();
  /** BOUNDED: ≤ MAX_EARLY_BYTES */
  #bytes = 0;

  /** A session under this receiver index may come now. Returns how many datagrams were given up for it. */
  expect(index: number, now: number): number {
    let lost = this.expire(now);
    for (const key of this.#expected.keys()) {
      if (this.#expected.size < MAX_EXPECTED) break;
      lost += this.#give(key).length;
    }
    lost += this.#give(withoutLane(index)).length;
    this.#expected.set(withoutLane(index), { since: now, datagrams: [] });
    return lost;
  }

  /** Gives up the sessions that did not come in time. Returns how many datagrams waited for them. */
  expire(now: number): number {
    let lost = 0;
    for (const [key, { since }] of this.#expected) {
      if (now - since < EARLY_MS) break;
      lost += this.#give(key).length;
    }
    return lost;
  }

  /** Whether a session under this index may come; perhaps not in time any more. */
  expects(index: number): boolean {
    return this.#expected.has(withoutLane(index));
  }

  /** Keeps a copy of the datagram when its session is expected; false: it is not, or too much waits already. */
  keep(index: number, datagram: Uint8Array, from: () => string, now: number): boolean {
    const expected = this.#expected.get(withoutLane(index));
    if (expected === undefined || now - expected.since >= EARLY_MS) return false;
    if (expected.datagrams.length >= MAX_EARLY || this.#bytes + datagram.length > MAX_EARLY_BYTES) {
      return false;
    }
    this.#bytes += datagram.length;
    expected.datagrams.push({ bytes: datagram.slice(), from: from() });
    return true;
  }

  /** What came before the session under this index, which is there now. */
  take(index: number): readonly EarlyDatagram[] {
    return this.#give(withoutLane(index));
  }

  #give(key: number): readonly EarlyDatagram[] {
    const datagrams = this.#expected.get(key)?.datagrams ?? [];
    this.#expected.delete(key);
    for (const { bytes } of datagrams) this.#bytes -= bytes.length;
    return datagrams;
  }
}
