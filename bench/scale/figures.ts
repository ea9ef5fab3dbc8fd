/** The figures of bench/scale.ts, as they stand in its JSON: null where something did not come true in time. */

/** What was measured of one N. Append only: old files stay readable. */
export interface ScaleFigures {
  /** All start within a second: seconds until everybody has a lease, and until everybody knows all others and their leases. */
  readonly foundedLeasedS: number | null;
  readonly foundedWholeS: number | null;
  readonly foundedKbEach: number;
  /** A node at rest, path probes included. */
  readonly restBytesPerS: number;
  readonly restDatagramsPerS: number;
  /** Of this machine, µs a second of virtual time. */
  readonly restProcessorUsPerS: number;
  readonly heapKbEach: number;
  /** From a claim until all know the lease, the slowest of a few; bytes a node for it. */
  readonly leaseKnownS: number | null;
  readonly leaseBytesEach: number;
  /** A host is gone, until all hold it for dead. */
  readonly deathKnownS: number | null;
  /** A rotation, until all seal with the new secret; with slow processors. Null in a plain mesh, too. */
  readonly rotatedS: number | null;
  readonly slowRotatedS: number | null;
  /** A healed 50/50 split with so many conflicts: until no subnet is held twice, and until all know all; with slow processors. */
  readonly conflicts: number;
  readonly healedSingleS: number | null;
  readonly healedWholeS: number | null;
  readonly slowConflicts: number;
  readonly slowHealedSingleS: number | null;
  readonly slowHealedWholeS: number | null;
}

/** What can be measured of a mesh, in this order. */
export const PARTS = ["found", "rest", "join", "rotate", "split", "slow-rotate", "slow-split"] as const;
export type Part = typeof PARTS[number];

export interface ScaleOptions {
  readonly n: number;
  readonly seed: number;
  readonly loss: number;
  readonly sealed: boolean;
  /** Ciphers, signatures and handshakes take no time. */
  readonly light?: boolean;
  /** What a slow processor needs for an event, and for one that has host and data plane compared, ms. */
  readonly slow: { readonly event: number; readonly reconcile: number };
  /** Absent: all. Without `found` the mesh is there as if it had been all along. */
  readonly parts?: readonly Part[];
}

export interface ScaleResult {
  readonly options: ScaleOptions;
  readonly figures: Partial<ScaleFigures>;
  /** Of this machine for all of it, seconds. */
  readonly processorS: number;
}

export interface Report {
  readonly format: 1;
  readonly date: string;
  readonly machine: { readonly processors: number; readonly model: string; readonly kernel: string };
  readonly results: readonly ScaleResult[];
}

/** Throws when it is none of ours. */
export function readReport(text: string): Report {
  const report = JSON.parse(text) as Report;
  if (report.format !== 1 || !Array.isArray(report.results)) {
    throw new Error("This is no report of bench/scale.ts");
  }
  return report;
}
