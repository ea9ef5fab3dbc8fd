/**
 * Draws docs/performance.svg from a JSON file of scripts/bench: `bun bench/chart.ts [FILE [SVG]]`, FILE being
 * docs/performance.json where none is given. Bars by system, on one linear scale a panel; it follows the
 * reader's light or dark setting and needs no font of its own.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Comparison, type FigureName, readComparison } from "./live/figures.ts";

const DOCS = join(import.meta.dirname!, "../docs");
const WIDTH = 760;
const LABELS_END = 150;
const BARS_END = 660;
const ROW = 26;
const BAR = 18;
const PANEL_HEAD = 44;
const MARGIN = 16;

const PANELS: readonly { readonly title: string; readonly figure: FigureName }[] = [
  { title: "TCP, one stream, Mbit/s", figure: "tcp1Mbit" },
  { title: "UDP, 1300-byte packets received under flood, Mbit/s", figure: "udp1300Mbit" },
];

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .note { font-size: 11px; fill: #57606a }
  .ours { fill: #0969da } .other { fill: #afb8c1 } .axis { stroke: #57606a }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #8d96a0 }
    .ours { fill: #4493f8 } .other { fill: #545d68 } .axis { stroke: #8d96a0 }
  }`;

/** The numbers behind a panel, the largest first; variants with an offload off stay in the tables. */
function rowsOf(comparison: Comparison, figure: FigureName): { name: string; value: number }[] {
  return comparison.systems
    .filter(({ name }) => !name.includes("-no-"))
    .map(({ name, median }) => ({ name, value: median[figure] ?? 0 }))
    .sort((x, y) => y.value - x.value);
}

function panel(comparison: Comparison, { title, figure }: typeof PANELS[number], top: number): string[] {
  const rows = rowsOf(comparison, figure);
  const most = Math.max(1, ...rows.map((row) => row.value));
  const bars = rows.flatMap(({ name, value }, i) => {
    const y = top + PANEL_HEAD + i * ROW;
    const width = ((BARS_END - LABELS_END) * value / most).toFixed(1);
    const base = y + BAR - 5;
    const kind = name.startsWith("ovltun") ? "ours" : "other";
    const rate = Math.round(value).toLocaleString("en-US");
    return [
      `<text x="${LABELS_END - 10}" y="${base}" text-anchor="end">${name}</text>`,
      `<rect class="${kind}" x="${LABELS_END}" y="${y}" width="${width}" height="${BAR}" rx="2"/>`,
      `<text x="${LABELS_END + Number(width) + 8}" y="${base}">${rate}</text>`,
    ];
  });
  const bottom = top + PANEL_HEAD + rows.length * ROW;
  return [
    `<text class="title" x="${MARGIN}" y="${top + 26}">${title}</text>`,
    ...bars,
    `<line class="axis" x1="${LABELS_END}" y1="${top + PANEL_HEAD - 4}" x2="${LABELS_END}" y2="${
      bottom - 4
    }"/>`,
  ];
}

function chart(comparison: Comparison): string {
  const heights = PANELS.map(({ figure }) => PANEL_HEAD + rowsOf(comparison, figure).length * ROW);
  const tops = heights.map((_, i) => heights.slice(0, i).reduce((sum, height) => sum + height, 0));
  const height = heights.reduce((sum, next) => sum + next, 0) + 40;
  const { machine, rounds, date } = comparison;
  const note =
    `Two network namespaces, veth of MTU 1500, ${machine.processors} processors (${machine.model}), ` +
    `Linux ${machine.kernel.split("-")[0]}; medians of ${rounds}, ${date.slice(0, 10)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title">`,
    `<title id="title">Throughput of ovltun beside other tunnels: ${PANELS[0]!.title}; ${
      PANELS[1]!.title
    }</title>`,
    `<style>${STYLE}\n</style>`,
    ...PANELS.flatMap((each, i) => panel(comparison, each, tops[i]!)),
    `<text class="note" x="${MARGIN}" y="${height - 14}">${escapeXml(note)}</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

if (import.meta.main) {
  const [from, to] = process.argv.slice(2);
  const svg = chart(readComparison(from ?? join(DOCS, "performance.json")));
  writeFileSync(to ?? join(DOCS, "performance.svg"), svg);
}
