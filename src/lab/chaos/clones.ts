/**
 * Copied identities: a daemon that runs on one host of a chaos run with a copy of the state of another, whose original goes on.
 * It must find out that it is a copy, end, and say why.
 */
import type { ChaosHost } from "./chaos_host.ts";
import { seconds } from "./lease_judge.ts";
import type { Timeline } from "./timeline.ts";

/** What such a daemon says at its end, one way or the other (control/clones/clones.ts). */
const REFUSED = "is a COPY";
/** Steps that are late are done at once: a copy that had less time than this could not find out. */
const FAIR_MS = 5000;

interface Clone {
  /** The host of the original. */
  readonly of: string;
  readonly since: number;
}

export class Clones {
  readonly #timeline: Timeline;
  readonly #starvedAt: () => number;
  /** BOUNDED: one per host */
  readonly #running = new Map<string, Clone>();

  /** `starvedAt`: when hosts were last kept from running. */
  constructor(timeline: Timeline, starvedAt: () => number) {
    this.#timeline = timeline;
    this.#starvedAt = starvedAt;
  }

  /** On a host whose own daemon does not run. */
  start(host: ChaosHost, original: ChaosHost, peers: readonly string[], now: number): void {
    host.startCloneOf(original, peers);
    this.#running.set(host.name, { of: original.name, since: now });
    const text = `kill -9, and a start with a copy of the state of ${original.name}`;
    this.#timeline.note(now, "clone", text, host.name);
  }

  /** Whether one on this host has ended. */
  look(host: ChaosHost, now: number): void {
    const ended = host.takeCloneEnd();
    const clone = this.#running.get(host.name);
    if (ended === null || clone === undefined) return;
    this.#running.delete(host.name);
    const after = seconds(now - clone.since);
    if (ended.log.includes(REFUSED)) {
      return this.#timeline.note(now, "refused", `the copy of ${clone.of} ended after ${after}`, host.name);
    }
    const text = `The copy of ${clone.of} on ${host.name} ended after ${after} without saying that it is one`;
    this.#timeline.violation(now, `${text} (${ended.end})\n${ended.log}`);
  }

  /** The host is to have its own daemon again: by now there should be no other. */
  end(host: ChaosHost, now: number): void {
    this.look(host, now);
    const clone = this.#running.get(host.name);
    this.#running.delete(host.name);
    if (!host.killClone() || clone === undefined || this.#starvedAt() > clone.since) return;
    if (now - clone.since < FAIR_MS) return;
    const lasted = seconds(now - clone.since);
    const text = `A copy of ${clone.of} has run on ${host.name} for ${lasted} beside the original`;
    this.#timeline.violation(now, text);
  }
}
