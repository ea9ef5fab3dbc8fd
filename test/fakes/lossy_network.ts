/**
 * A network in memory that loses, delays, reorders and doubles datagrams as a seed says, and can be cut in two. It keeps what
 * is under way by time of arrival; whoever drives it asks for the next arrival and moves the clock.
 */

import { Heap } from "../../src/bounds/heap.ts";
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
  /** Probability that one comes twice. */
  readonly doubled?: number;
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
  readonly #underWay = new Heap<Datagram>();
  #sideOf: ((endpoint: string) => number) | null = null;
  #oneWay = false;

  constructor(random: SeededRandom, conditions: NetworkConditions = {}) {
    this.#random = random;
    this.conditions = conditions;
  }

  /**
   * Endpoints of different sides cannot reach one another until the next call; null heals. `oneWay`: what a lower side sends
   * still comes to a higher one.
   */
  partition(sideOf: ((endpoint: string) => number) | null, oneWay = false): void {
    this.#sideOf = sideOf;
    this.#oneWay = oneWay;
  }

  send(now: number, from: string, to: string, bytes: Uint8Array): void {
    this.sent++;
    this.bytes += bytes.length;
    this.largest = Math.max(this.largest, bytes.length);
    if (this.#isCut(from, to)) return;
    if (this.#random.next() < (this.conditions.loss ?? 0)) return;
    if (this.routers.some(({ inner }) => inner === to && inner !== from)) return;
    const source = this.routers.find(({ inner }) => inner === from)?.outward(to, now) ?? from;
    this.#deliver(now, source, to, bytes);
    const { doubled = 0 } = this.conditions;
    if (doubled > 0 && this.#random.next() < doubled) this.#deliver(now, source, to, bytes);
  }

  #isCut(from: string, to: string): boolean {
    if (this.#sideOf === null) return false;
    const [a, b] = [this.#sideOf(from), this.#sideOf(to)];
    return a !== b && !(this.#oneWay && a < b);
  }

  #deliver(now: number, from: string, to: string, bytes: Uint8Array): void {
    const [min, max] = this.conditions.latency ?? [0.2, 2];
    const at = now + min + this.#random.next() * (max - min);
    const datagram = { at, from, to, bytes: bytes.slice() };
    this.#underWay.push(
      at,
      this.rewrite === null ? datagram : { ...datagram, bytes: this.rewrite(datagram) },
    );
  }

  /** Lets one that has arrived wait: it comes again then. */
  hold(datagram: Datagram, until: number): void {
    this.#underWay.push(until, { ...datagram, at: until });
  }

  nextArrival(): number {
    return this.#underWay.nextAt;
  }

  take(): Datagram | undefined {
    const next = this.#underWay.pop();
    return next === undefined ? next : this.#behindRouters(next);
  }

  #behindRouters(datagram: Datagram): Datagram {
    const router = this.routers.find((one) => one.is(datagram.to));
    if (router === undefined) return datagram;
    return { ...datagram, to: router.inward(datagram.from, datagram.to, datagram.at) ?? "" };
  }
}
