/** `ovltun ping NODE|ADDRESS`: echoes through the overlay, each with the path it took. */
import type { Command } from "commander";
import process from "node:process";
import { escapeText } from "../text/escape.ts";
import type { PingEcho } from "../commands/ping.ts";
import { addSettings, integerParser, parseDuration, SOCKET_SETTINGS, socketOf } from "./options.ts";
import { Exit, print, printJson } from "./output.ts";

const MAX_COUNT = 1_000_000;
const TIMEOUT_MS = 1000;

export function registerPing(program: Command): void {
  const command = program.command("ping")
    .description("round-trip time through the overlay and the path taken; exits 1 if nothing answers")
    .argument("<NODE|ADDRESS>", "a node's name or id prefix, or any address in the mesh")
    .option(
      "-c, --count <N>",
      "number of echoes (until Ctrl-C on a terminal, otherwise 4)",
      integerParser(1, MAX_COUNT),
    )
    .option("-6", "by its IPv6 address, in a mesh of both families")
    .option("-i, --interval <DURATION>", "time between echoes, e.g. 200ms (1s)", parseDuration)
    .option("-W, --timeout <DURATION>", "how long to wait for each answer (1s)", parseDuration)
    .option("--json", "print one JSON object at the end");
  addSettings(command, SOCKET_SETTINGS).action(ping);
}

async function ping(node: string, options: Record<string, unknown>): Promise<void> {
  const { pingNode } = await import("../commands/ping.ts");
  let stopped = false;
  process.once("SIGINT", () => stopped = true);
  const json = options["json"] === true;
  const endless = process.stdout.isTTY === true && !json;
  const echoes: PingEcho[] = [];
  const run = pingNode({
    socketPath: socketOf(options),
    node,
    ipv6: options["6"] === true,
    count: (options["count"] as number | undefined) ?? (endless ? MAX_COUNT : 4),
    intervalMs: (options["interval"] as number | undefined) ?? 1000,
    timeoutMs: (options["timeout"] as number | undefined) ?? TIMEOUT_MS,
  }, () => stopped);
  for await (const echo of run) {
    echoes.push(echo);
    if (!json) print(echoLine(echo));
  }
  const summary = summarize(echoes);
  if (json) printJson(jsonOf(node, echoes, summary));
  else print(summaryLines(node, summary));
  if (summary.received === 0) throw new Exit(1);
}

/** `64 bytes from beta (10.42.9.0) via tunnel 192.168.1.11:8473: seq=1 time=0.41 ms`. */
export function echoLine(echo: PingEcho): string {
  const { target } = echo;
  const path = pathWords(echo);
  const who = `${target.name} (${target.address})${path === null ? "" : ` via ${path}`}`;
  if (echo.rttMs === null) {
    return escapeText(`no answer from ${who}: seq=${echo.sequence} ${echo.error ?? "timeout"}`);
  }
  return escapeText(`${echo.bytes} bytes from ${who}: seq=${echo.sequence} time=${echo.rttMs.toFixed(2)} ms`);
}

/** Null without a path. */
function pathWords({ target }: PingEcho): string | null {
  if (target.self) return "this host";
  if (target.path === "none") return null;
  return target.endpoint === null ? target.path : `${target.path} ${target.endpoint}`;
}

export interface PingSummary {
  readonly sent: number;
  readonly received: number;
  readonly lossPercent: number;
  readonly rttMs: { readonly min: number; readonly avg: number; readonly max: number } | null;
}

/** Counts and times over all echoes. */
export function summarize(echoes: readonly PingEcho[]): PingSummary {
  const times = echoes.flatMap((echo) => echo.rttMs === null ? [] : [echo.rttMs]);
  const sent = echoes.length;
  const lossPercent = sent === 0 ? 100 : Math.round((sent - times.length) / sent * 1000) / 10;
  if (times.length === 0) return { sent, received: 0, lossPercent, rttMs: null };
  let min = Infinity, max = 0, sum = 0;
  for (const time of times) {
    min = Math.min(min, time);
    max = Math.max(max, time);
    sum += time;
  }
  return { sent, received: times.length, lossPercent, rttMs: { min, avg: sum / times.length, max } };
}

function summaryLines(node: string, summary: PingSummary): string {
  const { sent, received, lossPercent, rttMs } = summary;
  const lines = [`--- ${escapeText(node)}: ${sent} sent, ${received} received, ${lossPercent}% loss`];
  if (rttMs !== null) {
    const [min, avg, max] = [rttMs.min, rttMs.avg, rttMs.max].map((time) => time.toFixed(2));
    lines.push(`rtt min/avg/max = ${min}/${avg}/${max} ms`);
  }
  return lines.join("\n");
}

function jsonOf(node: string, echoes: readonly PingEcho[], summary: PingSummary): unknown {
  const target = echoes.at(-1)?.target;
  return {
    node,
    name: target?.name ?? null,
    address: target?.address ?? null,
    ...summary,
    echoes: echoes.map((echo) => ({
      sequence: echo.sequence,
      rttMs: echo.rttMs,
      error: echo.rttMs === null ? echo.error ?? "timeout" : null,
      path: echo.target.path,
      endpoint: echo.target.endpoint,
    })),
  };
}
