/**
 * One chaos run from the formed mesh to the last look: the steps at their times, and between them turns in which everything
 * is looked at.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Status } from "../../api/schema.ts";
import { disagreements, isWhole, whatLacks } from "../formation.ts";
import { Checks } from "./checks.ts";
import { seconds } from "./lease_judge.ts";
import type { ChaosScene } from "./scene.ts";
import type { ChaosStep } from "./schedule.ts";
import { Steps } from "./steps.ts";

const TURN_MS = 25;
const SETTLE_LOOK_MS = 250;
/** How long the mesh gets, after all was healed, until all have a path to all. */
const SETTLE_MS = 40_000;
const SETTLE_PER_HOST_MS = 1000;
/** So much more after the hosts were last kept from running, and in all. */
const STARVED_MS = 20_000;
const LONGEST_MS = 120_000;

export class ChaosRun {
  readonly checks: Checks;
  readonly #scene: ChaosScene;
  readonly #steps: Steps;

  /** All hosts of the scene run and are one mesh. `probationMs`: of a claim there. */
  constructor(scene: ChaosScene, probationMs: number) {
    this.#scene = scene;
    this.checks = new Checks(scene, probationMs);
    this.#steps = new Steps(scene, this.checks);
  }

  /** How often each kind of step was done. */
  get done(): Readonly<Record<string, number>> {
    return this.#steps.done;
  }

  close(): void {
    this.checks.close();
  }

  /** Performs the steps; ends at `endMs`, counted from now. */
  async perform(steps: readonly ChaosStep[], endMs: number): Promise<void> {
    const began = performance.now();
    let next = 0;
    for (;;) {
      const now = await this.#turn();
      while (next < steps.length && steps[next]!.at <= now - began) this.#steps.perform(steps[next++]!, now);
      if (now - began >= endMs && next === steps.length) return;
    }
  }

  /** Heals all that is left and waits until all have a path to all. Null: they have not, which is a violation. */
  async settle(): Promise<Status[] | null> {
    await this.#whileTurning(this.#steps.settled());
    const { hosts, timeline } = this.#scene;
    const began = performance.now();
    timeline.note(began, "healed", "all run on one side");
    this.#steps.restart(began);
    const until = began + SETTLE_MS + hosts.length * SETTLE_PER_HOST_MS;
    for (;;) {
      await this.#whileTurning(this.#steps.forgetDeparted());
      const statuses = await this.#whileTurning(Promise.all(hosts.map((host) => host.status())));
      const lacks = this.#lacks(statuses);
      const now = performance.now();
      if (lacks.length === 0) {
        timeline.note(
          now,
          "whole",
          `all have paths to all and agree, ${seconds(now - began)} after the last healing`,
        );
        return statuses as Status[];
      }
      if (now > until && now > this.checks.starvedAt + STARVED_MS || now > until + LONGEST_MS) {
        timeline.violation(
          now,
          `Not whole ${seconds(now - began)} after the last healing:\n${lacks.join("\n")}`,
        );
        return null;
      }
      await this.#whileTurning(sleep(SETTLE_LOOK_MS));
    }
  }

  /** Lets a little time pass, and looks at everything. Throws when the lab is to stop. */
  async #turn(): Promise<number> {
    await sleep(TURN_MS);
    this.#scene.stop.throwIfAborted();
    const now = performance.now();
    this.#steps.lookForEnds(now);
    this.checks.step(now);
    return now;
  }

  async #whileTurning<T>(work: Promise<T>): Promise<T> {
    let pending = true;
    const settled = work.finally(() => pending = false);
    settled.catch(() => {}); // awaited below
    while (pending) await this.#turn();
    return await settled;
  }

  #lacks(statuses: readonly (Status | null)[]): string[] {
    const others = statuses.length - 1;
    const lacks = statuses.flatMap((status, i) => {
      if (status !== null && isWhole(status, others)) return [];
      return [`${this.#scene.hosts[i]!.name}${whatLacks(status)}`];
    });
    if (lacks.length > 0) return lacks;
    if (this.checks.inConflict) return ["two hosts hold one subnet"];
    return disagreements(statuses.filter((status) => status !== null));
  }
}
