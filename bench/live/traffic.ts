/** iperf3 and ping between the two hosts, and what their output says. Null where a run gave no figure. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Host, Pair } from "./hosts.ts";

const PORT = 5201;
const PORT_LISTENING = `:${PORT.toString(16).toUpperCase()} `;
const SLACK_MS = 12_000;
const PING_INTERVAL = 0.002;

export interface TcpResult {
  readonly bytes: number;
  readonly mbit: number;
  readonly retransmits: number;
}

export interface UdpResult {
  readonly bytes: number;
  readonly mbit: number;
  readonly packets: number;
  readonly packetsPerSecond: number;
}

export interface PingResult {
  readonly minUs: number;
  readonly medianUs: number;
  readonly p99Us: number;
  readonly lostPercent: number;
}

/** What we read of `iperf3 -J`; a run that failed has "error" and little else. */
interface Report {
  readonly intervals?: readonly { readonly sum: { readonly bytes: number; readonly seconds: number } }[];
  readonly end?: {
    readonly sum_sent?: { readonly retransmits?: number };
    readonly sum_received?: { readonly bytes: number; readonly bits_per_second: number };
  };
}

interface Run {
  readonly client: Report;
  readonly server: Report;
}

/** A server for one run in host b and a client in host a. */
async function iperf(
  pair: Pair,
  target: string,
  seconds: number,
  flags: readonly string[],
): Promise<Run | null> {
  const timeoutMs = seconds * 1000 + SLACK_MS;
  const serving = pair.b.run(timeoutMs, "iperf3", "-s", "-1", "-J", "-p", `${PORT}`).catch(() => "{}");
  await listening(pair.b);
  const args = ["-c", target, "-p", `${PORT}`, "-t", `${seconds}`, "-J", ...flags];
  const client = await pair.a.run(timeoutMs, "iperf3", ...args).catch(() => "{}");
  const run = { client: JSON.parse(client) as Report, server: JSON.parse(await serving) as Report };
  return run.client.end?.sum_received === undefined ? null : run;
}

async function listening(host: Host): Promise<void> {
  for (let waited = 0; waited < 3000; waited += 20) {
    const table = await host.run(3000, "cat", "/proc/net/tcp", "/proc/net/tcp6");
    if (table.split("\n").some((line) => line.includes(PORT_LISTENING) && / 0A /.test(line))) return;
    await sleep(20);
  }
}

export async function tcp(
  pair: Pair,
  target: string,
  seconds: number,
  streams: number,
): Promise<TcpResult | null> {
  const run = await iperf(pair, target, seconds, ["-P", `${streams}`]);
  const end = run?.client.end;
  if (end?.sum_received === undefined || end.sum_received.bytes === 0) return null;
  return {
    bytes: end.sum_received.bytes,
    mbit: end.sum_received.bits_per_second / 1e6,
    retransmits: end.sum_sent?.retransmits ?? 0,
  };
}

/** Sends without pause, or `mbit` a second, and counts what the receiver saw within the time. */
export async function udp(
  pair: Pair,
  target: string,
  seconds: number,
  flow: { readonly length: number; readonly mbit?: number },
): Promise<UdpResult | null> {
  const rate = flow.mbit === undefined ? "0" : `${Math.round(flow.mbit * 1e6)}`;
  const run = await iperf(pair, target, seconds, ["-u", "-b", rate, "-l", `${flow.length}`]);
  // What comes after the last full second waited in queues: it would make the receiver look faster.
  const full = (run?.server.intervals ?? []).slice(0, seconds).map((interval) => interval.sum);
  const bytes = full.reduce((sum, interval) => sum + interval.bytes, 0);
  const took = full.reduce((sum, interval) => sum + interval.seconds, 0);
  if (bytes === 0) return null;
  const packets = bytes / flow.length;
  return { bytes, packets, mbit: bytes * 8 / took / 1e6, packetsPerSecond: packets / took };
}

/** `count` pings, one every 2 ms. */
export async function ping(pair: Pair, target: string, count: number): Promise<PingResult | null> {
  const seconds = Math.ceil(count * PING_INTERVAL) + 3;
  const args = ["-n", "-i", `${PING_INTERVAL}`, "-c", `${count}`, "-w", `${seconds}`, target];
  const text = await pair.a.run(seconds * 1000 + SLACK_MS, "ping", ...args).catch((error) =>
    error.stdout ?? ""
  );
  const times = [...text.matchAll(/ time=([\d.]+) ms/g)].map((match) => Number(match[1]) * 1000);
  const sent = Number(/(\d+) packets transmitted/.exec(text)?.[1] ?? 0);
  if (times.length === 0) return null;
  times.sort((x, y) => x - y);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))]!;
  return {
    minUs: at(0),
    medianUs: at(0.5),
    p99Us: at(0.99),
    lostPercent: sent === 0 ? 100 : Math.max(0, 100 * (1 - times.length / sent)),
  };
}

/** Waits until the target answers. Throws when it does not within `timeoutMs`. */
export async function awaitAnswer(pair: Pair, target: string, timeoutMs: number): Promise<void> {
  for (const end = performance.now() + timeoutMs; performance.now() < end;) {
    const answer = await pair.a.run(3000, "ping", "-n", "-c", "1", "-W", "1", target).catch(() => null);
    if (answer !== null) return;
    await sleep(100);
  }
  throw new Error(`${target} does not answer`);
}
