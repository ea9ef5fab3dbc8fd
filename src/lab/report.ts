/** What the lab found, as `lab --json` prints it, and as tables for people. */
import type { PairResult } from "./pairs.ts";

export interface LabReportHost {
  readonly name: string;
  readonly subnet: string;
  /** With --ipv6. */
  readonly subnet6?: string;
  readonly underlay: string;
}

export interface LabReport {
  /** Every pair answered every ping, and the traffic flowed. */
  readonly ok: boolean;
  readonly backend: string;
  /** What the first two hosts seal with; "none" in a plain mesh. */
  readonly cipher: string;
  readonly hosts: readonly LabReportHost[];
  readonly pairs: readonly PairResult[];
  /** TCP payload between the first two hosts; null when it was not measured. */
  readonly throughputMbps: number | null;
  /** From the start of the command to the last measurement. */
  readonly seconds: number;
}

/** Of more pairs than a person reads, only those that lost something are printed. */
const PAIRS_SHOWN = 132; // 12 hosts

/** The tables of `lab`, ready to print. */
export function formatReport(report: LabReport): string {
  const both = report.hosts.some((host) => host.subnet6 !== undefined);
  const hosts = table(
    ["HOST", "SUBNET", ...both ? ["SUBNET6"] : [], "UNDERLAY"],
    report.hosts.map((h) => [h.name, h.subnet, ...both ? [h.subnet6 ?? "-"] : [], h.underlay]),
  );
  const lossy = report.pairs.filter((pair) => !isWhole(pair));
  const shown = report.pairs.length > PAIRS_SHOWN ? lossy : report.pairs;
  const pairs = shown.length === 0 ? summaryOf(report.pairs) : table(
    ["FROM", "TO", "LOSS", "RTT MIN", "AVG", "MAX ms", ...both ? ["LOSS6", "AVG6 ms"] : [], "PATH"],
    shown.map((pair) => [pair.from, pair.to, ...cellsOf(pair, both), pair.path]),
  );
  const failed = lossy.length;
  const sums = [
    failed === 0
      ? `All ${report.pairs.length} pairs answer`
      : `${failed} of ${report.pairs.length} pairs lost packets`,
  ];
  if (report.throughputMbps !== null) {
    const [from, to] = report.hosts;
    sums.push(`TCP ${from!.name} → ${to!.name}: ${formatRate(report.throughputMbps)}`);
  }
  sums.push(
    `backend ${report.backend}`,
    securityWords(report.backend, report.cipher),
    `${report.seconds.toFixed(1)} s`,
  );
  return `${hosts}\n\n${pairs}\n\n${sums.join(" · ")}\n`;
}

/** Whether nothing of it was lost, by either family. */
export function isWhole({ lossPercent, ipv6 }: PairResult): boolean {
  return lossPercent === 0 && (ipv6 === undefined || ipv6.lossPercent === 0);
}

function cellsOf({ lossPercent, rttMs, ipv6 }: PairResult, both: boolean): string[] {
  const ms = (time: number | undefined) => time === undefined ? "-" : time.toFixed(3);
  const cells = [`${lossPercent} %`, ms(rttMs?.min), ms(rttMs?.avg), ms(rttMs?.max)];
  if (both) cells.push(ipv6 === undefined ? "-" : `${ipv6.lossPercent} %`, ms(ipv6?.rttMs?.avg));
  return cells;
}

/** The round trips of all pairs in one line, of both families together. */
function summaryOf(pairs: readonly PairResult[]): string {
  const rtts = pairs.flatMap((pair) => [pair.rttMs, pair.ipv6?.rttMs ?? null]).filter((rtt) => rtt !== null);
  const min = Math.min(...rtts.map((rtt) => rtt.min)), max = Math.max(...rtts.map((rtt) => rtt.max));
  const avg = rtts.reduce((sum, rtt) => sum + rtt.avg, 0) / rtts.length;
  return `Round trips of all pairs: min ${min.toFixed(3)}, avg ${avg.toFixed(3)}, max ${max.toFixed(3)} ms`;
}

/** What is sealed, and what is in the clear; `cipher`: null before it is known, "none" in a plain mesh. */
export function securityWords(backend: string, cipher: string | null): string {
  if (cipher === "none") return "plain";
  const sealed = cipher === null ? "sealed" : `sealed with ${cipher}`;
  return backend === "host-gw" ? `control ${sealed}, data in the clear` : sealed;
}

/** "6.52 Gbit/s", "873 Mbit/s". */
export function formatRate(mbps: number): string {
  return mbps >= 1000 ? `${(mbps / 1000).toFixed(2)} Gbit/s` : `${mbps.toFixed(0)} Mbit/s`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd())
    .join("\n");
}
