/**
 * Draws what bench/scale.ts measured against N, both logarithmic: a panel for each kind of figure, a line for each series, and
 * dashed what is aimed at. It follows the reader's light or dark setting and needs no font of its own.
 */

import type { Report, ScaleFigures, ScaleResult } from "./figures.ts";

const PANEL_WIDTH = 372;
const PANEL_HEIGHT = 236;
const COLUMNS = 2;
const LEFT = 52;
const RIGHT = 118;
const TOP = 36;
const BOTTOM = 30;
const LABEL_HEIGHT = 13;

interface Series {
  readonly label: string;
  readonly figure: keyof ScaleFigures;
}

interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
  /** What is aimed at, by N. */
  readonly aims?: readonly (readonly [n: number, value: number])[];
}

const PANELS: readonly Panel[] = [
  {
    title: "All start at once, s",
    series: [
      { label: "one mesh", figure: "foundedWholeS" },
      { label: "all have leases", figure: "foundedLeasedS" },
    ],
    aims: [[5000, 60]],
  },
  {
    title: "Until all know it, s",
    series: [{ label: "a new lease", figure: "leaseKnownS" }, { label: "a death", figure: "deathKnownS" }],
    aims: [[1000, 8], [5000, 15]],
  },
  {
    title: "Bytes a node at rest, a second",
    series: [{ label: "at rest", figure: "restBytesPerS" }],
    aims: [[1000, 2000], [5000, 4000]],
  },
  {
    title: "Bytes a node for a host that joins",
    series: [{ label: "a join", figure: "leaseBytesEach" }],
  },
  {
    title: "A healed split with conflicts, s",
    series: [
      { label: "no double lease", figure: "healedSingleS" },
      { label: "whole", figure: "healedWholeS" },
      { label: "whole, slow hosts", figure: "slowHealedWholeS" },
    ],
    aims: [[1000, 30]],
  },
  {
    title: "A rotation of the secret, s",
    series: [{ label: "all use it", figure: "rotatedS" }, { label: "slow hosts", figure: "slowRotatedS" }],
    aims: [[1000, 30]],
  },
  {
    title: "Processor a node at rest, µs a second",
    series: [{ label: "at rest", figure: "restProcessorUsPerS" }],
  },
  {
    title: "Memory a node, kB",
    series: [{ label: "heap", figure: "heapKbEach" }],
  },
];

const STYLE = `
  text { font: 11px system-ui, sans-serif; fill: #57606a }
  .title { font-size: 13px; font-weight: 600; fill: #24292f }
  .grid { stroke: #d0d7de; stroke-width: 0.5 }
  .line { fill: none; stroke-width: 1.8 } .aim { stroke: #57606a; stroke-width: 1.2; fill: none }
  .s0 { stroke: #0969da; fill: #0969da } .s1 { stroke: #bc4c00; fill: #bc4c00 } .s2 { stroke: #8250df; fill: #8250df }
  text.s0, text.s1, text.s2 { stroke: none } path.line { fill: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #8d96a0 } .title { fill: #e6edf3 } .grid { stroke: #30363d } .aim { stroke: #8d96a0 }
    .s0 { stroke: #4493f8; fill: #4493f8 } .s1 { stroke: #f0883e; fill: #f0883e } .s2 { stroke: #ab7df8; fill: #ab7df8 }
    text.s0, text.s1, text.s2 { stroke: none } path.line { fill: none }
  }`;

/** A logarithmic axis from one power of ten to another. */
class Axis {
  readonly #low: number;
  readonly #high: number;
  readonly #from: number;
  readonly #to: number;

