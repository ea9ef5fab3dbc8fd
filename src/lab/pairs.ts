/** Every ordered pair of the lab's hosts, pinged through the overlay from inside the sender's namespace. */
import { setTimeout as sleep } from "node:timers/promises";
import type { PathKind, Status } from "../api/schema.ts";
import { openPinger } from "../sys/pinger.ts";
import type { LabHost } from "./topology.ts";

const PINGS = 5;
const TIMEOUT_MS = 2000;
/** Between two pings, so that signals are seen and the hosts are not flooded. */
const PAUSE_MS = 5;

export interface PairResult {
  readonly from: string;
  readonly to: string;
  readonly lossPercent: number;
  /** Null when nothing came back. */
  readonly rttMs: { readonly min: number; readonly avg: number; readonly max: number } | null;
  readonly path: PathKind;
}

/** Pings from every host to every other; `statuses` are in the order of `hosts`. */
export async function pingPairs(
  hosts: readonly LabHost[],
  statuses: readonly Status[],
  stop: AbortSignal,
): Promise<PairResult[]> {
  const results: PairResult[] = [];
  for (const [i, host] of hosts.entries()) {
    for (const target of statuses) {
      if (target.node.name === host.name) continue;
      const path = statuses[i]!.peers.find((peer) => peer.id === target.node.id)?.path ?? "none";
      const times = await pingFrom(host, target.node.address!, stop);
      results.push({ from: host.name, to: target.node.name, ...summary(times), path });
    }
  }
  return results;
}

async function pingFrom(host: LabHost, address: string, stop: AbortSignal): Promise<(number | null)[]> {
  const pinger = host.inside(() => openPinger(address));
  const times: (number | null)[] = [];
  try {
    for (let i = 0; i < PINGS; i++) {
      times.push(pinger.ping(TIMEOUT_MS));
      await sleep(PAUSE_MS);
      stop.throwIfAborted();
    }
  } finally {
    pinger.close();
  }
  return times;
}

function summary(times: readonly (number | null)[]): Pick<PairResult, "lossPercent" | "rttMs"> {
  const answered = times.filter((time) => time !== null);
  const lossPercent = Math.round(100 * (times.length - answered.length) / times.length);
  if (answered.length === 0) return { lossPercent, rttMs: null };
  const sum = answered.reduce((a, b) => a + b, 0);
  const rttMs = { min: Math.min(...answered), avg: sum / answered.length, max: Math.max(...answered) };
  return {
    lossPercent,
    rttMs: { min: round(rttMs.min), avg: round(rttMs.avg), max: round(rttMs.max) },
  };
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
