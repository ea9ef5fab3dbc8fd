/**
 * `ovltun down`: stops the daemon of a run directory and waits until it has gone; without a daemon, takes away
 * what a crash left. With `purge` the lease is given back and nothing of ours stays on the host.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { callApi, NoDaemonError } from "../api/client.ts";
import { type ApiMethods, SOCKET_NAME } from "../api/schema.ts";
import { removeOwned } from "../host/cleanup.ts";
import { stillHolding } from "../host/left_bridge.ts";
import { readSubnetEnvNetwork } from "../host/subnet_env.ts";
import { openHostNetwork } from "../sys/host_network.ts";
import { isAlive } from "../sys/process_alive.ts";
import { releaseSentence, releaseStoredLease } from "./release.ts";
import { IDENTITY_FILE, removeEmptyDirectory, removeStateDir, StateInUseError } from "./state_files.ts";
import { openState, type StateStore } from "./state_store.ts";

const GONE_MS = 10_000;
const POLL_MS = 50;
/** How long a daemon may hold the state directory before it serves its socket. */
const STARTING_MS = 1000;

export interface DownOptions {
  readonly runDir: string;
  readonly stateDir: string;
  readonly device: string;
  readonly subnetFile: string;
  readonly purge: boolean;
}

/** Returns what was done, a sentence each. Throws a sentence when something of ours stays. */
export async function down(options: DownOptions): Promise<string[]> {
  try {
    return await takeAway(options);
  } catch (error) {
    throw explained(error);
  }
}

/** What the file system refuses somebody who is not root, as a sentence; anything else as it is. */
export function explained(error: unknown): unknown {
  const { code, path } = error as { code?: string; path?: string };
  if ((code !== "EACCES" && code !== "EPERM") || typeof path !== "string") return error;
  return new Error(`Cannot remove ${JSON.stringify(path)}: ${code} (run as root, as the daemon does)`, {
    cause: error,
  });
}

async function takeAway(options: DownOptions): Promise<string[]> {
  const socket = join(options.runDir, SOCKET_NAME);
  const lines: string[] = [];
  // Held to the end, so that no daemon starts in what is being taken away.
  const { stopped, state } = await stopAndLock(socket, options, lines);
  try {
    lines.push(...removeRoutes(state, options));
    if (state !== null && stopped === null && options.purge) lines.push(await releaseStoredLease(state));
    remove(socket, lines);
    remove(options.subnetFile, lines);
    if (options.purge) lines.push(...removeStateDir(options.stateDir));
  } finally {
    state?.close();
  }
  if (options.purge && removeEmptyDirectory(options.runDir)) lines.push(`Removed ${options.runDir}`);
  return lines.length === 0 ? ["Nothing to do: no daemon runs and nothing of it is left"] : lines;
}

/** Stops the daemon and takes its state directory; one that is only starting serves its socket in a moment. */
async function stopAndLock(
  socket: string,
  options: DownOptions,
  lines: string[],
): Promise<{ readonly stopped: Stopped | null; readonly state: StateStore | null }> {
  for (let waited = 0;; waited += POLL_MS) {
    const stopped = await stopDaemon(socket, options.purge);
    if (stopped?.release) lines.push(releaseSentence(stopped.release));
    if (stopped !== null) lines.push(`Stopped ovltun (pid ${stopped.pid})`);
    try {
      return { stopped, state: openExisting(options, lines) };
    } catch (error) {
      if (!(error instanceof StateInUseError) || waited >= STARTING_MS) throw error;
    }
    await sleep(POLL_MS);
  }
}

type Stopped = ApiMethods["stop"]["result"];

/** What the daemon said that was stopped, or null when none runs. */
async function stopDaemon(socket: string, purge: boolean): Promise<Stopped | null> {
  let stopped: Stopped;
  try {
    stopped = await callApi(socket, "stop", { purge }, { timeoutMs: GONE_MS });
  } catch (error) {
    if (error instanceof NoDaemonError) return null;
    throw error;
  }
  const { pid } = stopped;
  for (let waited = 0; waited < GONE_MS; waited += POLL_MS) {
    if (!isAlive(pid)) return stopped;
    await sleep(POLL_MS);
  }
  throw new Error(`The daemon (pid ${pid}) does not stop; end it with kill ${pid} and run ovltun down again`);
}

/**
 * The state directory, or null when there is none or it cannot be read: a damaged one keeps nobody from cleaning up.
 * Throws StateInUseError when a daemon with another run directory has it.
 */
function openExisting({ stateDir, purge }: DownOptions, lines: string[]): StateStore | null {
  if (!existsSync(join(stateDir, IDENTITY_FILE))) return null;
  try {
    return openState(stateDir);
  } catch (error) {
    if (error instanceof StateInUseError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    lines.push(`${purge ? "Gave no lease back" : "Left the state directory as it is"}: ${reason}`);
    return null;
  }
}

/**
 * The routes that are marked ours, into the network that the state and subnet.env, which a crash leaves, tell of.
 * The device died with its daemon. A purge also names what others gave addresses of the mesh: a bridge for containers.
 */
function removeRoutes(state: StateStore | null, { subnetFile, purge }: DownOptions): string[] {
  const networks = new Set([state?.stored?.mesh?.network, readSubnetEnvNetwork(subnetFile)]);
  const net = openHostNetwork();
  try {
    const lines: string[] = [];
    for (const network of networks) {
      if (network == null) continue;
      lines.push(...removeOwned(net, network));
      if (purge) lines.push(...stillHolding(net.links(), net.addresses(), network));
    }
    const failed = lines.find((line) => line.startsWith("Cannot"));
    if (failed !== undefined) throw new Error(failed);
    return lines;
  } finally {
    net.close();
  }
}

function remove(path: string, lines: string[]): void {
  if (!existsSync(path)) return;
  rmSync(path);
  lines.push(`Removed ${path}`);
}
