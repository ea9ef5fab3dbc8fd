/** What bench/scale.ts makes of its figures. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { scaleCharts } from "../../bench/scale/charts.ts";
import { readReport, type Report, type ScaleFigures } from "../../bench/scale/figures.ts";
import { scaleTable } from "../../bench/scale/table.ts";

const SLOW = { event: 20, reconcile: 0 };

function reportOf(...results: [n: number, figures: Partial<ScaleFigures>][]): Report {
  return {
    format: 1,
    date: "2026-01-01T00:00:00Z",
    machine: { processors: 2, model: "none", kernel: "none" },
    results: results.map(([n, figures]) => ({
      options: { n, seed: 1, loss: 0.01, sealed: true, slow: SLOW },
      figures,
      processorS: 1,
    })),
  };
}

test("The table tells what did not come true in time from what was not measured", () => {
  const rows = scaleTable(
    reportOf([10, { leaseKnownS: 0.108, restBytesPerS: 367.7 }], [1000, { leaseKnownS: null }]),
  )
    .split("\n");
  assert.equal(rows[0], "| N | 10 | 1,000 |");
  assert.ok(rows.includes("| a host joins: all know its lease, s | 0.11 | never |"));
  assert.ok(rows.includes("| at rest: bytes sent by each, a second | 368 |  |"));
});

test("A line of a chart goes on past an N without a figure, and a panel without any is left out", () => {
  const svg = scaleCharts(reportOf([10, { restBytesPerS: 100 }], [100, {}], [1000, {
    restBytesPerS: 1000,
  }]));
  assert.equal(svg.match(/class="title"/g)?.length, 1);
  assert.equal(svg.match(/<circle/g)?.length, 2);
  assert.equal(svg.match(/class="aim"/g)?.length, 2);
  const [, d] = svg.match(/class="line s0" d="([^"]*)"/)!;
  const [[x1, y1], [x2, y2]] = d!.slice(1).split("L").map((point) => point.split(" ").map(Number)) as [
    [number, number],
    [number, number],
  ];
  assert.ok(x2 > x1 && y2 < y1, "larger is to the right and up");
});

test("readReport() throws for the JSON of another bench", () => {
  assert.deepEqual(readReport(JSON.stringify(reportOf())), reportOf());
  assert.throws(() => readReport('{"format":1,"systems":[]}'), /no report/);
});
