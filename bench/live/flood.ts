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
import type { System, Tunnel } from "./system.ts";
import { versionOf } from "./systems.ts";
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

/** What is known when the stream has ended and the programs still run. */
interface Streamed extends Pick<FloodResult, "mbit" | "bytes" | "retransmits" | "foreignPercent"> {
  readonly stolenPercent: number;
  readonly processes: readonly Running[];
  /** Of each process. */
  readonly memory: readonly (readonly MemorySample[])[];
  /** Of the stream, seconds. */
  readonly from: number;
  readonly to: number;
}

/** Throws when the system does not start, does not answer, or the stream breaks off. */
export async function floodThrough(system: System, minutes: number): Promise<FloodResult> {
  /** BOUNDED: one per process. */
  const logs = new Map<number, CollectionLog>();
  const logOf = (pid: number) => logs.get(pid) ?? logs.set(pid, new CollectionLog(nowSeconds())).get(pid)!;
  const watch = {
    environment: COLLECTION_LOGS,
    onLine: (pid: number, line: string) => logOf(pid).add(line, nowSeconds()),
  };
  const streamed = await withTunnel(
    system,
    (pair, tunnel) => stream(pair, tunnel, Math.max(1, Math.round(minutes * 60))),
    watch,
  );
  const { processes, memory, from, to, ...figures } = streamed;
  // V8 keeps lines back until the program ends.
  await Promise.all(processes.map((running) => running.closed));
  return {
    name: system.name,
    version: versionOf(system),
    ...figures,
    retransmitsPerGb: figures.retransmits / (figures.bytes / 1e9),
    hosts: processes.map(({ pid }, i) =>
      hostFlood(i === 0 ? "a" : "b", memory[i]!, logOf(pid), { from, to })
    ),
  };
}

async function stream(pair: Pair, { target, processes }: Tunnel, seconds: number): Promise<Streamed> {
  await tcp(pair, target, WARM_UP_SECONDS, 1);
  const pids = processes.map(({ pid }) => pid);
  const from = nowSeconds();
  const watches = pids.map((pid) => new MemoryWatch(pid));
  let memory: Streamed["memory"] = [];
  const { result, usage, foreignPercent } = await undisturbed(pids, 0, () => tcp(pair, target, seconds, 1))
    .finally(() => memory = watches.map((watch) => watch.end()));
  const to = nowSeconds();
  const ended = processes.find((running) => running.ended() !== null);
  if (ended !== undefined) throw new Error(`A program ended (${ended.ended()})\n${ended.log()}`);
  if (result === null) throw new Error("The stream broke off: iperf3 gave no figure");
  const stolenPercent = 100 * usage.stolenSeconds / usage.machineSeconds;
  return { ...result, foreignPercent, stolenPercent, processes, memory, from, to };
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
