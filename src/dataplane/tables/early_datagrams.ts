/**
 * Sealed data that overtook its session. An initiator sends data right behind the last message of its handshake; that
 * message goes to the control thread, and the session comes back by the mailbox a moment later. What arrives for it
 * meanwhile waits here. Only sessions are waited for whose last message has passed the gate: no one without the
 * network's key has anything kept. Of several Workers, the first sees all handshakes: data for the lanes of the others
 * is not waited for.
 */
import { withoutLane } from "../../wire/data_header.ts";

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
