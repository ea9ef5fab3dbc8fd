/** The tables of a comparison, for a terminal or as Markdown. */
import { type Comparison, type FigureName, figureOf, spreadPercent, type SystemResult } from "./figures.ts";
import { NOTHING, number, renderTable, type Table } from "./table.ts";

/** What the others are measured against. */
const YARDSTICKS = { kernel: "kernel-vxlan", wg: "wireguard-go" } as const;

type Column = readonly [head: string, cell: (result: SystemResult) => string];

export function render(comparison: Comparison, markdown: boolean): string {
  const { machine, seconds, rounds, date } = comparison;
  const where = `${machine.processors} × ${machine.model}, Linux ${machine.kernel}, ${date.slice(0, 10)}`;
  const what =
    `Medians of ${rounds} rounds of ${seconds} s; a gigabyte is 10⁹ bytes of payload that arrived.`;
  const lines = [where, what, ""];
  for (const table of tables(comparison)) lines.push(...renderTable(table, markdown), "");
  return lines.join("\n");
}

function tables(comparison: Comparison): Table[] {
  const table = (title: string, ...columns: Column[]): Table => ({
    title,
    head: ["system", ...columns.map(([head]) => head)],
    rows: comparison.systems.map((result) => [result.name, ...columns.map(([, cell]) => cell(result))]),
  });
  const plain = (head: string, name: FigureName, digits = 0, factor = 1): Column => [
    head,
    ({ median }) => number(median[name], digits, factor),
  ];
  const ratio = (yardstick: keyof typeof YARDSTICKS, name: FigureName): Column => [
    `× ${yardstick}`,
    ({ median }) => {
      const unit = figureOf(comparison, YARDSTICKS[yardstick], name);
      return unit === null || median[name] === null ? NOTHING : number(median[name] / unit, 2);
    },
  ];
  const both = (name: FigureName) => [ratio("kernel", name), ratio("wg", name)] as const;
  const spread = (name: FigureName): Column => [
    "spread %",
    (result) => number(spreadPercent(result, name)),
  ];
  return [
    table(
      "TCP, Mbit/s",
      plain("1 stream", "tcp1Mbit"),
      spread("tcp1Mbit"),
      ...both("tcp1Mbit"),
      plain("4 streams", "tcp4Mbit"),
      spread("tcp4Mbit"),
      ...both("tcp4Mbit"),
    ),
    table(
      "UDP received under flood",
      plain("1300 B, Mbit/s", "udp1300Mbit"),
      spread("udp1300Mbit"),
      ...both("udp1300Mbit"),
      plain("64 B, 1000/s", "udp64Pps", 0, 1e-3),
      spread("udp64Pps"),
      ...both("udp64Pps"),
    ),
    table(
      "Round trip, µs",
      plain("idle min", "idleRttMinUs"),
      plain("median", "idleRttMedianUs"),
      plain("p99", "idleRttP99Us"),
      ratio("wg", "idleRttMedianUs"),
      plain("at 80 %: median", "loadedRttMedianUs"),
      plain("p99", "loadedRttP99Us"),
      plain("lost %", "loadedLostPercent", 1),
      plain("flood: median", "floodRttMedianUs"),
      plain("p99", "floodRttP99Us"),
      plain("lost %", "floodLostPercent", 1),
    ),
    table(
      "Cost",
      plain("TCP 1: tunnel s/GB", "tcp1TunnelCpuPerGb", 2),
      plain("machine s/GB", "tcp1MachineCpuPerGb", 2),
      plain("UDP 1300: tunnel s/GB", "udp1300TunnelCpuPerGb", 2),
      plain("machine s/GB", "udp1300MachineCpuPerGb", 2),
      plain("retransmits/GB: TCP 1", "tcp1RetransmitsPerGb"),
      plain("TCP 4", "tcp4RetransmitsPerGb"),
      plain("MB: idle", "idleResidentMb"),
      plain("after load", "loadedResidentMb"),
    ),
    table(
      "How far to trust it",
      ["version", (result) => result.version],
      ["rounds", (result) => `${result.rounds.length}`],
      plain("other programs, % of the processors at worst", "foreignPercent", 1),
      plain("stolen by the hypervisor, % at worst", "stolenPercent", 1),
    ),
  ];
}
