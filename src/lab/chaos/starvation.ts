/**
 * Whether a host of a chaos run got the processor it needed. Where other programs keep the machine busy, a daemon may wait for
 * seconds, and the others are right to call it dead: that is no fault of the mesh. What the lab's own hosts take from one
 * another excuses nothing. From /proc/PID/task/TID/schedstat (time run, time waited, ns) and /proc/stat (proc(5)).
 */
import { readdirSync, readFileSync } from "node:fs";

const WINDOW_MS = 1000;
/** A thread that waited for so much of the window was starved. */
const WAITED = 0.25;
/** Where the hosts themselves use so much of what is used, it is their own doing. */
const OWN_SHARE = 0.5;
const TICK_MS = 10; // USER_HZ is 100 in every user's eyes
/** Names of the data plane's threads: Bun's, Deno's. */
const WORKERS = /^(Worker|worker-\d+)$/m;
/** Of the line `cpu`: user, nice, system, idle, iowait, irq, softirq, steal. */
const IDLE_FIELDS = [3, 4];
const BUSY_FIELDS = 8;

/** What a thread has run and waited since it began, ms. */
export interface ThreadTimes {
  readonly ran: number;
  readonly waited: number;
  /** It decides or moves packets; the runtime's compilers may wait. */
  readonly matters: boolean;
}

/** One look at the machine. */
export interface CpuLook {
  readonly at: number;
  /** Busy time of all processors, ms. */
  readonly busy: number;
  /** Threads of each host by their id. */
  readonly hosts: ReadonlyMap<string, ReadonlyMap<string, ThreadTimes>>;
}

/** The hosts that others starved between two looks. */
export function starvedBetween(before: CpuLook, after: CpuLook): string[] {
  const passed = after.at - before.at;
  const waited = new Map<string, number>(); // BOUNDED: one per host
  let own = 0;
  for (const [host, threads] of after.hosts) {
    for (const [id, times] of threads) {
      const last = before.hosts.get(host)?.get(id);
      if (last === undefined) continue;
      own += times.ran - last.ran;
      if (times.matters) waited.set(host, Math.max(waited.get(host) ?? 0, times.waited - last.waited));
    }
  }
  if (own > OWN_SHARE * (after.busy - before.busy)) return [];
  return [...waited].filter(([, ms]) => ms > WAITED * passed).map(([host]) => host);
}

export class StarvationWatch {
  #last: CpuLook | null = null;

  /** The hosts that were starved since the last look, which is a second ago; `pids` by host. */
  step(pids: () => ReadonlyMap<string, number>, now: number): string[] {
    if (this.#last !== null && now - this.#last.at < WINDOW_MS) return [];
    const before = this.#last;
    this.#last = look(pids(), now);
    return before === null || this.#last === null ? [] : starvedBetween(before, this.#last);
  }
}

/** Null where the kernel does not tell. */
function look(pids: ReadonlyMap<string, number>, at: number): CpuLook | null {
  try {
    const hosts = new Map([...pids].map(([host, pid]) => [host, threadsOf(pid)])); // BOUNDED: one per host
    return { at, busy: busyMs(readFileSync("/proc/stat", "latin1")), hosts };
  } catch {
    return null;
  }
}

/** Busy time in the text of /proc/stat. */
export function busyMs(text: string): number {
  const fields = text.split("\n", 1)[0]!.trim().split(/\s+/).slice(1, 1 + BUSY_FIELDS).map(Number);
  return fields.reduce((sum, ticks, i) => IDLE_FIELDS.includes(i) ? sum : sum + ticks, 0) * TICK_MS;
}

function threadsOf(pid: number): Map<string, ThreadTimes> {
  const threads = new Map<string, ThreadTimes>(); // BOUNDED: the threads of a process
  try {
    for (const id of readdirSync(`/proc/${pid}/task`)) {
      const [ran, waited] = readFileSync(`/proc/${pid}/task/${id}/schedstat`, "latin1").split(" ").map(
        Number,
      );
      if (Number.isFinite(ran) && Number.isFinite(waited)) {
        const matters = id === `${pid}` ||
          WORKERS.test(readFileSync(`/proc/${pid}/task/${id}/comm`, "latin1"));
        threads.set(id, { ran: ran! / 1e6, waited: waited! / 1e6, matters });
      }
    }
  } catch {
    // it, or a thread of it, has just ended
  }
  return threads;
}
