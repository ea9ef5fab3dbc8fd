/** The figures of a comparison, as they stand in its JSON: null where a system gave none. */
import { readFileSync } from "node:fs";

/** What one round of one system yields. Append only: old files stay readable. */
export const FIGURES = [
  "tcp1Mbit",
  "tcp1RetransmitsPerGb",
  "tcp1TunnelCpuPerGb",
  "tcp1MachineCpuPerGb",
  "tcp4Mbit",
  "tcp4RetransmitsPerGb",
  "tcp4TunnelCpuPerGb",
  "tcp4MachineCpuPerGb",
  "udp1300Mbit",
  "udp1300Pps",
  "udp1300TunnelCpuPerGb",
  "udp1300MachineCpuPerGb",
  "udp64Mbit",
  "udp64Pps",
  "idleRttMinUs",
  "idleRttMedianUs",
  "idleRttP99Us",
  "loadedRttMedianUs",
  "loadedRttP99Us",
  "loadedLostPercent",
  "floodRttMedianUs",
  "floodRttP99Us",
  "floodLostPercent",
  "idleResidentMb",
  "loadedResidentMb",
  "foreignPercent",
  "stolenPercent",
] as const;

export type FigureName = typeof FIGURES[number];
export type Figures = Readonly<Record<FigureName, number | null>>;

export interface SystemResult {
  readonly name: string;
  readonly version: string;
  readonly rounds: readonly Figures[];
  readonly median: Figures;
}

export interface Comparison {
  readonly format: 1;
  readonly date: string;
  readonly machine: {
    readonly processors: number;
    readonly model: string;
    readonly kernel: string;
    readonly memoryGb: number;
  };
  /** Of each transfer. */
  readonly seconds: number;
  readonly rounds: number;
  readonly systems: readonly SystemResult[];
}

/** Throws when it is none of ours. */
export function readComparison(file: string): Comparison {
  const comparison = JSON.parse(readFileSync(file, "utf8")) as Comparison;
  if (comparison.format !== 1) throw new Error(`"${file}" holds no comparison of scripts/bench`);
  return comparison;
}

export function figureOf(comparison: Comparison, system: string, name: FigureName): number | null {
  return comparison.systems.find((result) => result.name === system)?.median[name] ?? null;
}

/** Of what is there; null when nothing is. */
function median(values: readonly (number | null)[]): number | null {
  const sorted = values.filter((value) => value !== null).sort((x, y) => x - y);
  if (sorted.length === 0) return null;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function medians(rounds: readonly Figures[]): Figures {
  const entries = FIGURES.map((name) => [name, median(rounds.map((round) => round[name] ?? null))]);
  return Object.fromEntries(entries) as Figures;
}

/** How far the rounds lie apart, in percent of their median: what a difference must exceed to mean something. */
export function spreadPercent(result: SystemResult, name: FigureName): number | null {
  const values = result.rounds.map((round) => round[name]).filter((value) => value !== null);
  const middle = result.median[name];
  if (values.length < 2 || middle === null || middle === 0) return null;
  return 100 * (Math.max(...values) - Math.min(...values)) / middle;
}
