/**
 * What is true of the hosts of a chaos run, as the lab itself made it: which run, on which side, and since when two of
 * them could talk to each other. What the daemons say is judged by it (lease_judge.ts, flow_judge.ts). Times are ms.
 */

/** How two hosts came to be connected: one of them began to run, or a split healed. */
export interface Connection {
  readonly since: number;
  readonly by: "start" | "heal";
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
  /** Since when two hosts are on one side; absent while they are not. BOUNDED: one per pair */
  readonly #together = new Map<string, number>();
  readonly names: readonly string[];

  /** All on one side, none running. */
  constructor(names: readonly string[], now: number) {
    this.names = names;
    for (const name of names) this.#hosts.set(name, { side: 0, running: false, paused: false, since: now });
    this.#regroup(now);
  }

  /** Returns the pairs that are not where they were: on one side before and after. */
  split(sides: readonly (readonly string[])[], now: number): [string, string][] {
    const before = new Set(this.#together.keys()); // BOUNDED: one per pair
    sides.forEach((side, i) => side.forEach((name) => this.#host(name).side = i));
    this.#regroup(now);
    return this.#pairs().filter(([a, b]) =>
      !(before.has(pairKey(a, b)) && this.#together.has(pairKey(a, b)))
    );
  }

  heal(now: number): [string, string][] {
    return this.split([this.names], now);
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

  #regroup(now: number): void {
    for (const [a, b] of this.#pairs()) {
      const key = pairKey(a, b);
      if (this.sideOf(a) !== this.sideOf(b)) this.#together.delete(key);
      else if (!this.#together.has(key)) this.#together.set(key, now);
    }
  }
}

/** The same for both orders. */
export function pairKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
