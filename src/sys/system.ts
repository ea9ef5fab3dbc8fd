/** Time and randomness from the operating system: the real ends of the Clock and Random ports. */
import { randomBytes, randomInt } from "node:crypto";
import type { Clock, Random } from "../ports.ts";

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
};

export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  below: (limit) => randomInt(limit),
};
