/**
 * Keeps other programs out of the figures: a measurement begins when they are quiet, and is repeated when they
 * took the processors beside it; of several the least disturbed is kept, with the share that was not ours.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Usage, usageBetween, usageOf } from "./usage.ts";

/** Of all processors' time: more than this belongs to others, and the figure to nobody. */
const NOISE_PERCENT = 3;
const QUIET_MS = 500;

export interface Measured<T> {
  readonly result: T | null;
  readonly usage: Usage;
  readonly foreignPercent: number;
}

/** Measures once, and again while it was disturbed and `patienceMs` have not passed. */
export async function undisturbed<T>(
  pids: readonly number[],
  patienceMs: number,
  transfer: () => Promise<T | null>,
): Promise<Measured<T>> {
  const end = performance.now() + patienceMs;
  let best: Measured<T> | null = null;
  do {
    await awaitQuiet(pids, end);
    const before = usageOf(pids);
    const result = await transfer();
    const usage = usageBetween(before, usageOf(pids));
    const foreignPercent = foreignShare(usage);
    if (best === null || foreignPercent < best.foreignPercent) best = { result, usage, foreignPercent };
  } while (best.foreignPercent > NOISE_PERCENT && performance.now() < end);
  return best;
}

async function awaitQuiet(pids: readonly number[], end: number): Promise<void> {
  while (performance.now() + QUIET_MS < end) {
    const before = usageOf(pids);
    await sleep(QUIET_MS);
    if (foreignShare(usageBetween(before, usageOf(pids))) < NOISE_PERCENT) return;
  }
}

function foreignShare({ foreignSeconds, machineSeconds }: Usage): number {
  return machineSeconds === 0 ? 0 : 100 * foreignSeconds / machineSeconds;
}
