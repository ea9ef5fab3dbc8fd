/**
 * What a mesh of N hosts costs and how fast it is: the control planes of all of them in one process, in virtual time, over a
 * network that loses 1 % (test/sim/world.ts). `bun bench/scale.ts [--n 10,100] [--seed 1] [--loss 0.01] [--plain] [--light]
 * [--event-ms 20] [--reconcile-ms 0] [--parts rest,join] [--json FILE]`; each N in a process of its own. Without the part
 * `found` the mesh is there as if it had been all along. `--draw FILE [SVG]` draws what a file says, and prints it as the
 * table of docs/scale.md.
 */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { scaleCharts } from "./scale/charts.ts";
import { type Part, PARTS, readReport, type Report, type ScaleResult } from "./scale/figures.ts";
import { measure } from "./scale/measure.ts";
import { scaleTable } from "./scale/table.ts";

const DOCS = join(import.meta.dirname!, "../docs");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    n: { type: "string", default: "10,100,1000,5000" },
    seed: { type: "string", default: "1" },
    loss: { type: "string", default: "0.01" },
    plain: { type: "boolean", default: false },
    light: { type: "boolean", default: false },
    "event-ms": { type: "string", default: "20" },
    "reconcile-ms": { type: "string", default: "0" },
    json: { type: "string", default: join(DOCS, "scale.json") },
    parts: { type: "string" },
    one: { type: "boolean", default: false },
    draw: { type: "boolean", default: false },
  },
});

/** One N, in this process: its result is the last line. */
function one(): void {
  const parts = values.parts?.split(",");
  const unknown = parts?.find((part) => !(PARTS as readonly string[]).includes(part));
  if (unknown !== undefined) throw new Error(`--parts ${unknown} is none of ${PARTS.join(", ")}`);
  const result = measure({
    ...(parts === undefined ? {} : { parts: parts as Part[] }),
    n: Number(values.n),
    seed: Number(values.seed),
    loss: Number(values.loss),
    sealed: !values.plain,
    light: values.light,
    slow: { event: Number(values["event-ms"]), reconcile: Number(values["reconcile-ms"]) },
  });
  console.log(JSON.stringify(result));
}

function all(): void {
  const results: ScaleResult[] = [];
  for (const n of values.n.split(",")) {
    const flags = ["seed", "loss", "event-ms", "reconcile-ms"] as const;
    const args = flags.flatMap((flag) => [`--${flag}`, values[flag]]);
    const child = spawnSync(
      process.execPath,
      [
        import.meta.filename!,
        "--one",
        "--n",
        n,
        ...args,
        ...(values.plain ? ["--plain"] : []),
        ...(values.light ? ["--light"] : []),
        ...(values.parts === undefined ? [] : ["--parts", values.parts]),
      ],
      { encoding: "utf8", maxBuffer: 2 ** 26, stdio: ["ignore", "pipe", "inherit"] },
    );
    if (child.status !== 0) throw new Error(`N = ${n} ended with ${child.status ?? child.signal}`);
    results.push(JSON.parse(child.stdout.trim().split("\n").at(-1)!));
    writeFileSync(values.json, `${JSON.stringify(reportOf(results), null, 2)}\n`);
  }
}

function reportOf(results: readonly ScaleResult[]): Report {
  const model = cpus()[0]?.model ?? "unknown";
  return {
    format: 1,
    date: new Date().toISOString(),
    machine: { processors: cpus().length, model, kernel: release() },
    results,
  };
}

if (values.draw) {
  const [from = join(DOCS, "scale.json"), to = join(DOCS, "scale.svg")] = positionals;
  const report = readReport(readFileSync(from, "utf8"));
  writeFileSync(to, scaleCharts(report));
  console.log(scaleTable(report));
} else if (values.one) one();
else all();
