/**
 * Runs a decoder over hostile bytes: for half a second in the ordinary run, 5 million cases with OVLTUN_LONG=1. Guided by
 * outcomes: an input that led to a new kind of outcome is kept and changed further. What fails says how it comes back.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import process from "node:process";
import { toHex } from "../../src/wire/bytes.ts";
import { Mutator } from "./mutator.ts";

const LONG = process.env.OVLTUN_LONG === "1";
const LONG_CASES = 5_000_000;
/** A long campaign is cut into tests of this many cases at most, each with a seed of its own. */
const PART_CASES = 250_000;
const SHORT_MS = 500;
/** Fewest cases in the ordinary run, however slow the machine is. */
const SHORT_CASES = 200;
/** No single input may take longer: a thousand times what the slowest honest one does, for machines under load. */
const CASE_MAX_MS = 2000;
/** Nor may memory grow by more than this in a campaign. */
const GROWTH_MAX = 400 * 2 ** 20;
const LOOK_EVERY = 1024;
const OUTCOMES_MAX = 4096;

export interface Target {
  readonly name: string;
  readonly genuine: readonly Uint8Array[];
  /** Cases in the long run, where each costs public-key operations; else 5 million. */
  readonly longCases?: number;
  /** Fewest cases in the ordinary run. */
  readonly shortCases?: number;
  /** The kind of outcome, null when the input was refused. Throws where a property does not hold. */
  readonly run: (input: Uint8Array) => string | number | null;
}

interface Tally {
  cases: number;
  accepted: number;
  slowest: number;
}

const tallies: string[] = [];

/** Registers the tests of a decoder. */
export function fuzz(target: Target): void {
  const cases = LONG ? target.longCases ?? LONG_CASES : Infinity;
  const parts = LONG ? Math.ceil(cases / PART_CASES) : 1;
  for (let part = 0; part < parts; part++) {
    const name = `Hostile bytes: ${target.name}${parts === 1 ? "" : `, part ${part + 1} of ${parts}`}`;
    test(name, { timeout: 300_000 }, () => {
      const seed = Number(process.env.OVLTUN_FUZZ_SEED ?? 1) * 1000 + part;
      const { cases: ran, accepted, slowest } = campaign(target, seed, Math.min(cases, PART_CASES));
      assert.ok(accepted > 0, "no input was accepted: nothing behind the first check was reached");
      assert.ok(accepted < ran, "nothing was refused");
      if (part === 0) tallies.push(`${target.name} ${parts} × ${ran} (slowest ${slowest.toFixed(1)} ms)`);
    });
  }
}

/** To be called once in each file: prints how many cases ran. */
export function tellCases(): void {
  after(() => console.log(`fuzzed: ${tallies.splice(0).join(", ")}`));
}

function campaign(target: Target, seed: number, most: number): Tally {
  const mutator = new Mutator(target.genuine, seed);
  const outcomes = new Set<string | number>();
  const tally: Tally = { cases: 0, accepted: 0, slowest: 0 };
  const least = target.shortCases ?? SHORT_CASES;
  const memory = process.memoryUsage().rss;
  const began = performance.now();
  for (let before = began; tally.cases < most; tally.cases++) {
    const input = mutator.next();
    const outcome = attempt(target, input, `seed ${seed}, case ${tally.cases}`);
    if (outcome !== null) tally.accepted++;
    if (outcome !== null && !outcomes.has(outcome) && outcomes.size < OUTCOMES_MAX) {
      outcomes.add(outcome);
      mutator.keep(input);
    }
    const now = performance.now();
    tally.slowest = Math.max(tally.slowest, now - before);
    if (now - before > CASE_MAX_MS) fail(target, input, `took ${now - before} ms`);
    before = now;
    if (!LONG && now - began > SHORT_MS && tally.cases >= least) break;
    if (tally.cases % LOOK_EVERY === 0) {
      const grown = process.memoryUsage().rss - memory;
      if (grown > GROWTH_MAX) fail(target, input, `memory grew by ${grown} bytes`);
    }
  }
  return tally;
}

function attempt(target: Target, input: Uint8Array, where: string): string | number | null {
  try {
    return target.run(input.slice());
  } catch (error) {
    return fail(target, input, `${where}: ${error instanceof Error ? error.stack : error}`);
  }
}

function fail(target: Target, input: Uint8Array, what: string): never {
  assert.fail(`${target.name}, input ${toHex(input)}: ${what}`);
}