  constructor(values: readonly number[], from: number, to: number) {
    const positive = values.filter((value) => value > 0).map(Math.log10);
    this.#low = Math.floor(Math.min(...positive));
    this.#high = Math.max(this.#low + 1, Math.ceil(Math.max(...positive)));
    [this.#from, this.#to] = [from, to];
  }

  at(value: number): number {
    const share = (Math.log10(Math.max(value, 10 ** this.#low)) - this.#low) / (this.#high - this.#low);
    return Number((this.#from + share * (this.#to - this.#from)).toFixed(1));
  }

  get powers(): number[] {
    return Array.from({ length: this.#high - this.#low + 1 }, (_, i) => 10 ** (this.#low + i));
  }
}

/** The SVG of a report. */
export function scaleCharts({ results }: Report): string {
  const drawn = PANELS.filter(({ series }) =>
    series.some(({ figure }) => pointsOf(results, figure).length > 0)
  );
  const rows = Math.ceil(drawn.length / COLUMNS);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${COLUMNS * PANEL_WIDTH} ${rows * PANEL_HEIGHT}" ` +
    `role="img" aria-labelledby="title">`,
    `<title id="title">What a mesh of N hosts takes, by N</title>`,
    `<style>${STYLE}\n</style>`,
    ...drawn.flatMap((panel, i) => {
      const [x, y] = [(i % COLUMNS) * PANEL_WIDTH, Math.floor(i / COLUMNS) * PANEL_HEIGHT];
      return [`<g transform="translate(${x} ${y})">`, ...draw(panel, results), "</g>"];
    }),
    "</svg>",
    "",
  ].join("\n");
}

function pointsOf(results: readonly ScaleResult[], figure: keyof ScaleFigures): [number, number][] {
  return results.flatMap(({ options, figures }): [number, number][] => {
    const value = figures[figure];
    return value === null || value === undefined ? [] : [[options.n, value]];
  }).sort((a, b) => a[0] - b[0]);
}

function draw({ title, series, aims = [] }: Panel, results: readonly ScaleResult[]): string[] {
  const lines = series.map(({ label, figure }) => ({ label, points: pointsOf(results, figure) }));
  const all = [...lines.flatMap(({ points }) => points), ...aims];
  const x = new Axis(results.map(({ options }) => options.n), LEFT, PANEL_WIDTH - RIGHT);
  const y = new Axis(all.map(([, value]) => value), PANEL_HEIGHT - BOTTOM, TOP);
  return [
    `<text class="title" x="8" y="20">${title}</text>`,
    ...grid(x, y),
    ...aims.map(([n, value]) =>
      `<path class="aim" d="M${x.at(n) - 6} ${y.at(value)}h12M${x.at(n)} ${y.at(value)}v5"/>`
    ),
    ...lines.flatMap(({ points }, i) => line(points.map(([n, value]) => [x.at(n), y.at(value)]), i)),
    ...labels(lines, x, y),
  ];
}

function grid(x: Axis, y: Axis): string[] {
  const [right, bottom] = [PANEL_WIDTH - RIGHT, PANEL_HEIGHT - BOTTOM];
  return [
    ...y.powers.flatMap((value) => [
      `<path class="grid" d="M${LEFT} ${y.at(value)}H${right}"/>`,
      `<text x="${LEFT - 6}" y="${y.at(value) + 4}" text-anchor="end">${figureText(value)}</text>`,
    ]),
    ...x.powers.flatMap((value) => [
      `<path class="grid" d="M${x.at(value)} ${TOP}V${bottom}"/>`,
      `<text x="${x.at(value)}" y="${bottom + 16}" text-anchor="middle">${figureText(value)}</text>`,
    ]),
  ];
}

function line(points: readonly (readonly number[])[], n: number): string[] {
  if (points.length === 0) return [];
  return [
    `<path class="line s${n}" d="M${points.map((point) => point.join(" ")).join("L")}"/>`,
    ...points.map(([x, y]) => `<circle class="s${n}" cx="${x}" cy="${y}" r="2.5"/>`),
  ];
}

interface Line {
  readonly label: string;
  readonly points: readonly (readonly [number, number])[];
}

// Beside the ends of the lines, and none over another.
function labels(lines: readonly Line[], x: Axis, y: Axis): string[] {
  const ends = lines.flatMap(({ label, points }, i) => {
    const last = points.at(-1);
    return last === undefined ? [] : [{ label, i, x: x.at(last[0]), y: y.at(last[1]) }];
  }).sort((a, b) => a.y - b.y);
  let free = -Infinity;
  return ends.map(({ label, i, x, y }) => {
    const at = Math.max(y, free);
    free = at + LABEL_HEIGHT;
    return `<text class="s${i}" x="${x + 8}" y="${at + 4}">${label}</text>`;
  });
}

function figureText(value: number): string {
  return value >= 1e6 ? `${value / 1e6} M` : value >= 1000 ? `${value / 1000} k` : `${value}`;
}
