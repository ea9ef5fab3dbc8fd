/** Time and randomness from the operating system: the real ends of the Clock and Random ports. */
import { randomBytes, randomInt } from "node:crypto";
import type { Clock, Random } from "../ports/time.ts";

export const systemClock: Clock = {
  // With timeOrigin, so that the Worker and the main thread, which start at different times, agree.
  now: () => performance.timeOrigin + performance.now(),
  wall: () => Date.now(),
};

export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  below: (limit) => randomInt(limit),
};
