/**
 * Which offloads are in use, and why the others are not: switched off, unknown to the kernel, failed at the self-test,
 * refused later. The machine tests them over the real devices, before the node carries traffic.
 */
import type { Offload, Offloads, OpenedTun, SelfTest, Tested, TunOffloads } from "../../ports/devices.ts";
import type { Machine } from "../../ports/machine.ts";
import { errnoName } from "../../ports/sys_error.ts";
import type { Clock } from "../../ports/time.ts";
import { logger } from "../../log/log.ts";

const OFFLOADS: readonly Offload[] = ["tso", "uso", "gso", "gro"];
const SWITCHED_OFF = "switched off";
const UNKNOWN = "unknown to this kernel";
const SELF_TEST = "self-test";

/** What the self-test said: of trains, of superframes. */
export interface SelfTests {
  readonly trains: SelfTest;
  readonly superframes: SelfTest;
}

export class OffloadState {
  /** BOUNDED: one per offload. Why it is off; the first reason stays. */
  readonly #off = new Map<Offload, string>();
  /** BOUNDED: one per offload. How often it was found not to work: at the start, and by each Worker once. */
  readonly #lost = new Map<Offload, number>();
  #tests: SelfTests = { trains: "not tested", superframes: "not tested" };

  constructor(wanted: Offloads) {
    for (const offload of OFFLOADS) if (!wanted[offload]) this.#off.set(offload, SWITCHED_OFF);
  }

  get inUse(): Offloads {
    const on = (offload: Offload) => !this.#off.has(offload);
    return { tso: on("tso"), uso: on("uso"), gso: on("gso"), gro: on("gro") };
  }

  /** Why each that is not in use is not. */
  get off(): Readonly<Partial<Record<Offload, string>>> {
    return Object.fromEntries(this.#off);
  }

  /** "gso-lost": 2 */
  get counters(): Record<string, number> {
    return Object.fromEntries(OFFLOADS.map((offload) => [`${offload}-lost`, this.#lost.get(offload) ?? 0]));
  }

  get tests(): SelfTests {
    return this.#tests;
  }

  /** The kernel never claimed to know it. */
  unknown(offload: Offload): void {
    if (!this.#off.has(offload)) this.#off.set(offload, UNKNOWN);
  }

  /** It was found not to work. True the first time. */
  lose(offload: Offload, reason: string): boolean {
    this.#lost.set(offload, (this.#lost.get(offload) ?? 0) + 1);
    if (this.#off.has(offload)) return false;
    this.#off.set(offload, reason);
    return true;
  }

  /** A Worker found out that the kernel refuses it. Each finds out for itself; people are told once. */
  refused(offload: Offload, errno: number): void {
    const name = errnoName(errno);
    if (this.lose(offload, name)) {
      logger.warn(`The kernel refuses ${offload} (${name}): slower without it from now on`);
    }
  }

  /** Takes the outcome of a self-test. */
  tested(what: keyof SelfTests, { outcome, failed }: Tested): void {
    this.#tests = { ...this.#tests, [what]: outcome };
    for (const offload of failed) {
      if (this.lose(offload, SELF_TEST)) {
        logger.warn(`The kernel failed the self-test of ${offload}: disabled, throughput will be lower`);
      }
    }
  }

  /** Tries trains on loopback. */
  testTrains({ udp, clock }: Pick<Machine, "udp" | "clock">): void {
    this.#timed("trains", clock, () => udp.test(this.inUse));
  }

  /** Tries superframes on the device, which must be up and not yet read by a Worker. Returns what it may carry. */
  testSuperframes({ devices, clock }: Pick<Machine, "devices" | "clock">, tun: OpenedTun): TunOffloads {
    if (!tun.tso) this.unknown("tso");
    if (!tun.uso) this.unknown("uso");
    this.#timed("superframes", clock, () => devices.test(tun, this.inUse));
    return { tso: this.inUse.tso, uso: this.inUse.uso };
  }

  #timed(what: keyof SelfTests, clock: Clock, test: () => Tested): void {
    const began = clock.now();
    const tested = test();
    const milliseconds = Math.round((clock.now() - began) * 10) / 10;
    logger.debug(`Self-test of ${what}: ${tested.outcome}`, { milliseconds });
    this.tested(what, tested);
  }
}
