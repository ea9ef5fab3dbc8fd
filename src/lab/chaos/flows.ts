/**
 * The flows of a chaos run and what they show: that nothing is lost where nothing happens (flow_judge.ts), and how soon hosts
 * reach each other after a healing (contact.ts).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ContactWatch } from "./contact.ts";
import { FlowJudge, LOST_AFTER_MS } from "./flow_judge.ts";
import { seconds } from "./lease_judge.ts";
import { Prober } from "./prober.ts";
import type { ChaosScene } from "./scene.ts";
import type { World } from "./world.ts";

const RECEIVE_MS = 25;
/** Hosts that are connected and undisturbed reach each other by then, after whatever healed. */
const REACHED_MS = 20_000;

/** What the healings of a run came to: the slowest of each. */
export interface Contacts {
  readonly healings: number;
  /** Until the first pair of a healing reached each other, and until the last. */
  readonly firstSeconds: number;
  readonly allSeconds: number;
}

export class Flows {
  readonly #judge = new FlowJudge();
  readonly #contact = new ContactWatch();
  readonly #scene: ChaosScene;
  readonly #prober: Prober;
  #healings = 0;
  #firstMs = 0;
  #allMs = 0;

  constructor(scene: ChaosScene, world: World) {
    this.#scene = scene;
    this.#prober = new Prober(scene.hosts.map(({ host }) => host), world, {
      sent: (number, from, to, now) => this.#judge.sent(number, from, to, now),
      answered: (number, from, to, now) => {
        this.#judge.answered(number, from, to, now);
        this.#contact.answered(from, to, now);
      },
    });
  }

  get counts(): FlowJudge["counts"] {
    return { ...this.#judge.counts };
  }

  get contacts(): Contacts {
    const rounded = (ms: number) => Math.round(ms) / 1000;
    return {
      healings: this.#healings,
      firstSeconds: rounded(this.#firstMs),
      allSeconds: rounded(this.#allMs),
    };
  }

  /** As FlowJudge.disturb. */
  disturb(a: string, b: string | null, now: number, from = now): void {
    this.#judge.disturb(a, b, now, from);
    this.#contact.disturb(a, b);
  }

  /** A host was kept from running. */
  starved(host: string, now: number): void {
    this.#judge.disturb(host, null, now);
    this.#contact.excuse(host);
  }

  /** These pairs hear each other from now on. */
  healed(pairs: readonly (readonly [string, string])[], now: number): void {
    this.#contact.healed(pairs, now);
  }

  /** Sends what is due to `addresses`, by host, and tells what turned out. */
  step(addresses: ReadonlyMap<string, string>, now: number): void {
    this.#prober.step(addresses, now);
    this.#tell(now);
  }

  /** No more echoes; judges those that are still on their way. */
  async conclude(): Promise<void> {
    for (const end = performance.now() + LOST_AFTER_MS; performance.now() < end; await sleep(RECEIVE_MS)) {
      this.#prober.receive(performance.now());
      if (!this.#judge.mayStillAnswer(performance.now())) break;
      this.#scene.stop.throwIfAborted();
    }
    this.#tell(performance.now(), true);
  }

  close(): void {
    this.#prober.close();
  }

  #tell(now: number, atEnd = false): void {
    const { timeline } = this.#scene;
    for (const { from, to, count, since } of this.#judge.judge(now, atEnd)) {
      const what = count === 1 ? "an echo" : `${count} echoes in a row`;
      const at = seconds(timeline.at(since));
      timeline.violation(
        now,
        `${from} → ${to} lost ${what}, sent at ${at}, though nothing happened to either`,
      );
    }
    for (const { pair, ms } of this.#contact.late(REACHED_MS, now)) {
      timeline.violation(now, `${pair.join(" and ")} do not reach each other, connected for ${seconds(ms)}`);
    }
    for (const { firstMs, allMs, pairs, last, excused } of this.#contact.take()) {
      if (!excused) {
        this.#healings++;
        this.#firstMs = Math.max(this.#firstMs, firstMs);
        this.#allMs = Math.max(this.#allMs, allMs);
      }
      const whole = pairs === 1
        ? ""
        : `, all ${pairs} pairs after ${seconds(allMs)} (last: ${last.join(" and ")})`;
      const busy = excused ? ", on busy processors" : "";
      timeline.note(now, "contact", `first answer ${seconds(firstMs)} after the healing${whole}${busy}`);
    }
  }
}
