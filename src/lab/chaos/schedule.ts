/**
 * What happens to the hosts of a chaos run, and when: a pure function of the seed. Never more than a third of the hosts is
 * down, paused, half cut off or without disk at once, and nothing happens to a host while something does, but that one with
 * a full disk may be killed and started. Soon after a split some hosts of each side leave and join anew: with few subnets
 * to choose from, two sides then give out the same one.
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

/** A cable that is broken in one direction. */
export interface Cut {
  readonly from: readonly string[];
  readonly to: readonly string[];
}

/** So many of the packets to and from these hosts are lost. */
export interface Loss {
  readonly hosts: readonly string[];
  readonly percent: number;
}

/** One thing that happens; `at` in ms from the beginning. */
export type ChaosStep =
  | { readonly at: number; readonly kind: "split"; readonly sides: readonly (readonly string[])[] }
  | { readonly at: number; readonly kind: "heal" }
  /** From now on nothing from those arrives at these, while what these send does arrive. */
  | { readonly at: number; readonly kind: "cut" } & Cut
  | { readonly at: number; readonly kind: "mend" } & Cut
  | { readonly at: number; readonly kind: "loss" } & Loss
  | { readonly at: number; readonly kind: "clear" }
  /** The host is killed, and runs with a copy of the state of another until its own start. */
  | { readonly at: number; readonly kind: "clone"; readonly host: string; readonly of: string }
  | { readonly at: number; readonly kind: HostStep; readonly host: string };

