/**
 * `ovltun down`: stops the daemon of a run directory and waits until it has gone; without a daemon, takes away
 * what a crash left. With `purge` the lease is given back and nothing of ours stays on the host.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { callApi, HungUpError, NoDaemonError } from "../api/client.ts";
import { type ApiMethods, SOCKET_NAME } from "../api/schema.ts";
import { entryAt } from "../host/subnet_file.ts";
import type { Machine } from "../ports/machine.ts";
import { isAlive } from "../sys/process_alive.ts";
import { listenerPid } from "../sys/unix_peer.ts";
import { clearAll } from "../daemon/host/leftovers.ts";
import { releaseSentence, releaseStoredLease } from "./release.ts";
import { type RunDir, RunDirInUseError, takeLeftRunDir } from "../daemon/state/run_dir.ts";
import {
  IDENTITY_FILE,
  isStateDirOurs,
  removeEmptyDirectory,
  removeStateDir,
  StateInUseError,
} from "../daemon/state/state_files.ts";
import { openState, type StateStore } from "../daemon/state/state_store.ts";

const GONE_MS = 10_000;
const POLL_MS = 50;
/** How long a daemon may hold its directories without serving its socket: at its start, and when /run was emptied. */
const STARTING_MS = 4000;

export interface DownOptions {
  readonly runDir: string;
  readonly stateDir: string;
  readonly device: string;
  readonly subnetFile: string;
  readonly purge: boolean;
}

/** What was done, a sentence each. `foreign`: files of others have the place of ours, and stayed. */
export interface TakenAway {
  readonly lines: readonly string[];
  readonly foreign: boolean;
}

/** Throws a sentence when something of ours stays. `goneMs`: how long a daemon may take to end. */
export async function down(machine: Machine, options: DownOptions, goneMs = GONE_MS): Promise<TakenAway> {
  try {
    return await takeAway(machine, options, goneMs);
  } catch (error) {
    throw explained(error);
  }
}

/** A permission error of the file system as a sentence; any other error as it is. */
export function explained(error: unknown): unknown {
  const { code, path } = error as { code?: string; path?: string };
  if ((code !== "EACCES" && code !== "EPERM") || typeof path !== "string") return error;
  return new Error(`Cannot remove ${JSON.stringify(path)}: ${code} (run as root, like the daemon)`, {
    cause: error,
  });
}

async function takeAway(machine: Machine, options: DownOptions, goneMs: number): Promise<TakenAway> {
  const socket = join(options.runDir, SOCKET_NAME);
  const lines: string[] = [];
  let foreign = false;
  // Held to the end, so that no daemon starts in what is being taken away.
  const { stopped, state, runDir } = await stopAndLock(machine, options, goneMs, lines);
  try {
    if (state !== null && stopped === null && options.purge) {
      lines.push(await releaseStoredLease(machine, state));
    }
    const net = machine.openNetwork();
    const ruleset = machine.openRuleset(false);
    try {
      const cleared = clearAll(
        { net, ruleset, sysctls: machine.sysctls },
        options,
        state?.stored ?? null,
        options.purge,
      );
      lines.push(...cleared.lines);
      foreign ||= cleared.foreign;
    } finally {
      net.close();
      ruleset.close();
    }
    foreign = removeSocket(socket, lines) || foreign;
    if (options.purge) {
      const removed = removeStateDir(options.stateDir);
      lines.push(...removed.lines);
      foreign ||= removed.foreign;
    }
  } finally {
    state?.close();
    runDir?.close();
  }
  if (options.purge && runDir !== null && removeEmptyDirectory(options.runDir)) {
    lines.push(`Removed ${options.runDir}`);
  }
  const nothing = "Nothing to do: no daemon is running and nothing is left of one";
  return { lines: lines.length === 0 ? [nothing] : lines, foreign };
}

/** The socket of a daemon that died. True when something else has its name, which stays. */
function removeSocket(path: string, lines: string[]): boolean {
  const found = entryAt(path);
  if (found === undefined) return false;
  if (!found.isSocket()) {
    lines.push(`Left ${JSON.stringify(path)}: it is not an ovltun socket`);
    return true;
  }
  rmSync(path);
  lines.push(`Removed ${path}`);
  return false;
}

