/**
 * The time of a town: events in order, a clock that stands still between them, and a network whose datagrams are events,
 * too. Promises are kept before time goes on.
 */
import assert from "node:assert/strict";
import { configureLog } from "../../src/log/log.ts";
import { type Datagram, LossyNetwork } from "../fakes/lossy_network.ts";
import { ManualClock } from "../fakes/manual_clock.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";

const LOG_SHOWN = 40;
/** What is waited for is looked at so often. */
const LOOK_MS = 100;

interface Event {
  readonly at: number;
  readonly act: () => void;
}

export abstract class Clockwork {
  readonly clock = new ManualClock();
  readonly random: SeededRandom;
  readonly network: LossyNetwork;
  /** What all daemons logged. */
  readonly log: string[] = [];
  /** What names resolve to. */
  readonly names = new Map<string, readonly string[]>();
  /** Whose daemon acts, for the log. */
  acting = "";
  /** BOUNDED: by the daemons' timers and what their data planes have to say. */
  readonly #events = new Set<Event>();
  /** A promise was resolved: whoever waits for it goes on before time does. */
  #stirred = false;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.network = new LossyNetwork(this.random, { latency: [0.2, 1] });
    configureLog("info", "text", (line) => void this.log.push(`${this.acting}: ${line}`));
  }

  protected abstract deliver(datagram: Datagram): void;

  /** Listens on the network from now on; the call that it returns gives what was sent, and stops. */
  tap(): () => readonly Uint8Array[] {
    const heard: Uint8Array[] = [];
    this.network.rewrite = ({ bytes }) => {
      heard.push(bytes);
      return bytes;
    };
    return () => {
      this.network.rewrite = null;
      return heard;
    };
  }

  /** Lets `act` happen in `ms`. Returns what calls it off. */
  after(ms: number, act: () => void): () => void {
    const event = { at: this.clock.now() + ms, act };
    this.#events.add(event);
    return () => void this.#events.delete(event);
  }

  /** A promise that somebody waits for. */
  promised<T>(value: T): Promise<T> {
    this.#stirred = true;
    return Promise.resolve(value);
  }

  /** Lets `ms` pass; 0: until nothing is left to do now. */
  async run(ms: number): Promise<void> {
    await this.#runUntil(() => false, ms);
  }

  /** Lets time pass until `done`; fails with `what` and the end of the log after `ms`. Returns how long it took. */
  async until(what: string, done: () => boolean, ms = 10_000): Promise<number> {
    const began = this.clock.now();
    const happened = await this.#runUntil(done, ms);
    assert.ok(happened, `${what}: not within ${ms} ms\n${this.log.slice(-LOG_SHOWN).join("")}`);
    return this.clock.now() - began;
  }

  async #runUntil(done: () => boolean, ms: number): Promise<boolean> {
    const end = this.clock.now() + ms;
    await this.#settle();
    for (let lookAt = 0;;) {
      if (this.clock.now() >= lookAt) {
        if (done()) return true;
        lookAt = this.clock.now() + LOOK_MS;
      }
      const next = this.#next();
      const arrival = this.network.nextArrival();
      if (Math.min(next?.at ?? Infinity, arrival) > end) {
        this.clock.advanceTo(end);
        return done();
      }
      if (next !== null && next.at <= arrival) {
        this.#events.delete(next);
        this.clock.advanceTo(next.at);
        next.act();
      } else {
        this.clock.advanceTo(arrival);
        this.deliver(this.network.take()!);
      }
      if (this.#stirred) await this.#settle();
    }
  }

  /** The earliest, and of those the one that was asked for first. */
  #next(): Event | null {
    let next: Event | null = null;
    for (const event of this.#events) if (next === null || event.at < next.at) next = event;
    return next;
  }

  /** Everybody who waits for a promise goes on, and on, until the next event is one of this town. */
  async #settle(): Promise<void> {
    do {
      this.#stirred = false;
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#stirred);
  }
}
