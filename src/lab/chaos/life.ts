/**
 * The fourth promise: every host that yields a lease tells its log and its hook. A life is one run of a daemon, from its
 * start to its end; what was seen of it from outside is compared with what it wrote itself. Pure.
 */

export interface Life {
  readonly host: string;
  readonly logFile: string;
  /** Confirmed leases in the order in which they were seen. */
  readonly leases: string[];
  /** By the wall clock, as the log's; null: it still runs. */
  endedAt: number | null;
}

/** What a life left behind. */
export interface Testimony {
  readonly log: string;
  /** Of all lives of the host. */
  readonly hook: string;
}

/** Something said so shortly before the end may not have come to the hook. */
const HOOK_MS = 3000;

/** What was not told, a sentence each. */
export function untold(life: Life, { log, hook }: Testimony): string[] {
  const lines = log.split("\n");
  // BOUNDED: the lines of a file
  const hooked = new Set(hook.split("\n").map((line) => line.split(" ")[0]!));
  const complaints: string[] = [];
  life.leases.forEach((lease, i) => {
    const next = life.leases[i + 1];
    if (next === undefined) return;
    if (!lines.some((line) => isAboutLosing(line, lease))) {
      complaints.push(`${life.host} went from ${lease} to ${next}, and its log does not say so`);
    }
    if (!hooked.has(lease)) {
      complaints.push(`${life.host} went from ${lease} to ${next} without calling its hook`);
    }
  });
  for (const line of lines) {
    const lost = / warn +Lost (\S+): /.exec(line)?.[1];
    if (lost === undefined || hooked.has(lost)) continue;
    const at = Date.parse(line.split(" ")[0]!);
    if (life.endedAt !== null && !(life.endedAt - at > HOOK_MS)) continue;
    complaints.push(`${life.host} lost ${lost} without calling its hook`);
  }
  return complaints;
}

function isAboutLosing(line: string, lease: string): boolean {
  return line.includes(` Lost ${lease}: `) ||
    (line.includes("Lease changed: ") && line.includes(`from=${lease}`));
}
