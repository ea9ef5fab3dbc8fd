/** The life of a simulated mesh, one figure after the other; what was found is said on standard error as it comes. */

import process from "node:process";
import { type Part, PARTS, type ScaleFigures, type ScaleOptions, type ScaleResult } from "./figures.ts";
import { type Rate, ScaleMesh } from "./scale_mesh.ts";

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
  const asked = options.parts ?? PARTS;
  if (begin(mesh, asked.includes("found"), note)) {
    mesh.world.run(SETTLE_MS);
    const life = new Life(mesh, options, note);
    for (const part of PARTS) if (asked.includes(part)) life.measure(part);
  }
  return { options, figures, processorS: Math.round(cpuS(begun)) };
}

function begin(mesh: ScaleMesh, founded: boolean, note: Note): boolean {
  if (!founded) return mesh.restored(FOUND_MS) !== null;
  const { network, nodes } = mesh.world;
  const { leased, whole } = mesh.found(FOUND_MS);
  note({ foundedLeasedS: leased, foundedWholeS: whole, foundedKbEach: network.bytes / nodes.length / 1000 });
  return whole !== null;
}

class Life {
  readonly #mesh: ScaleMesh;
  readonly #options: ScaleOptions;
  readonly #note: Note;
  #rest: Rate | null = null;

  constructor(mesh: ScaleMesh, options: ScaleOptions, note: Note) {
    this.#mesh = mesh;
    this.#options = options;
    this.#note = note;
  }

  measure(part: Part): void {
    switch (part) {
      case "found": // is done
        return;
      case "rest":
        return void this.#atRest();
      case "join":
        return this.#joinAndDie();
      case "rotate":
        if (this.#options.sealed) this.#note({ rotatedS: this.#mesh.rotate(CHANGE_MS) });
        return;
      case "split":
        return this.#split();
      case "slow-rotate":
        if (this.#slow() && this.#options.sealed) this.#note({ slowRotatedS: this.#mesh.rotate(CHANGE_MS) });
        return;
      case "slow-split":
        if (this.#slow()) this.#slowSplit();
    }
  }

  #atRest(): Rate {
    if (this.#rest !== null) return this.#rest;
    const rest = this.#rest = this.#mesh.rest(REST_MS);
    this.#note({
      restBytesPerS: rest.bytes,
      restDatagramsPerS: rest.datagrams,
      restProcessorUsPerS: rest.processorUs,
      heapKbEach: heapBytes() / this.#options.n / 1000,
    });
    return rest;
  }

  #joinAndDie(): void {
    const rest = this.#atRest();
    const joins = Array.from({ length: JOINERS }, (_, i) => this.#mesh.join(`j${i}`, rest, CHANGE_MS));
    const times = joins.map(({ known }) => known);
    this.#note({
      leaseKnownS: times.includes(null) ? null : Math.max(...times as number[]),
      leaseBytesEach: joins.reduce((sum, { bytes }) => sum + bytes, 0) / JOINERS,
    });
    this.#note({ deathKnownS: this.#mesh.kill(this.#mesh.world.node("j0"), CHANGE_MS) });
  }

  #split(): void {
    const { conflicts, single, whole } = this.#mesh.split("r", CHANGE_MS);
    this.#note({ conflicts, healedSingleS: single, healedWholeS: whole });
  }

  // False: nobody is to be.
  #slow(): boolean {
    const { slow } = this.#options;
    if (slow.event + slow.reconcile === 0) return false;
    this.#mesh.slow(slow);
    this.#mesh.world.run(SETTLE_MS);
    return true;
  }

  #slowSplit(): void {
    const { conflicts, single, whole } = this.#mesh.split("s", CHANGE_MS);
    this.#note({
      slowConflicts: conflicts,
      ...(conflicts === 0 ? {} : { slowHealedSingleS: single }),
      slowHealedWholeS: whole,
    });
  }
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
