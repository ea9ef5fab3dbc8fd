/** The figures of a report as a table for docs/scale.md: a row for each, a column for each N. */

import type { Report, ScaleFigures } from "./figures.ts";

const ROWS: readonly (readonly [keyof ScaleFigures, string])[] = [
  ["foundedLeasedS", "all start at once: everybody has a lease, s"],
  ["foundedWholeS", "… and everybody knows all others, s"],
  ["foundedKbEach", "… kB sent by each"],
  ["restBytesPerS", "at rest: bytes sent by each, a second"],
  ["restDatagramsPerS", "… datagrams"],
  ["restProcessorUsPerS", "… of a processor, µs a second and node (*)"],
  ["heapKbEach", "… memory, kB a node (*)"],
  ["leaseKnownS", "a host joins: all know its lease, s"],
  ["leaseBytesEach", "… bytes sent by each for it"],
  ["deathKnownS", "a host is gone: all hold it for dead, s"],
  ["rotatedS", "a rotation: all seal with the new secret, s"],
  ["slowRotatedS", "… with slow hosts, s"],
  ["conflicts", "a 50/50 split of 45 s: subnets held twice when it heals"],
  ["healedSingleS", "… until none is, s"],
  ["healedWholeS", "… until everybody knows all others, s"],
  ["slowHealedSingleS", "… with slow hosts, none is held twice, s"],
  ["slowHealedWholeS", "… with slow hosts, everybody knows all others, s"],
];

/** Markdown. A figure that did not come true in time is "never", one that was not measured empty. */
export function scaleTable({ results }: Report): string {
  const head = results.map(({ options: { n } }) => n.toLocaleString("en-US"));
  const rows = ROWS.map((
    [figure, words],
  ) => [words, ...results.map(({ figures }) => textOf(figures[figure]))]);
  return [
    `| N | ${head.join(" | ")} |`,
    `| --- |${" --: |".repeat(results.length)}`,
    ...rows.map((cells) => `| ${cells.join(" | ")} |`),
  ].join("\n");
}

function textOf(value: number | null | undefined): string {
  if (value === undefined) return "";
  if (value === null) return "never";
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : `${Number(value.toPrecision(2))}`;
}
