/** Time and randomness from the operating system: the real ends of the Clock, Random and Timers ports. */
import { randomBytes, randomInt } from "node:crypto";
import type { Clock, Random, Timers } from "../ports/time.ts";

export const systemClock: Clock = {
  // With timeOrigin, so that the Worker and the main thread, which start at different times, agree.
  now: () => performance.timeOrigin + performance.now(),
  wall: () => Date.now(),
};

export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  below: (limit) => randomInt(limit),
};

/** Has the runtime give back what nothing refers to any more, where it lets itself be told so (Bun). Takes tens of milliseconds. */
export function collectGarbage(): void {
  (globalThis as { Bun?: { gc(force: boolean): void } }).Bun?.gc(true);
}

export const systemTimers: Timers = {
  after: (milliseconds, act) => {
    const timer = setTimeout(act, milliseconds);
    return () => clearTimeout(timer);
  },
  every: (milliseconds, act) => {
    const timer = setInterval(act, milliseconds);
    return () => clearInterval(timer);
  },
};
