/** The life of a simulated mesh, one figure after the other; what was found is said on standard error as it comes. */

import process from "node:process";
import type { ScaleFigures, ScaleOptions, ScaleResult } from "./figures.ts";
import { ScaleMesh } from "./scale_mesh.ts";

const FOUND_MS = 120_000;
const SETTLE_MS = 20_000;
const REST_MS = 30_000;
const CHANGE_MS = 60_000;
const JOINERS = 3;

type Note = (figures: Partial<ScaleFigures>) => void;

export function measure(options: ScaleOptions): ScaleResult {
  const begun = process.cpuUsage();
  let figures: Partial<ScaleFigures> = {};
  const note: Note = (found) => {
    figures = { ...figures, ...found };
    const rounded = Object.entries(found).map(([name, value]) =>
      `${name} ${value === null ? "never" : round(value)}`
    );
    const mb = Math.round(process.memoryUsage().rss / 1e6);
    console.error(
      `N = ${options.n}: ${rounded.join(", ")} (${cpuS(begun).toFixed(0)} s of processor, ${mb} MB)`,
    );
  };
  const mesh = new ScaleMesh(options);
  if (found(mesh, note)) live(mesh, options, note);
  return { options, figures, processorS: Math.round(cpuS(begun)) };
}

function found(mesh: ScaleMesh, note: Note): boolean {
  const { network, nodes } = mesh.world;
  const { leased, whole } = mesh.found(FOUND_MS);
  note({ foundedLeasedS: leased, foundedWholeS: whole, foundedKbEach: network.bytes / nodes.length / 1000 });
  return whole !== null;
}

function live(mesh: ScaleMesh, { n, sealed, slow }: ScaleOptions, note: Note): void {
  mesh.world.run(SETTLE_MS);
  const rest = mesh.rest(REST_MS);
  note({
    restBytesPerS: rest.bytes,
    restDatagramsPerS: rest.datagrams,
    restProcessorUsPerS: rest.processorUs,
    heapKbEach: heapBytes() / n / 1000,
  });
  const joins = Array.from({ length: JOINERS }, (_, i) => mesh.join(`j${i}`, rest, CHANGE_MS));
  const times = joins.map(({ known }) => known);
  note({
    leaseKnownS: times.includes(null) ? null : Math.max(...times as number[]),
    leaseBytesEach: joins.reduce((sum, { bytes }) => sum + bytes, 0) / JOINERS,
    deathKnownS: mesh.kill(mesh.world.node("j0"), CHANGE_MS),
  });
  if (sealed) note({ rotatedS: mesh.rotate(CHANGE_MS) });
  const healed = mesh.split("r", CHANGE_MS);
  note({ conflicts: healed.conflicts, healedSingleS: healed.single, healedWholeS: healed.whole });
  if (slow.event + slow.reconcile === 0) return;
  mesh.slow(slow);
  mesh.world.run(SETTLE_MS);
  if (sealed) note({ slowRotatedS: mesh.rotate(CHANGE_MS) });
  const slowly = mesh.split("s", CHANGE_MS);
  note({
    slowConflicts: slowly.conflicts,
    ...(slowly.conflicts === 0 ? {} : { slowHealedSingleS: slowly.single }),
    slowHealedWholeS: slowly.whole,
  });
}

function heapBytes(): number {
  (globalThis as { Bun?: { gc(force: boolean): void } }).Bun?.gc(true);
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function cpuS(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1e6;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
