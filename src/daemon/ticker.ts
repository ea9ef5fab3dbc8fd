/**
 * When a daemon's next tick comes. The control plane says when it is due (control/node/due_steps.ts); what happens on the host, or
 * waits for it, brings one sooner. There is one timer, set anew after each event: at rest the process wakes up when there is
 * something to do.
 */
import type { Clock, Timers } from "../ports/time.ts";

/** From one tick to the next at the soonest, when it is the host that wants one. */
const TICK_MS = 100;
/**
 * How often the host is asked whether something changed there, where nothing tells. Else it is asked with each tick, and once so
 * long after it was told: a Worker does not say what follows at once (HOST_STIRS_MS in machine/worker.ts).
 */
const HOST_LOOK_MS = 250;
/** An alarm that comes so much too early is not put off: that is cheaper than to set another. */
const EARLY_MS = 50;

/** What it goes by, and what it does. */
export interface Ticking {
  /** When the control plane wants the next tick. */
  dueAt(): number;
  /** From when on something of the host waits for a tick; Infinity: nothing does. */
  hostWaitsFrom(): number;
  /** Whether something changed on the host since this was asked last. */
  hostChanged(): boolean;
  /** Whether a Worker says when something happens there. */
  readonly hostTells: boolean;
  tick(hostChanged: boolean): void;
}

export class Ticker {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #of: Ticking;
  #alarmAt = Infinity;
  #callOff = (): void => {};
  #tickedAt = -Infinity;
  #hostLookAt: number;
  /** Something changed on the host, of which the next tick is to tell. */
  #hostStirs = false;

  constructor({ clock, timers }: { readonly clock: Clock; readonly timers: Timers }, of: Ticking) {
    this.#clock = clock;
    this.#timers = timers;
    this.#of = of;
    this.#hostLookAt = of.hostTells ? Infinity : -Infinity;
  }

  /** A Worker has seen that something happens on the host. */
  hostStirs(): void {
    this.#hostStirs ||= this.#of.hostChanged();
    this.#hostLookAt = Math.min(this.#hostLookAt, this.#clock.now() + HOST_LOOK_MS);
  }

  /** To be called after each event, which may have brought the next tick nearer, or put it off; `ring` is to call `wake`. */
  set(ring: () => void): void {
    const now = this.#clock.now();
    const at = Math.max(now, Math.min(this.#tickAt(), this.#hostLookAt));
    if (at >= this.#alarmAt && at < this.#alarmAt + EARLY_MS) return;
    this.#callOff();
    this.#callOff = () => {};
    this.#alarmAt = at;
    if (at === Infinity) return; // this life has ended; a timer for ever would ring at once
    this.#callOff = this.#timers.after(Math.ceil(at - now), () => {
      this.#alarmAt = Infinity;
      ring();
    });
  }

  /** Does what is due. */
  wake(): void {
    const now = this.#clock.now();
    if (now >= this.#hostLookAt) {
      this.#hostLookAt = this.#of.hostTells ? Infinity : now + HOST_LOOK_MS;
      this.#hostStirs ||= this.#of.hostChanged();
    }
    if (now < this.#tickAt()) return;
    this.#tickedAt = now;
    const changed = this.#of.hostChanged() || this.#hostStirs;
    if (!this.#of.hostTells) this.#hostLookAt = now + HOST_LOOK_MS;
    this.#hostStirs = false;
    this.#of.tick(changed);
  }

  close(): void {
    this.#callOff();
  }

  #tickAt(): number {
    const waitsFrom = this.#hostStirs ? -Infinity : this.#of.hostWaitsFrom();
    return Math.min(Math.max(this.#tickedAt + TICK_MS, waitsFrom), this.#of.dueAt());
  }
}
