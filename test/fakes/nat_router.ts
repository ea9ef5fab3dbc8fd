/**
 * A home router as Linux is one: masquerade by connection tracking, for one host behind it. It keeps the host's port
 * where that tuple is free, else it takes another, which it then keeps for further destinations; only answers come in. A
 * datagram that nobody asked for is dropped, or, without a firewall on its input, goes to the router itself: then its
 * tuple is tracked like any other, and taken. Entries end 30 s after the last datagram, 120 s once they were answered.
 */

import { addressOf, portOf } from "../../src/wire/address.ts";
import type { SeededRandom } from "./seeded_random.ts";

const UNREPLIED_MS = 30_000;
const REPLIED_MS = 120_000;

interface Entry {
  /** Null: of the router itself. */
  readonly inner: string | null;
  readonly remote: string;
  readonly port: number;
  replied: boolean;
  at: number;
}

export class NatRouter {
  readonly outer: string;
  readonly inner: string;
  /** Whether its own input takes what nobody asked for. */
  accepts: boolean;
  readonly #random: SeededRandom;
  // The newest last.
  #entries: Entry[] = [];

  constructor(outer: string, inner: string, accepts: boolean, random: SeededRandom) {
    this.outer = outer;
    this.inner = inner;
    this.accepts = accepts;
    this.#random = random;
  }

  /** Where a datagram of the host to `remote` comes from, as others see it. */
  outward(remote: string, now: number): string {
    this.#expire(now);
    let entry = this.#entries.find((one) => one.inner !== null && one.remote === remote);
    if (entry === undefined) {
      const kept = this.#entries.findLast(({ inner }) => inner !== null)?.port;
      let port = kept ?? Number(portOf(this.inner));
      while (this.#entries.some((one) => one.remote === remote && one.port === port)) {
        port = 1024 + this.#random.below(60_000);
      }
      entry = { inner: this.inner, remote, port, replied: false, at: now };
      this.#entries.push(entry);
    }
    entry.at = now;
    return `${this.outer}:${entry.port}`;
  }

  /** Where a datagram from `remote` goes to that came to the router; null: no further. */
  inward(remote: string, to: string, now: number): string | null {
    this.#expire(now);
    const port = Number(portOf(to));
    const entry = this.#entries.find((one) => one.remote === remote && one.port === port);
    if (entry !== undefined) {
      entry.at = now;
      if (entry.inner !== null) entry.replied = true;
      return entry.inner;
    }
    if (this.accepts) this.#entries.push({ inner: null, remote, port, replied: false, at: now });
    return null;
  }

  /** Whether this is the address of the router. */
  is(endpoint: string): boolean {
    return addressOf(endpoint) === this.outer;
  }

  #expire(now: number): void {
    this.#entries = this.#entries.filter(({ replied, at }) =>
      now - at < (replied ? REPLIED_MS : UNREPLIED_MS)
    );
  }
}
