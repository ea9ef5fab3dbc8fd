/**
 * What happens to the hosts of a chaos run, and when: a pure function of the seed. Never more than a third of the hosts is
 * down, paused or without disk at once, and nothing happens to a host while something does. Soon after a split some hosts
 * of each side leave and join anew: with few subnets to choose from, two sides then give out the same one.
 */
import { Dice } from "./dice.ts";

/** What is done to one host. */
export type HostStep =
  /** kill -9. */
  | "kill"
  /** With the state as it was left. */
  | "start"
  /** With the copy of its state that was made last. */
  | "restore"
  | "copy"
  /** SIGSTOP, SIGCONT. */
  | "pause"
  | "resume"
  /** Its disk, to the last byte, and again as it was. */
  | "fill"
  | "empty"
  /** down --purge; its next start is that of a new node. */
  | "leave";

/** One thing that happens; `at` in ms from the beginning. */
export type ChaosStep =
  | { readonly at: number; readonly kind: "split"; readonly sides: readonly (readonly string[])[] }
  | { readonly at: number; readonly kind: "heal" }
  | { readonly at: number; readonly kind: HostStep; readonly host: string };

/** The most sides of a split. */
export const MAX_SIDES = 3;
const FIRST_AT = 500;
/** Between two events that have nothing to do with each other. */
const PAUSE = [300, 1500] as const;
const SPLIT = [6000, 15_000] as const;
/** From a split to the hosts that leave and join anew, so that each side has noticed that it is alone. */
const REJOIN_AFTER = [1000, 3000] as const;
/** One host of so many leaves. */
const BIG_SIDE = 4;
const ENOUGH = 2;
const DOWN = [300, 5000] as const;
const PAUSED = [300, 9000] as const;
const FULL = [2000, 9000] as const;
const LEFT = [300, 1000] as const;
/** What a host gets to come back before something else happens to it. */
const RECOVERY_MS = 4000;
const UNSPLIT_WEIGHTS = { split: 40, kill: 20, pause: 15, fill: 10, copy: 10, leave: 5 } as const;
const SPLIT_WEIGHTS = { kill: 30, pause: 20, fill: 15, copy: 20, leave: 15 } as const;

/** The steps of a run in their order; all that they did is undone by the last ones, at `seconds`. */
export function chaosSchedule(hosts: readonly string[], seconds: number, seed: number): ChaosStep[] {
  return new Planner(hosts, seconds * 1000, new Dice(seed)).plan();
}

class Planner {
  readonly #hosts: readonly string[];
  readonly #end: number;
  readonly #dice: Dice;
  readonly #steps: ChaosStep[] = [];
  /** Until when something is wrong with a host, or it recovers. BOUNDED: one per host */
  readonly #busyUntil = new Map<string, number>();
  /** Hosts with a copy of their state. BOUNDED: one per host */
  readonly #copied = new Set<string>();
  #sides: readonly (readonly string[])[];
  #splitUntil = 0;

  constructor(hosts: readonly string[], end: number, dice: Dice) {
    this.#hosts = hosts;
    this.#end = end;
    this.#dice = dice;
    this.#sides = [hosts];
  }

  plan(): ChaosStep[] {
    for (let now = FIRST_AT; now < this.#end - FIRST_AT; now += this.#dice.between(...PAUSE)) {
      if (now >= this.#splitUntil) this.#sides = [this.#hosts];
      this.#next(now);
    }
    // Sorting keeps the order of what happens at one time.
    return this.#steps.sort((a, b) => a.at - b.at);
  }

  #next(now: number): void {
    const kind = this.#sides.length === 1
      ? this.#dice.weigh(UNSPLIT_WEIGHTS)
      : this.#dice.weigh(SPLIT_WEIGHTS);
    if (kind === "split") return this.#split(now);
    const calm = this.#calm(now);
    if (kind === "copy") {
      // Of half of them at once: else what is restored is seldom old.
      for (const host of calm) if (this.#dice.next() < 0.5) this.#copy(host, now);
      return;
    }
    if (this.#hosts.length - calm.length >= Math.ceil(this.#hosts.length / 3)) return;
    if (calm.length === 0) return;
    const host = this.#dice.pick(calm);
    if (kind === "kill") {
      const restores = this.#copied.has(host) && this.#dice.next() < 0.5;
      this.#trouble(host, [kind, restores ? "restore" : "start"], now, this.#dice.between(...DOWN));
    } else if (kind === "pause") {
      this.#trouble(host, [kind, "resume"], now, this.#dice.between(...PAUSED));
    } else if (kind === "fill") {
      this.#trouble(host, [kind, "empty"], now, this.#dice.between(...FULL));
    } else if (this.#hasCompany(host, now)) this.#leave(host, now);
  }

  #split(now: number): void {
    const sides = this.#sidesOf(this.#dice.shuffle(this.#hosts));
    this.#splitUntil = now + this.#dice.between(...SPLIT);
    this.#sides = sides;
    this.#add({ at: now, kind: "split", sides });
    this.#add({ at: this.#splitUntil, kind: "heal" });
    const rejoinAt = now + this.#dice.between(...REJOIN_AFTER);
    for (const side of sides) {
      const calm = side.filter((host) => this.#isCalm(host, rejoinAt) && this.#hasCompany(host, rejoinAt));
      const leaving = this.#dice.shuffle(calm).slice(0, Math.ceil(side.length / BIG_SIDE));
      for (const host of leaving) this.#leave(host, rejoinAt);
    }
  }

  /** Mostly of two hosts and more each: one alone has nobody whom it could ask for a lease. */
  #sidesOf(order: readonly string[]): string[][] {
    const count = order.length >= 3 * ENOUGH && this.#dice.next() < 0.25 ? MAX_SIDES : 2;
    const least = order.length >= count * ENOUGH && this.#dice.next() < 0.8 ? ENOUGH : 1;
    const sides: string[][] = [];
    for (let from = 0; sides.length < count; from += sides.at(-1)!.length) {
      const others = count - sides.length - 1;
      const size = others === 0
        ? order.length - from
        : this.#dice.between(least, order.length - from - others * least);
      sides.push(order.slice(from, from + size));
    }
    return sides;
  }

  #leave(host: string, now: number): void {
    // A copy of what it was belongs to a node that has left for good.
    this.#copied.delete(host);
    this.#trouble(host, ["leave", "start"], now, this.#dice.between(...LEFT));
  }

  #copy(host: string, now: number): void {
    this.#copied.add(host);
    this.#add({ at: now, kind: "copy", host });
  }

  #trouble(host: string, [begin, end]: readonly [HostStep, HostStep], now: number, takes: number): void {
    this.#add({ at: now, kind: begin, host });
    this.#add({ at: now + takes, kind: end, host });
    this.#busyUntil.set(host, now + takes + RECOVERY_MS);
  }

  #add(step: ChaosStep): void {
    this.#steps.push({ ...step, at: Math.min(step.at, this.#end) });
  }

  /** Whether there is another on its side to whom nothing happens, and who can hear what it says. */
  #hasCompany(host: string, now: number): boolean {
    const side = this.#sides.find((side) => side.includes(host))!;
    return side.some((other) => other !== host && this.#isCalm(other, now));
  }

  #calm(now: number): string[] {
    return this.#hosts.filter((host) => this.#isCalm(host, now));
  }

  #isCalm(host: string, now: number): boolean {
    return now >= (this.#busyUntil.get(host) ?? 0);
  }
}
