/**
 * The seeds of a test that is repeated for many. Two runs of the same tests side by side, one under each runtime, may share
 * them (OVLTUN_SEEDS=1/2 and 2/2, as scripts/test does): together they have every seed. Without that a run has them all.
 */

import process from "node:process";

const SHARE = process.env["OVLTUN_SEEDS"] ?? "";
/** OVLTUN_SEED=17: that one alone, as the message of a failed test names it. */
const ONLY = process.env["OVLTUN_SEED"] ?? "";

/** The seeds from `first` to `last`, both included, of this run or of the given share. */
export function seeds(last: number, first = 1, share = SHARE, only = ONLY): number[] {
  if (only !== "") return [Number(only)];
  const all = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  return share === "" ? all : all.filter((seed) => shareOf(seed) === share);
}

// By the parity of its bits (Thue and Morse): each half has seeds of every remainder, by which tests vary conditions, and
// of every three in a row at least one.
function shareOf(seed: number): "1/2" | "2/2" {
  let odd = false;
  for (let bits = seed; bits !== 0; bits >>>= 1) odd = odd !== ((bits & 1) === 1);
  return odd ? "1/2" : "2/2";
}

/** The same for the cases of a fast-check property: of two runs that share them each has half, from a seed of its own. */
export function cases(numRuns: number, seed: number, share = SHARE): { numRuns: number; seed: number } {
  if (share === "") return { numRuns, seed };
  return { numRuns: Math.ceil(numRuns / 2), seed: share === "1/2" ? seed : seed + 10_000 };
}
