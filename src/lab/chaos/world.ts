/**
 * What is true of the hosts of a chaos run, as the lab itself made it: which run, on which side, which cables are broken or
 * lose packets, and since when two of them could talk to each other. What the daemons say is judged by it (lease_judge.ts,
 * flow_judge.ts). Times are ms.
 */

import type { Cut } from "./schedule.ts";

/** How two hosts came to be connected: one of them began to run, or the network between them healed. */
export interface Connection {
  readonly since: number;
  readonly by: "start" | "heal";
}

/** Pairs of hosts that do not hear each other, in one direction at least; those that do so again. */
export interface Regrouped {
  readonly apart: readonly [string, string][];
  readonly connected: readonly [string, string][];
}

interface HostState {
  side: number;
  running: boolean;
  paused: boolean;
  /** Since when it is as it is. */
  since: number;
}

export class World {
  /** BOUNDED: one per host */
  readonly #hosts = new Map<string, HostState>();
  /** Since when two hosts hear each other, if they run; absent while one does not. BOUNDED: one per pair */
  readonly #together = new Map<string, number>();
  /** Nothing from the first arrives at the second: "a b". How many cuts say so. BOUNDED: one per ordered pair */
  readonly #cuts = new Map<string, number>();
  /** BOUNDED: one per host */
  #lossy: ReadonlySet<string> = new Set();
  readonly names: readonly string[];

  /** All on one side, none running. */
  constructor(names: readonly string[], now: number) {
    this.names = names;
    for (const name of names) this.#hosts.set(name, { side: 0, running: false, paused: false, since: now });
    this.#regroup(now);
  }

  split(sides: readonly (readonly string[])[], now: number): Regrouped {
    sides.forEach((side, i) => side.forEach((name) => this.#host(name).side = i));
    return this.#regroup(now);
  }

  heal(now: number): Regrouped {
    return this.split([this.names], now);
  }

  /** Breaks the way from some to others; `mended`: this cut is no more. */
  cut({ from, to }: Cut, mended: boolean, now: number): Regrouped {
    for (const key of from.flatMap((a) => to.map((b) => `${a} ${b}`))) {
      const count = (this.#cuts.get(key) ?? 0) + (mended ? -1 : 1);
      if (count > 0) this.#cuts.set(key, count);
      else this.#cuts.delete(key);
    }
    return this.#regroup(now);
  }

  /** These lose packets from now on, and no others. */
  lose(hosts: readonly string[]): void {
    this.#lossy = new Set(hosts);
  }

  /** Nothing takes packets on the way between two hosts. */
  isClean(a: string, b: string): boolean {
    return !this.#lossy.has(a) && !this.#lossy.has(b);
  }

  set(name: string, change: { readonly running?: boolean; readonly paused?: boolean }, now: number): void {
    const host = this.#host(name);
    if (change.running !== undefined && change.running !== host.running) host.paused = false;
    Object.assign(host, change, { since: now });
  }

  /** It runs as before, but did not get to do so: it counts as begun now. */
  starved(name: string, now: number): void {
    this.#host(name).since = now;
  }

  isUp(name: string): boolean {
    const { running, paused } = this.#host(name);
    return running && !paused;
  }

  isRunning(name: string): boolean {
    return this.#host(name).running;
  }

  sideOf(name: string): number {
    return this.#host(name).side;
  }

  get isWhole(): boolean {
    return this.names.every((name) => this.sideOf(name) === this.sideOf(this.names[0]!));
  }

  /** Null while one of them does not run, or they are apart. */
  connection(a: string, b: string): Connection | null {
    const together = this.#together.get(pairKey(a, b));
    if (together === undefined || !this.isUp(a) || !this.isUp(b)) return null;
    const up = Math.max(this.#host(a).since, this.#host(b).since);
    return together > up ? { since: together, by: "heal" } : { since: up, by: "start" };
  }

  #host(name: string): HostState {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new TypeError(`There is no host ${JSON.stringify(name)}`);
    return host;
  }

  #pairs(): [string, string][] {
    return this.names.flatMap((a, i) => this.names.slice(i + 1).map((b): [string, string] => [a, b]));
  }

  #regroup(now: number): Regrouped {
    const apart: [string, string][] = [];
    const connected: [string, string][] = [];
    for (const [a, b] of this.#pairs()) {
      const key = pairKey(a, b);
      const parted = this.sideOf(a) !== this.sideOf(b) || this.#cuts.has(`${a} ${b}`) ||
        this.#cuts.has(`${b} ${a}`);
      if (parted) {
        this.#together.delete(key);
        apart.push([a, b]);
      } else if (!this.#together.has(key)) {
        this.#together.set(key, now);
        connected.push([a, b]);
      }
    }
    return { apart, connected };
  }
}

/** The same for both orders. */
export function pairKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
