/**
 * scripts/bench: rounds of all systems, interleaved, so that noise hits all alike; every second round goes
 * backwards. Figures go to a JSON file, tables to stdout, what happens meanwhile to stderr.
 */
import { chownSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { type Comparison, type Figures, medians, readComparison } from "./figures.ts";
import { sweep } from "./hosts.ts";
import { floodThrough } from "./flood.ts";
import { type Flood, type FloodResult, readFlood } from "./flood_figures.ts";
import { renderFlood } from "./flood_report.ts";
import { measure } from "./measure.ts";
import { type Options, readOptions, USAGE } from "./options.ts";
import { render } from "./report.ts";
import { stopSessions } from "./session.ts";
import type { System } from "./system.ts";
import { missingProgram, systemOf, versionOf } from "./systems.ts";

const TOP = resolve(import.meta.dirname!, "../..");

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Throws Error when a named one is unknown or not installed. */
function chosen(options: Options): System[] {
  const systems: System[] = [];
  for (const name of options.systems) {
    const system = systemOf(name);
    if (system === null) throw new Error(`Unknown system "${name}" (see scripts/bench --help)`);
    const missing = missingProgram(system);
    if (missing === null) systems.push(system);
    else if (options.named) throw new Error(`Cannot measure ${name}: "${missing}" is not installed`);
    else say(`Leaving out ${name}: "${missing}" is not installed`);
  }
  return systems;
}

/** Null, and a line to stderr, when the system did not run. */
async function attempt<T>(system: System, run: () => Promise<T>): Promise<T | null> {
  try {
    return await run();
  } catch (error) {
    if (stopping) throw error;
    say(`${system.name}: ${error instanceof Error ? error.message : error}`);
    return null;
  }
}

async function compare(options: Options): Promise<Comparison> {
  const systems = chosen(options);
  const rounds = new Map<string, Figures[]>(systems.map(({ name }) => [name, []]));
  for (let round = 1; round <= options.rounds; round++) {
    for (const system of round % 2 === 1 ? systems : systems.toReversed()) {
      const figures = await attempt(system, () => measure(system, options.seconds, options.patience));
      if (figures === null) continue;
      rounds.get(system.name)!.push(figures);
      const rate = (mbit: number | null) => mbit === null ? "–" : Math.round(mbit);
      const { tcp1Mbit, udp1300Mbit, idleRttMedianUs, foreignPercent } = figures;
      const what = `TCP ${rate(tcp1Mbit)}, UDP ${rate(udp1300Mbit)} Mbit/s, ${rate(idleRttMedianUs)} µs, ${
        rate(foreignPercent)
      } % noise`;
      say(`${round}/${options.rounds}  ${system.name}: ${what}`);
    }
  }
  return {
    format: 1,
    date: new Date().toISOString(),
    machine: thisMachine(),
    seconds: options.seconds,
    rounds: options.rounds,
    systems: systems.filter(({ name }) => rounds.get(name)!.length > 0).map((system) => ({
      name: system.name,
      version: versionOf(system),
      rounds: rounds.get(system.name)!,
      median: medians(rounds.get(system.name)!),
    })),
  };
}

async function flood(options: Options, minutes: number): Promise<Flood> {
  const results: FloodResult[] = [];
  for (const system of chosen(options)) {
    say(`${system.name}: a TCP stream for ${minutes} min …`);
    const result = await attempt(system, () => floodThrough(system, minutes));
    if (result !== null) results.push(result);
  }
  return {
    flood: 1,
    date: new Date().toISOString(),
    machine: thisMachine(),
    minutes,
    systems: results,
  };
}

function thisMachine(): Comparison["machine"] {
  return {
    processors: cpus().length,
    model: cpus()[0]?.model ?? "unknown",
    kernel: release(),
    memoryGb: Math.round(totalmem() / 1e9),
  };
}

function save(figures: Comparison | Flood, wanted: string | null): void {
  const name = `${figures.date.slice(0, 19).replaceAll(":", "")}.json`;
  const file = resolve(wanted ?? join(TOP, "bench/out", name));
  const folder = dirname(file);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${JSON.stringify(figures, null, 1)}\n`);
  // Root in somebody's checkout: what was made here belongs to them.
  const { uid, gid } = statSync(TOP);
  for (const made of [folder, file]) {
    if (statSync(made).uid === 0 && made.startsWith(TOP)) chownSync(made, uid, gid);
  }
  say(`Figures: ${file}`);
}

let stopping = false;

async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  say("Stopping: removing the hosts …");
  await stopSessions();
  process.exit(code);
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return console.log(USAGE);
  const { from, markdown } = options;
  if (from !== null) {
    const earlier = readFlood(from);
    return console.log(
      earlier !== null ? renderFlood(earlier, markdown) : render(readComparison(from), markdown),
    );
  }
  sweep();
  if (options.flood !== null) {
    const figures = await flood(options, options.flood);
    save(figures, options.json);
    return console.log(renderFlood(figures, markdown));
  }
  const comparison = await compare(options);
  save(comparison, options.json);
  console.log(render(comparison, markdown));
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  process.on(signal, () => void stop(code));
}
await main().catch((error) => {
  if (stopping) return; // stop() ends the process when all is removed
  say(error instanceof Error ? error.message : String(error));
  process.exit(1);
});
