/** The tables of a flood. */
import { type Flood, type FloodResult, type HostFlood, timesKernel } from "./flood_figures.ts";
import { NOTHING, number, renderTable, type Table } from "./table.ts";

const ENDS = { a: "sender", b: "receiver" } as const;

export function renderFlood(flood: Flood, markdown: boolean): string {
  const { machine, minutes, date } = flood;
  const lines = [
    `${machine.processors} × ${machine.model}, Linux ${machine.kernel}, ${date.slice(0, 10)}`,
    `One TCP stream for ${minutes} min through each; a gigabyte is 10⁹ bytes of payload that arrived.`,
    "",
  ];
  for (const table of [streams(flood), programs(flood), memory(flood)]) {
    if (table.rows.length > 0) lines.push(...renderTable(table, markdown), "");
  }
  return lines.join("\n");
}

function streams(flood: Flood): Table {
  return {
    title: "The stream",
    head: ["system", "Mbit/s", "GB", "retransmits/GB", "× kernel", "other programs %", "stolen %"],
    rows: flood.systems.map((result) => [
      result.name,
      number(result.mbit),
      number(result.bytes, 1, 1e-9),
      number(result.retransmitsPerGb, 2),
      ratio(flood, result),
      number(result.foreignPercent, 1),
      number(result.stolenPercent, 1),
    ]),
  };
}

/** "∞" where the kernel had no retransmit and the system had. */
function ratio(flood: Flood, result: FloodResult): string {
  const times = timesKernel(flood, result);
  if (times !== null) return number(times, 2);
  return flood.systems.some(({ name }) => name === "kernel-vxlan") ? "∞" : NOTHING;
}

function programs(flood: Flood): Table {
  return {
    title: "The programs",
    head: [
      ...["system", "MB: begin", "most", "end", "growth %"],
      ...["Worker: minor collections", "most in 10 s", "major", "main thread: minor", "major"],
    ],
    rows: ofHosts(flood, ({ memory, growthPercent, worker, main }) => [
      number(memory[0]?.mb ?? null, 1),
      number(Math.max(...memory.map(({ mb }) => mb)), 1),
      number(memory.at(-1)?.mb ?? null, 1),
      number(growthPercent, 1),
      number(worker?.minor ?? null),
      number(worker?.minorIn10s ?? null),
      number(worker?.major ?? null),
      number(main?.minor ?? null),
      number(main?.major ?? null),
    ]),
  };
}

function memory(flood: Flood): Table {
  const hosts = flood.systems.flatMap((result) => result.hosts);
  const longest = Math.max(0, ...hosts.map((host) => host.memory.length));
  const times = hosts.find((host) => host.memory.length === longest)?.memory ?? [];
  return {
    title: "Resident memory, MB, after seconds",
    head: ["system", ...times.map(({ seconds }) => number(seconds))],
    rows: ofHosts(flood, (host) => times.map((_, i) => number(host.memory[i]?.mb ?? null, 1))),
  };
}

/** A row for each daemon. */
function ofHosts(flood: Flood, cells: (host: HostFlood) => string[]): string[][] {
  return flood.systems.flatMap(({ name, hosts }) =>
    hosts.map((host) => [`${name}, ${ENDS[host.host]}`, ...cells(host)])
  );
}
