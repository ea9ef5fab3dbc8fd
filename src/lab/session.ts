/**
 * What every run of the lab has around it: whether this process may do it at all, a directory of its own, signals, and
 * that everything is gone afterwards. Also where it speaks: data on stdout, all else on stderr.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { NetworkSecret } from "../crypto/network_secret.ts";
import { isAlive } from "../sys/process_alive.ts";
import { LabError } from "./hosts.ts";
import { giveNeighboursBack, isNeighbourNote } from "./neighbour_room.ts";
import { whatTheLabLacks } from "./privileges.ts";
import { MAX_HOSTS } from "./topology.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const FOLDER = "ovltun-lab-";

export interface LabSession {
  /** Its own directory, gone when the session ends. */
  readonly folder: string;
  /** Aborted by a signal, with a LabError. */
  readonly stop: AbortSignal;
}

/** Runs `run` and returns its exit code, or 1 when it throws or may not be run, 2 for a number of hosts that is none. */
export async function labSession(
  hosts: number,
  run: (session: LabSession) => Promise<number>,
): Promise<number> {
  if (!(hosts >= 2 && hosts <= MAX_HOSTS)) {
    say(`--hosts must be 2 to ${MAX_HOSTS}, not ${hosts}`);
    return 2;
  }
  const lack = whatTheLabLacks(process.geteuid?.() ?? 0, readFileSync("/proc/self/status", "utf8"));
  if (lack !== null) {
    say(lack);
    return 1;
  }
  const stop = new AbortController();
  const onSignal = () => stop.abort(new LabError("Interrupted: cleaning up"));
  for (const signal of SIGNALS) process.on(signal, onSignal);
  let folder: string | null = null;
  try {
    removeLeftovers();
    folder = mkdtempSync(join(tmpdir(), `${FOLDER}${process.pid}-`));
    return await run({ folder, stop: stop.signal });
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

/** A new network secret in a file that only root reads; it goes with the folder. */
export function writeSecret(folder: string): string {
  const file = join(folder, "secret");
  writeFileSync(file, `${NetworkSecret.create().text()}\n`, { mode: 0o600 });
  return file;
}

/** Directories of labs that were killed, and what they changed of the machine. */
function removeLeftovers(): void {
  giveNeighboursBack();
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(FOLDER) ? Number(name.slice(FOLDER.length).split("-")[0]) : 0;
    if (!(pid > 0) || isAlive(pid) || isNeighbourNote(name)) continue;
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** Resolves when it is written, since the process may end right after. */
export function print(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

export function say(line: string): void {
  process.stderr.write(line + "\n");
}
