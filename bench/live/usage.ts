/**
 * Processor time and memory from /proc: of the tunnel's processes, of the whole machine, and of programs that are
 * not ours, which tell whether a figure can be trusted. See proc(5) for the fields.
 */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";

/** USER_HZ, the same on every Linux. */
const TICKS_PER_SECOND = 100;
const KERNEL_THREADS = 2;

interface ProcessTimes {
  readonly parent: number;
  /** Seconds of its own. */
  readonly own: number;
  /** Seconds with those of its children that ended. */
  readonly withChildren: number;
}

export interface Usage {
  readonly tunnelSeconds: number;
  readonly busySeconds: number;
  /** What the hypervisor gave to others. */
  readonly stolenSeconds: number;
  readonly foreignSeconds: number;
  /** All processors' time, idle or not. */
  readonly machineSeconds: number;
}

function timesOf(pid: number): ProcessTimes | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const seconds = (first: number) => (Number(fields[first]) + Number(fields[first + 1])) / TICKS_PER_SECOND;
    return { parent: Number(fields[1]), own: seconds(11), withChildren: seconds(11) + seconds(13) };
  } catch {
    return null; // it ended
  }
}

/** Sum of what neither the kernel's threads nor our own processes used since each of them began. */
function foreign(): number {
  const all = new Map<number, ProcessTimes>();
  for (const name of readdirSync("/proc")) {
    const times = /^\d+$/.test(name) ? timesOf(Number(name)) : null;
    if (times !== null) all.set(Number(name), times);
  }
  const isOurs = (pid: number): boolean => {
    if (pid === process.pid || pid === KERNEL_THREADS) return true;
    const parent = all.get(pid)?.parent ?? 0;
    return parent !== 0 && isOurs(parent);
  };
  let sum = 0;
  for (const [pid, times] of all) if (!isOurs(pid)) sum += times.withChildren;
  return sum;
}

/** The sums so far; the difference of two says what happened between. */
export function usageOf(pids: readonly number[]): Usage {
  const line = readFileSync("/proc/stat", "latin1").split("\n", 1)[0]!;
  const [user, nice, system, idle, iowait, irq, softirq, steal] = line.split(/\s+/).slice(1)
    .map((ticks) => Number(ticks) / TICKS_PER_SECOND) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
  const busySeconds = user + nice + system + irq + softirq;
  return {
    tunnelSeconds: pids.reduce((sum, pid) => sum + (timesOf(pid)?.own ?? 0), 0),
    busySeconds,
    stolenSeconds: steal,
    foreignSeconds: foreign(),
    machineSeconds: busySeconds + idle + iowait + steal,
  };
}

export function usageBetween(before: Usage, after: Usage): Usage {
  const difference = (key: keyof Usage) => Math.max(0, after[key] - before[key]);
  return {
    tunnelSeconds: difference("tunnelSeconds"),
    busySeconds: difference("busySeconds"),
    stolenSeconds: difference("stolenSeconds"),
    foreignSeconds: difference("foreignSeconds"),
    machineSeconds: difference("machineSeconds"),
  };
}

/** Of the larger process, in megabytes; null where there is none. */
export function residentMb(pids: readonly number[]): number | null {
  const sizes = pids.map((pid) => {
    try {
      const text = readFileSync(`/proc/${pid}/status`, "latin1");
      return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1] ?? 0) * 1024 / 1e6;
    } catch {
      return 0;
    }
  });
  return sizes.length === 0 ? null : Math.max(...sizes);
}
