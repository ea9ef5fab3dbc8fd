/**
 * One round of one system, in this order: it is started in two new hosts and warmed up; memory and pings at rest;
 * TCP with one stream and with four; UDP floods of large and of small packets; pings beside 80 % of the UDP rate
 * and beside a flood; memory again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Figures } from "./figures.ts";
import type { Pair } from "./hosts.ts";
import { type Measured, undisturbed } from "./noise.ts";
import { withTunnel } from "./session.ts";
import type { System, Tunnel } from "./system.ts";
import { ping, tcp, udp } from "./traffic.ts";
import { residentMb } from "./usage.ts";

/** Compilers and page allocators settle in the first seconds of traffic. */
const WARM_UP_SECONDS = 3;
const REST_MS = 1000;
const IDLE_PINGS = 1000;
/** Long enough for ping's 2 ms, within the transfer beside it. */
const BESIDE_SECONDS = 4;
const BESIDE_PINGS = 1200;
const BESIDE_REST_MS = 800;
const LARGE = 1300;
const SMALL = 64;
const LOAD = 0.8;

/**
 * Throws when the system does not start or does not answer. Transfers last `seconds`; each is repeated for at most
 * `patience` seconds while other programs disturb it.
 */
export function measure(system: System, seconds: number, patience: number): Promise<Figures> {
  const limits = { seconds, patienceMs: patience * 1000 };
  return withTunnel(system, (pair, tunnel) => figures(pair, tunnel, limits));
}

interface Limits {
  readonly seconds: number;
  readonly patienceMs: number;
}

async function figures(pair: Pair, tunnel: Tunnel, { seconds, patienceMs }: Limits): Promise<Figures> {
  const target = tunnel.target;
  const pids = tunnel.processes.map((running) => running.pid);
  let foreignPercent = 0, stolenPercent = 0;
  const take = async <T>(transfer: () => Promise<T | null>): Promise<Measured<T>> => {
    const measured = await undisturbed(pids, patienceMs, transfer);
    const { stolenSeconds, machineSeconds } = measured.usage;
    foreignPercent = Math.max(foreignPercent, measured.foreignPercent);
    stolenPercent = Math.max(stolenPercent, 100 * stolenSeconds / machineSeconds);
    return measured;
  };
  await tcp(pair, target, WARM_UP_SECONDS, 1);
  await sleep(REST_MS);
  const idleResidentMb = residentMb(pids);
  const { result: idle } = await take(() => ping(pair, target, IDLE_PINGS));
  const tcp1 = await take(() => tcp(pair, target, seconds, 1));
  const tcp4 = await take(() => tcp(pair, target, seconds, 4));
  const large = await take(() => udp(pair, target, seconds, { length: LARGE }));
  const { result: small } = await take(() => udp(pair, target, seconds, { length: SMALL }));
  const capacity = large.result?.mbit ?? 0;
  const { result: loaded } = await take(() => pingBeside(pair, target, capacity * LOAD));
  const { result: flooded } = await take(() => pingBeside(pair, target));
  const loadedResidentMb = residentMb(pids);
  return {
    tcp1Mbit: tcp1.result?.mbit ?? null,
    tcp1RetransmitsPerGb: perGb(tcp1.result?.retransmits, tcp1.result),
    tcp1TunnelCpuPerGb: tunnelCpuPerGb(pids, tcp1),
    tcp1MachineCpuPerGb: perGb(tcp1.usage.busySeconds, tcp1.result),
    tcp4Mbit: tcp4.result?.mbit ?? null,
    tcp4RetransmitsPerGb: perGb(tcp4.result?.retransmits, tcp4.result),
    tcp4TunnelCpuPerGb: tunnelCpuPerGb(pids, tcp4),
    tcp4MachineCpuPerGb: perGb(tcp4.usage.busySeconds, tcp4.result),
    udp1300Mbit: large.result?.mbit ?? null,
    udp1300Pps: large.result?.packetsPerSecond ?? null,
    udp1300TunnelCpuPerGb: tunnelCpuPerGb(pids, large),
    udp1300MachineCpuPerGb: perGb(large.usage.busySeconds, large.result),
    udp64Mbit: small?.mbit ?? null,
    udp64Pps: small?.packetsPerSecond ?? null,
    idleRttMinUs: idle?.minUs ?? null,
    idleRttMedianUs: idle?.medianUs ?? null,
    idleRttP99Us: idle?.p99Us ?? null,
    loadedRttMedianUs: loaded?.medianUs ?? null,
    loadedRttP99Us: loaded?.p99Us ?? null,
    loadedLostPercent: loaded?.lostPercent ?? null,
    floodRttMedianUs: flooded?.medianUs ?? null,
    floodRttP99Us: flooded?.p99Us ?? null,
    floodLostPercent: flooded?.lostPercent ?? null,
    idleResidentMb,
    loadedResidentMb,
    foreignPercent,
    stolenPercent,
  };
}

/** A gigabyte is 10⁹ bytes of what arrived. */
function perGb(amount: number | undefined, result: { readonly bytes: number } | null): number | null {
  return amount === undefined || result === null ? null : amount / (result.bytes / 1e9);
}

function tunnelCpuPerGb(
  pids: readonly number[],
  { result, usage }: Measured<{ bytes: number }>,
): number | null {
  return pids.length === 0 ? null : perGb(usage.tunnelSeconds, result);
}

/** Pings while UDP flows: as much as `mbit`, or without pause. */
async function pingBeside(pair: Pair, target: string, mbit?: number): ReturnType<typeof ping> {
  if (mbit === 0) return null;
  const flow = { length: LARGE, ...mbit !== undefined && { mbit } };
  const flowing = udp(pair, target, BESIDE_SECONDS, flow);
  await sleep(BESIDE_REST_MS);
  const [result] = await Promise.all([ping(pair, target, BESIDE_PINGS), flowing]);
  return result;
}
