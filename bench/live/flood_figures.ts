/** The figures of a long flood, as they stand in its JSON: null where there is nothing to measure. */
import { readFileSync } from "node:fs";
import { type Collection, mostWithin } from "./collections.ts";
import type { Comparison } from "./figures.ts";

/** The window in which collections are counted, seconds. */
const WINDOW = 10;

export interface MemorySample {
  /** Since the flood began, after the warm-up. */
  readonly seconds: number;
  /** Resident, 10⁶ bytes. */
  readonly mb: number;
}

/** Collections of one kind of thread during the flood. */
export interface Collections {
  readonly minor: number;
  readonly major: number;
  /** The most minor ones in any 10 seconds in a row. */
  readonly minorIn10s: number;
}

/** One daemon. */
export interface HostFlood {
  readonly host: "a" | "b";
  readonly memory: readonly MemorySample[];
  /** From the first sample to the last. */
  readonly growthPercent: number;
  /** Null for programs that have no heap to tell of. */
  readonly worker: Collections | null;
  readonly main: Collections | null;
}

export interface FloodResult {
  readonly name: string;
  readonly version: string;
  readonly mbit: number;
  readonly bytes: number;
  readonly retransmits: number;
  readonly retransmitsPerGb: number;
  /** None for what the kernel does. */
  readonly hosts: readonly HostFlood[];
  readonly foreignPercent: number;
  readonly stolenPercent: number;
}

export interface Flood extends Pick<Comparison, "date" | "machine"> {
  readonly flood: 1;
  readonly minutes: number;
  readonly systems: readonly FloodResult[];
}

/** Null when the file holds something else. */
export function readFlood(file: string): Flood | null {
  const flood = JSON.parse(readFileSync(file, "utf8")) as Flood;
  return flood.flood === 1 ? flood : null;
}

/** From the first sample to the last; 0 where there are not two. */
export function growthPercent(memory: readonly MemorySample[]): number {
  const [first, last] = [memory[0], memory.at(-1)];
  if (first === undefined || last === undefined || first.mb === 0) return 0;
  return 100 * (last.mb - first.mb) / first.mb;
}

/** Of those between two moments, in seconds, in Workers or in the main thread. */
export function countCollections(
  collections: readonly Collection[],
  worker: boolean,
  { from, to }: { readonly from: number; readonly to: number },
): Collections {
  const during = collections.filter((one) => one.worker === worker && one.at >= from && one.at <= to);
  const minor = during.filter((one) => one.minor).map((one) => one.at);
  return { minor: minor.length, major: during.length - minor.length, minorIn10s: mostWithin(minor, WINDOW) };
}

/**
 * Retransmits per gigabyte as a multiple of kernel VXLAN's in the same run. 0 where the system had none, whatever
 * the kernel had. Null where there is no multiple: the kernel was not measured, or had none while the system had.
 */
export function timesKernel(flood: Flood, result: FloodResult): number | null {
  const kernel = flood.systems.find(({ name }) => name === "kernel-vxlan");
  if (kernel === undefined) return null;
  if (result.retransmitsPerGb === 0) return 0;
  return kernel.retransmitsPerGb === 0 ? null : result.retransmitsPerGb / kernel.retransmitsPerGb;
}