interface Locked {
  readonly stopped: Stopped | null;
  readonly state: StateStore | null;
  readonly runDir: RunDir | null;
}

/**
 * Stops the daemon and takes its directories, which it lets go of as the last of all it does: that is its end, also
 * where its process is of a pid namespace that we do not see. One that is only starting, or whose run directory was
 * emptied, serves its socket in a moment.
 */
async function stopAndLock(
  machine: Machine,
  options: DownOptions,
  goneMs: number,
  lines: string[],
): Promise<Locked> {
  const socket = join(options.runDir, SOCKET_NAME);
  let stopped: Stopped | null = null;
  let pid: number | null = null;
  for (let waited = 0;; waited += POLL_MS) {
    if (stopped === null) {
      pid = listenerPid(socket);
      stopped = await stopDaemon(socket, options.purge);
      if (stopped?.release) lines.push(releaseSentence(stopped.release));
      if (stopped !== null) lines.push(`Stopped ovltun${pid === null ? "" : ` (pid ${pid})`}`);
    }
    const isGone = pid === null || stopped === null || !isAlive(pid);
    let inUse: Error | null = null;
    if (isGone) {
      const locked = lockBoth(machine, options, lines);
      if (!(locked instanceof Error)) return { stopped, ...locked };
      inUse = locked;
    }
    if (waited >= (stopped === null ? STARTING_MS : goneMs)) {
      if (stopped !== null) throw new Error(doesNotStop(pid));
      throw inUse instanceof RunDirInUseError ? new Error(servesNothing(options.runDir)) : inUse;
    }
    await sleep(POLL_MS);
  }
}

/** Only a process that listened at the daemon's socket is named for a kill: its number, as it is in this namespace. */
function doesNotStop(pid: number | null): string {
  return pid === null
    ? "The daemon was told to stop but has not; it runs in another pid namespace (a container?): stop it " +
      "there, then run ovltun down again"
    : `The daemon (pid ${pid}) does not stop; end it with kill -9 ${pid}, then run ovltun down again`;
}

/** "Stop it with ovltun down" would lead back here. */
function servesNothing(runDir: string): string {
  return `A daemon holds the run directory ${
    JSON.stringify(runDir)
  }, but its socket does not answer (see its log): send it SIGTERM, or run systemctl stop ovltun, then run ovltun down again`;
}

/** Both directories, or the error of the one that a daemon has. Throws what else keeps us from taking them. */
function lockBoth(machine: Machine, options: DownOptions, lines: string[]): Omit<Locked, "stopped"> | Error {
  let runDir: RunDir | null = null;
  try {
    runDir = takeLeftRunDir(machine.locks, options.runDir);
    return { runDir, state: openExisting(machine, options, lines) };
  } catch (error) {
    runDir?.close();
    if (error instanceof StateInUseError || error instanceof RunDirInUseError) return error;
    throw error;
  }
}

type Stopped = ApiMethods["stop"]["result"];

/**
 * What the daemon said that was told to stop, or null when none serves the socket, or one that is ending already, by a
 * signal or by another `down`, and hangs up.
 */
async function stopDaemon(socket: string, purge: boolean): Promise<Stopped | null> {
  try {
    return await callApi(socket, "stop", { purge }, { timeoutMs: GONE_MS });
  } catch (error) {
    if (error instanceof NoDaemonError || error instanceof HungUpError) return null;
    throw error;
  }
}

/**
 * The state directory, or null when there is none or it cannot be read: a damaged one does not prevent cleaning up.
 * Throws StateInUseError when a daemon with another run directory has it.
 */
function openExisting(
  machine: Machine,
  { stateDir, purge }: DownOptions,
  lines: string[],
): StateStore | null {
  if (!existsSync(join(stateDir, IDENTITY_FILE)) || !isStateDirOurs(stateDir)) return null;
  try {
    return openState(machine, stateDir);
  } catch (error) {
    if (error instanceof StateInUseError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    lines.push(`${purge ? "No lease released" : "Left the state directory as it is"}: ${reason}`);
    return null;
  }
}
