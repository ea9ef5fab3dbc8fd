/**
 * Runs a decoder over hostile bytes: for half a second in the ordinary run (a second in CI), 5 million cases with
 * OVLTUN_LONG=1, or as many as OVLTUN_FUZZ_CASES says. It begins with genuine inputs and with those that a tool guided by
 * coverage found, and is guided by outcomes: an input that led to a new kind of outcome is kept and changed further. What
 * fails says how it comes back.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, test } from "node:test";
import process from "node:process";
import { toHex } from "../../src/wire/bytes.ts";
import corpus from "./corpus.json" with { type: "json" };
import { INPUT_MAX, Mutator } from "./mutator.ts";

/** Inputs that a tool guided by coverage found (docs/security.md), base64, by target. */
const FOUND: Readonly<Record<string, readonly string[]>> = corpus;

/** Cases for each target; Infinity: the ordinary run, which ends by time. */
const CASES = Number(
  process.env.OVLTUN_FUZZ_CASES ?? (process.env.OVLTUN_LONG === "1" ? 5_000_000 : Infinity),
);
/** A long campaign is cut into tests of this many cases at most, each with a seed of its own. */
const PART_CASES = 250_000;
const SHORT_MS = process.env.CI ? 1000 : 500;
/** Fewest cases in the ordinary run, however slow the machine is. */
const SHORT_CASES = 200;
/** No single input may take longer, on the clock and in time of the processor: others may hold the machine up. */
const CASE_MAX_MS = 2000;
/** Nor may memory grow by more than this in a campaign. */
const GROWTH_MAX = 800 * 2 ** 20;
const LOOK_EVERY = 1024;
const OUTCOMES_MAX = 4096;
const SLAB_LEN = 2 ** 16;

export interface Target {
  readonly name: string;
  readonly genuine: readonly Uint8Array[];
  /** Cases in the long run, where each costs public-key operations and 5 million are beyond the hour. */
  readonly longCases?: number;
  /** A decoder, or a receiver in its first state: made anew for each part, so that a seed brings a failure back. */
  readonly start: () => Run;
}

/**
 * The kind of outcome, null when the input was refused, or a text that begins with REFUSED and says how. Throws where a
 * property does not hold.
 */
export type Run = (input: Uint8Array) => string | number | null;

/** Begins the outcomes of refused inputs that are of several kinds. */
export const REFUSED = "refused: ";

/** What came of a target's campaign, over all its parts. */
interface Tally {
  readonly outcomes: Set<string | number>;
  cases: number;
  accepted: number;
  /** Seconds of the processor: others may hold the machine up. */
  seconds: number;
  /** Milliseconds on the clock. */
  slowest: number;
}

const tallies: string[] = [];

/** Registers the tests of a decoder. */
export function fuzz(target: Target): void {
  const cases = CASES === Infinity ? Infinity : Math.min(CASES, target.longCases ?? Infinity);
  const parts = cases === Infinity ? 1 : Math.ceil(cases / PART_CASES);
  const tally: Tally = { outcomes: new Set(), cases: 0, accepted: 0, seconds: 0, slowest: 0 };
  for (let part = 0; part < parts; part++) {
    const name = `Hostile bytes: ${target.name}${parts === 1 ? "" : `, part ${part + 1} of ${parts}`}`;
    test(name, { timeout: 300_000 }, () => {
      const before = { ...tally };
      const seed = Number(process.env.OVLTUN_FUZZ_SEED ?? 1) * 1000 + part;
      campaign(target, seed, Math.min(cases - part * PART_CASES, PART_CASES), tally);
      const accepted = tally.accepted - before.accepted;
      assert.ok(accepted > 0, "no input was accepted: nothing behind the first check was reached");
      assert.ok(accepted < tally.cases - before.cases, "nothing was refused");
      if (part === parts - 1) tallies.push(`${target.name}: ${told(tally)}`);
    });
  }
}

/** To be called once in each file: prints how many cases ran, and how far they came. */
export function tellCases(): void {
  after(() => {
    for (const line of tallies.splice(0)) console.log(CASES === Infinity ? line : `figure: fuzzed ${line}`);
  });
}

function told({ cases, seconds, outcomes, accepted, slowest }: Tally): string {
  const many = outcomes.size < OUTCOMES_MAX ? `${outcomes.size}` : `over ${OUTCOMES_MAX}`;
  return `${cases} cases in ${seconds.toFixed(1)} s, ${(100 * accepted / cases).toFixed(1)} % accepted, ` +
    `${many} outcomes, slowest ${slowest.toFixed(1)} ms`;
}

function campaign(target: Target, seed: number, most: number, tally: Tally): void {
  const run = target.start();
  const mutator = new Mutator(target.genuine, foundFor(target), seed);
  const outcomes = new Set<string | number>();
  const memory = process.memoryUsage().rss;
  const began = performance.now();
  const beganProcessor = process.cpuUsage();
  let before = began, processor = beganProcessor;
  for (let n = 0; n < most; n++) {
    const input = mutator.next();
    let outcome: string | number | null;
    try {
      outcome = run(copied(input));
    } catch (error) {
      fail(target, input, `seed ${seed}, case ${n}: ${error instanceof Error ? error.stack : error}`);
    }
    tally.cases++;
    if (outcome !== null) {
      if (typeof outcome === "number" || !outcome.startsWith(REFUSED)) tally.accepted++;
      if (!outcomes.has(outcome) && outcomes.size < OUTCOMES_MAX) {
        outcomes.add(outcome);
        if (tally.outcomes.size < OUTCOMES_MAX) tally.outcomes.add(outcome);
        mutator.keep();
      }
    }
    const now = performance.now();
    const took = now - before;
    before = now;
    if (took > tally.slowest) tally.slowest = took;
    if (took > CASE_MAX_MS) {
      const seconds = secondsSince(processor);
      if (seconds > CASE_MAX_MS / 1000) fail(target, input, `seed ${seed}, case ${n}: took ${seconds} s`);
    }
    if (CASES === Infinity && now - began > SHORT_MS && n >= SHORT_CASES) break;
    if (n % LOOK_EVERY === 0) {
      processor = process.cpuUsage();
      const grown = process.memoryUsage().rss - memory;
      if (grown > GROWTH_MAX) fail(target, input, `memory grew by ${grown} bytes`);
    }
  }
  tally.seconds += secondsSince(beganProcessor);
}

function foundFor(target: Target): Uint8Array[] {
  return (FOUND[target.name] ?? []).map((text) => new Uint8Array(Buffer.from(text, "base64")));
}

function secondsSince(processor: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(processor);
  return (user + system) / 1e6;
}

let slab = new Uint8Array(SLAB_LEN);
let used = 0;

/**
 * A copy for good: some decoders leave views on what they were given. Many lie in one buffer, at any offset, as the
 * datagrams of a batch do; for V8 it is also ten times cheaper than a buffer each.
 */
function copied(input: Uint8Array): Uint8Array {
  if (used + INPUT_MAX > SLAB_LEN) {
    slab = new Uint8Array(SLAB_LEN);
    used = 0;
  }
  const copy = slab.subarray(used, used += input.length);
  copy.set(input);
  return copy;
}

function fail(target: Target, input: Uint8Array, what: string): never {
  assert.fail(`${target.name}, input ${toHex(input)}: ${what}`);
}
