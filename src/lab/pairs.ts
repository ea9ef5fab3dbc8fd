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

/** What came back of some pings. */
export interface Echoed {
  readonly lossPercent: number;
  /** Null when nothing came back. */
  readonly rttMs: { readonly min: number; readonly avg: number; readonly max: number } | null;
}

export interface PairResult extends Echoed {
  readonly from: string;
  readonly to: string;
  /** The same of IPv6, in a mesh of both families. */
  readonly ipv6?: Echoed;
  readonly path: PathKind;
}

/** Pings from every host to every other, by each family of the mesh; `statuses` are in the order of `hosts`. */
export async function pingPairs(
  hosts: readonly LabHost[],
  statuses: readonly Status[],
  stop: AbortSignal,
): Promise<PairResult[]> {
  const results: PairResult[] = [];
  for (const [i, host] of hosts.entries()) {
    const targets = statuses.filter((_, j) => j !== i);
    const ping = (family: 4 | 6, addresses: string[]) =>
      pingFrom(() => host.inside(() => openEchoFan(family)), addresses, stop);
    const times = await ping(4, targets.map(({ node }) => node.address!));
    const addresses6 = targets.flatMap(({ node }) => node.address6 ?? []);
    const times6 = addresses6.length < targets.length ? null : await ping(6, addresses6);
    const paths = new Map(statuses[i]!.peers.map((peer) => [peer.id, peer.path])); // BOUNDED: one per host
    for (const [j, target] of targets.entries()) {
      const path = paths.get(target.node.id) ?? "none";
      const ipv6 = times6 === null ? {} : { ipv6: summary(times6[j]!) };
      results.push({ from: host.name, to: target.node.name, ...summary(times[j]!), ...ipv6, path });
    }
  }
  return results;
}

/** The round trips to each address, ms; null: no answer. */
async function pingFrom(
  open: () => EchoFan,
  addresses: readonly string[],
  stop: AbortSignal,
): Promise<(number | null)[][]> {
  const fan = open();
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

function summary(times: readonly (number | null)[]): Echoed {
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
