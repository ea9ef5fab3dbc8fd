/**
 * A network in memory that loses, delays and reorders datagrams as a seed says, and can be cut in two. It keeps what is
 * under way in a heap by time of arrival; whoever drives it asks for the next arrival and moves the clock.
 */

import type { NatRouter } from "./nat_router.ts";
import type { SeededRandom } from "./seeded_random.ts";

export interface Datagram {
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

export interface NetworkConditions {
  /** Probability that a datagram is lost. */
  readonly loss?: number;
  /** Latency, uniform between the two, ms. */
  readonly latency?: readonly [number, number];
}

export class LossyNetwork {
  conditions: NetworkConditions;
  /** What becomes of a datagram on its way. */
  rewrite: ((datagram: Datagram) => Uint8Array) | null = null;
  /** Hosts behind these are reached by them alone. */
  readonly routers: NatRouter[] = [];
  sent = 0;
  bytes = 0;
  largest = 0;
  readonly #random: SeededRandom;
  readonly #heap: Datagram[] = [];
  #sideOf: ((endpoint: string) => number) | null = null;

  constructor(random: SeededRandom, conditions: NetworkConditions = {}) {
    this.#random = random;
    this.conditions = conditions;
  }

  /** Endpoints of different sides cannot reach one another until the next call; null heals. */
  partition(sideOf: ((endpoint: string) => number) | null): void {
    this.#sideOf = sideOf;
  }

  send(now: number, from: string, to: string, bytes: Uint8Array): void {
    this.sent++;
    this.bytes += bytes.length;
    this.largest = Math.max(this.largest, bytes.length);
    if (this.#sideOf !== null && this.#sideOf(from) !== this.#sideOf(to)) return;
    if (this.#random.next() < (this.conditions.loss ?? 0)) return;
    if (this.routers.some(({ inner }) => inner === to && inner !== from)) return;
    const source = this.routers.find(({ inner }) => inner === from)?.outward(to, now) ?? from;
    const [min, max] = this.conditions.latency ?? [0.2, 2];
    const datagram = {
      at: now + min + this.#random.next() * (max - min),
      from: source,
      to,
      bytes: bytes.slice(),
    };
    this.#push(this.rewrite === null ? datagram : { ...datagram, bytes: this.rewrite(datagram) });
  }

  /** Lets one that has arrived wait: it comes again then. */
  hold(datagram: Datagram, until: number): void {
    this.#push({ ...datagram, at: until });
  }

  nextArrival(): number {
    return this.#heap[0]?.at ?? Infinity;
  }

  take(): Datagram | undefined {
    const top = this.#heap[0];
    const last = this.#heap.pop();
    if (this.#heap.length > 0 && last !== undefined) {
      this.#heap[0] = last;
      this.#sink();
    }
    return top === undefined ? top : this.#behindRouters(top);
  }

  #behindRouters(datagram: Datagram): Datagram {
    const router = this.routers.find((one) => one.is(datagram.to));
    if (router === undefined) return datagram;
    return { ...datagram, to: router.inward(datagram.from, datagram.to, datagram.at) ?? "" };
  }

  #push(datagram: Datagram): void {
    let n = this.#heap.push(datagram) - 1;
    while (n > 0) {
      const parent = (n - 1) >> 1;
      if (this.#heap[parent]!.at <= this.#heap[n]!.at) break;
      [this.#heap[parent], this.#heap[n]] = [this.#heap[n]!, this.#heap[parent]!];
      n = parent;
    }
  }

  #sink(): void {
    let n = 0;
    for (;;) {
      let least = n;
      for (const child of [2 * n + 1, 2 * n + 2]) {
        if (child < this.#heap.length && this.#heap[child]!.at < this.#heap[least]!.at) least = child;
      }
      if (least === n) return;
      [this.#heap[least], this.#heap[n]] = [this.#heap[n]!, this.#heap[least]!];
      n = least;
    }
  }
}