/** The most sides of a split. */
export const MAX_SIDES = 3;
const FIRST_AT = 500;
/** Between two events that have nothing to do with each other. */
const PAUSE = [300, 1500] as const;
const SPLIT = [6000, 15_000] as const;
/** How many splits heal in one direction first, and for how long. */
const HALF_HEALED = 0.3;
const HALF = [1500, 8000] as const;
/** From a split to the hosts that leave and join anew, so that each side has noticed that it is alone. */
const REJOIN_AFTER = [1000, 3000] as const;
/** One host of so many leaves. */
const BIG_SIDE = 4;
const ENOUGH = 2;
const DOWN = [300, 5000] as const;
const PAUSED = [300, 9000] as const;
const FULL = [2000, 9000] as const;
/** A host with a full disk is killed so long after; it is full for longer then. */
const FULL_KILLED = [500, 2000] as const;
const FULL_RESTARTED = [2500, 3500] as const;
const FULL_FOR_RESTART = [7000, 9000] as const;
const LEFT = [300, 1000] as const;
const CUT = [1500, 12_000] as const;
const LOSS = [3000, 10_000] as const;
const PERCENTS = [5, 10, 20, 30] as const;
/** Longer than it takes a copy to start and to be refused by whoever is asked last. */
const CLONED = [7000, 8000] as const;
/** What a host gets to come back before something else happens to it. */
const RECOVERY_MS = 4000;
const UNSPLIT_WEIGHTS = {
  split: 35,
  kill: 20,
  pause: 15,
  fill: 10,
  copy: 8,
  leave: 5,
  cut: 15,
  loss: 10,
  clone: 12,
} as const;
const SPLIT_WEIGHTS = { kill: 30, pause: 20, fill: 15, copy: 15, leave: 15, cut: 10, loss: 8 } as const;
/** What must not begin while a copied state runs: its original is to be reachable for all. */
const PARTING: ReadonlySet<string> = new Set(["split", "cut", "loss"]);

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
  #cutUntil = 0;
  #lossUntil = 0;
  #cloneUntil = 0;
  /** A copy waits until what parts hosts is over, and nothing else of that kind begins. */
  #cloneWanted = false;

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
    const whole = this.#sides.length === 1;
    const drawn = whole ? this.#dice.weigh(UNSPLIT_WEIGHTS) : this.#dice.weigh(SPLIT_WEIGHTS);
    const kind = this.#cloneWanted && whole && now >= this.#clearFrom ? "clone" : drawn;
    if (PARTING.has(kind) && (this.#cloneWanted || now < this.#cloneUntil)) return;
    if (kind === "split") return this.#split(now);
    if (kind === "loss") return this.#loss(now);
    const calm = this.#calm(now);
    if (kind === "copy") {
      // Of half of them at once: else what is restored is seldom old.
      for (const host of calm) if (this.#dice.next() < 0.5) this.#copy(host, now);
      return;
    }
    if (this.#hosts.length - calm.length >= Math.ceil(this.#hosts.length / 3)) return;
    if (calm.length === 0) return;
    const host = this.#dice.pick(calm);
    switch (kind) {
      case "kill": {
        const restores = this.#copied.has(host) && this.#dice.next() < 0.5;
        return this.#trouble(host, [kind, restores ? "restore" : "start"], now, this.#dice.between(...DOWN));
      }
      case "pause":
        return this.#trouble(host, [kind, "resume"], now, this.#dice.between(...PAUSED));
      case "fill":
        return this.#fill(host, now);
      case "cut":
        return this.#cut(host, now);
      case "clone":
        return this.#clone(host, calm, now);
      case "leave":
        if (this.#hasCompany(host, now)) this.#leave(host, now);
    }
  }

  /** Since when all reach all, as far as is planned. */
  get #clearFrom(): number {
    return Math.max(this.#splitUntil, this.#cutUntil, this.#lossUntil) + RECOVERY_MS;
  }

  #fill(host: string, now: number): void {
    const restarts = this.#dice.next() < 0.5;
    if (restarts) {
      this.#add({ at: now + this.#dice.between(...FULL_KILLED), kind: "kill", host });
      this.#add({ at: now + this.#dice.between(...FULL_RESTARTED), kind: "start", host });
    }
    const takes = restarts ? this.#dice.between(...FULL_FOR_RESTART) : this.#dice.between(...FULL);
    this.#trouble(host, ["fill", "empty"], now, takes);
  }

  /** It is not heard, or does not hear: by one other, or by all. */
  #cut(host: string, now: number): void {
    const all = this.#hosts.filter((other) => other !== host);
    const others = this.#dice.next() < 0.5 ? all : [this.#dice.pick(all)];
    const cut = this.#dice.next() < 0.5 ? { from: [host], to: others } : { from: others, to: [host] };
    const until = now + this.#dice.between(...CUT);
    this.#add({ at: now, kind: "cut", ...cut });
    this.#add({ at: until, kind: "mend", ...cut });
    this.#cutUntil = Math.max(this.#cutUntil, until);
    this.#busyUntil.set(host, until + RECOVERY_MS);
  }

  /** Of what all send, or one. */
  #loss(now: number): void {
    if (now < this.#lossUntil) return;
    const hosts = this.#dice.next() < 0.5 ? this.#hosts : [this.#dice.pick(this.#hosts)];
    const percent = this.#dice.pick(PERCENTS);
    this.#lossUntil = now + this.#dice.between(...LOSS);
    this.#add({ at: now, kind: "loss", hosts, percent });
    this.#add({ at: this.#lossUntil, kind: "clear" });
  }

  /** Only where all can reach the original: else nobody could tell which of the two is the copy. */
  #clone(host: string, calm: readonly string[], now: number): void {
    const originals = calm.filter((other) => other !== host);
    this.#cloneWanted = originals.length === 0 || now < this.#clearFrom;
    if (this.#cloneWanted) return;
    const of = this.#dice.pick(originals);
    const takes = this.#dice.between(...CLONED);
    this.#add({ at: now, kind: "clone", host, of });
    this.#add({ at: now + takes, kind: "start", host });
    this.#cloneUntil = now + takes;
    for (const busy of [host, of]) this.#busyUntil.set(busy, this.#cloneUntil + RECOVERY_MS);
  }

  #split(now: number): void {
    const sides = this.#sidesOf(this.#dice.shuffle(this.#hosts));
    this.#splitUntil = now + this.#dice.between(...SPLIT);
    this.#sides = sides;
    this.#add({ at: now, kind: "split", sides });
    if (this.#dice.next() < HALF_HEALED) this.#healHalf(sides);
    this.#add({ at: this.#splitUntil, kind: "heal" });
    const rejoinAt = now + this.#dice.between(...REJOIN_AFTER);
    for (const side of sides) {
      const calm = side.filter((host) => this.#isCalm(host, rejoinAt) && this.#hasCompany(host, rejoinAt));
      const leaving = this.#dice.shuffle(calm).slice(0, Math.ceil(side.length / BIG_SIDE));
      for (const host of leaving) this.#leave(host, rejoinAt);
    }
  }

  /** At the end of the split, one side is heard by the others before it hears them. */
  #healHalf(sides: readonly (readonly string[])[]): void {
    const heard = this.#dice.pick(sides);
    const cut = { from: sides.filter((side) => side !== heard).flat(), to: heard };
    const until = this.#splitUntil + this.#dice.between(...HALF);
    this.#add({ at: this.#splitUntil, kind: "cut", ...cut });
    this.#add({ at: until, kind: "mend", ...cut });
    this.#cutUntil = Math.max(this.#cutUntil, until);
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
