/**
 * scripts/bench --flood: one TCP stream without a pause through each system, and what becomes of its programs
 * meanwhile. Memory is looked at after the warm-up, each 30 seconds, and when the stream ends.
 */
import { COLLECTION_LOGS, CollectionLog } from "./collections.ts";
import {
  countCollections,
  type FloodResult,
  growthPercent,
  type HostFlood,
  type MemorySample,
} from "./flood_figures.ts";
import type { Pair, Running } from "./hosts.ts";
import { undisturbed } from "./noise.ts";
import { withTunnel } from "./session.ts";
import { type System, versionOf } from "./systems.ts";
import { tcp } from "./traffic.ts";
import { residentMb } from "./usage.ts";

/** Compilers, page allocators and TCP's own buffers settle meanwhile. */
const WARM_UP_SECONDS = 10;
const SAMPLE_MS = 30_000;

const nowSeconds = () => performance.now() / 1000;

/** Notes the memory of a process at once and then each 30 seconds. */
class MemoryWatch {
  readonly samples: MemorySample[] = [];
  readonly #pid: number;
  readonly #began = nowSeconds();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(pid: number) {
    this.#pid = pid;
    this.#take();
    this.#timer = setInterval(() => this.#take(), SAMPLE_MS);
  }

  /** Notes it once more; the samples do not grow any longer. */
  end(): readonly MemorySample[] {
    clearInterval(this.#timer);
    this.#take();
    return this.samples;
  }

  #take(): void {
    const mb = residentMb([this.#pid]);
    if (mb !== null) this.samples.push({ seconds: nowSeconds() - this.#began, mb });
  }
}

/** Throws when the system does not start, does not answer, or the stream breaks off. */
export function floodThrough(system: System, minutes: number): Promise<FloodResult> {
  return withTunnel(system, async (pair, { target, processes }) => {
    const logs = processes.map(readCollections);
    await tcp(pair, target, WARM_UP_SECONDS, 1);
    const pids = processes.map(({ pid }) => pid);
    const from = nowSeconds();
    const watches = pids.map((pid) => new MemoryWatch(pid));
    let measured;
    let memory: readonly (readonly MemorySample[])[];
    try {
      measured = await undisturbed(pids, 0, () => stream(pair, target, minutes));
    } finally {
      memory = watches.map((watch) => watch.end());
    }
    const to = nowSeconds();
    const { result, usage, foreignPercent } = measured;
    const ended = processes.find((running) => running.ended() !== null);
    if (ended !== undefined) throw new Error(`A program ended (${ended.ended()})\n${ended.log()}`);
    if (result === null) throw new Error("The stream broke off: iperf3 gave no figure");
    return {
      name: system.name,
      version: versionOf(system),
      ...result,
      retransmitsPerGb: result.retransmits / (result.bytes / 1e9),
      hosts: processes.map((_, i) => hostFlood(pair.hosts[i]!.name, memory[i]!, logs[i]!, { from, to })),
      foreignPercent,
      stolenPercent: 100 * usage.stolenSeconds / usage.machineSeconds,
    };
  }, COLLECTION_LOGS);
}

function stream(pair: Pair, target: string, minutes: number): ReturnType<typeof tcp> {
  return tcp(pair, target, Math.max(1, Math.round(minutes * 60)), 1);
}

function readCollections(running: Running): CollectionLog {
  const log = new CollectionLog();
  running.onLine((line) => log.add(line, nowSeconds()));
  return log;
}

function hostFlood(
  host: "a" | "b",
  memory: readonly MemorySample[],
  log: CollectionLog,
  during: { readonly from: number; readonly to: number },
): HostFlood {
  const count = (worker: boolean) => log.speaks ? countCollections(log.collections, worker, during) : null;
  return { host, memory, growthPercent: growthPercent(memory), worker: count(true), main: count(false) };
}
