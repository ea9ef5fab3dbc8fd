/**
 * Every ordered pair of the lab's hosts, pinged through the overlay from inside the sender's namespace. One socket a
 * host, some echoes in flight at once: the time is that of the echoes, and not of waiting for each.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Status } from "../api/schema.ts";
import type { PathKind } from "../api/states.ts";
import { type EchoFan, openEchoFan } from "../sys/echo_fan.ts";
import type { LabHost } from "./topology.ts";

const PINGS = 5;
const TIMEOUT_MS = 2000;
/** Echoes in flight at once; few, so that the round trips are those of the mesh and not of a queue. */
const FLIGHT = 8;
/** The longest that the thread blocks, so that signals are seen. */
const WAIT_MS = 20;

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
    const targets = statuses.filter((_, j) => j !== i);
    const times = await pingFrom(host, targets.map((target) => target.node.address!), stop);
    const paths = new Map(statuses[i]!.peers.map((peer) => [peer.id, peer.path])); // BOUNDED: one per host
    for (const [j, target] of targets.entries()) {
      const path = paths.get(target.node.id) ?? "none";
      results.push({ from: host.name, to: target.node.name, ...summary(times[j]!), path });
    }
  }
  return results;
}

/** The round trips to each address, ms; null: no answer. */
async function pingFrom(
  host: LabHost,
  addresses: readonly string[],
  stop: AbortSignal,
): Promise<(number | null)[][]> {
  const fan = host.inside(openEchoFan);
  const times = addresses.map((): (number | null)[] => []);
  try {
    for (let first = 0; first < addresses.length; first += FLIGHT) {
      const flight = addresses.slice(first, first + FLIGHT);
      for (let i = 0; i < PINGS; i++) {
        const answers = await volley(fan, flight, (first * PINGS + i * FLIGHT) >>> 0);
        answers.forEach((time, j) => times[first + j]!.push(time));
        stop.throwIfAborted();
      }
    }
  } finally {
    fan.close();
  }
  return times;
}

/** One echo to each address, numbered from `number` on, and their round trips. */
async function volley(
  fan: EchoFan,
  addresses: readonly string[],
  number: number,
): Promise<(number | null)[]> {
  const times: (number | null)[] = addresses.map(() => null);
  const sent = addresses.map((address, i) => {
    const at = performance.now();
    fan.send(address, number + i);
    return at;
  });
  const end = performance.now() + TIMEOUT_MS;
  let missing = addresses.length;
  do {
    fan.wait(WAIT_MS);
    const now = performance.now();
    for (const answer of fan.receive()) {
      const i = answer.number - number;
      if (times[i] !== null || addresses[i] !== answer.from) continue;
      times[i] = now - sent[i]!;
      missing--;
    }
    await turn();
    // Also what came while this thread did not run counts.
  } while (missing > 0 && performance.now() < end);
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
