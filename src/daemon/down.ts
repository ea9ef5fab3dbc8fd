/**
 * `ovltun down`: stops the daemon of a run directory and waits until it has gone; without a daemon, takes away
 * what a crash left. With `purge` the lease is given back and nothing of ours stays on the host.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { callApi, NoDaemonError } from "../api/client.ts";
import { SOCKET_NAME } from "../api/schema.ts";
import { removeOwned } from "../host/cleanup.ts";
import { openHostNetwork } from "../sys/host_network.ts";
import { releaseStoredLease } from "./release.ts";
import { IDENTITY_FILE, removeEmptyDirectory, removeStateDir } from "./state_files.ts";
import { openState, type StateStore } from "./state_store.ts";

const GONE_MS = 10_000;
const POLL_MS = 50;

export interface DownOptions {
  readonly runDir: string;
  readonly stateDir: string;
  readonly device: string;
  readonly subnetFile: string;
  readonly purge: boolean;
}

/** Returns what was done, a sentence each. Throws a sentence when something of ours stays. */
export async function down(options: DownOptions): Promise<string[]> {
  const socket = join(options.runDir, SOCKET_NAME);
  const lines: string[] = [];
  const pid = await stopDaemon(socket, options.purge);
  if (pid !== null) lines.push(`Stopped ovltun (pid ${pid})`);
  lines.push(...await cleanUp(options, pid === null));
  remove(socket, lines);
  remove(options.subnetFile, lines);
  if (options.purge) {
    lines.push(...removeStateDir(options.stateDir));
    if (removeEmptyDirectory(options.runDir)) lines.push(`Removed ${options.runDir}`);
  }
  return lines.length === 0 ? ["Nothing to do: no daemon runs and nothing of it is left"] : lines;
}

/** The pid of the daemon that was stopped, or null when none runs. */
async function stopDaemon(socket: string, purge: boolean): Promise<number | null> {
  let pid: number;
  try {
    pid = (await callApi(socket, "stop", { purge })).pid;
  } catch (error) {
    if (error instanceof NoDaemonError) return null;
    throw error;
  }
  for (let waited = 0; waited < GONE_MS; waited += POLL_MS) {
    if (!isAlive(pid)) return pid;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`The daemon (pid ${pid}) does not stop; end it with kill ${pid} and run ovltun down again`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

/** The routes that are marked ours, and after a crash with `purge` the lease. The device died with its daemon. */
async function cleanUp(options: DownOptions, crashed: boolean): Promise<string[]> {
  if (!existsSync(join(options.stateDir, IDENTITY_FILE))) return [];
  let state: StateStore;
  try {
    state = openState(options.stateDir);
  } catch (error) {
    // A damaged state directory must not keep `down --purge` from removing it.
    const reason = error instanceof Error ? error.message : String(error);
    if (options.purge) return [`Gave nothing back: ${reason}`];
    throw error;
  }
  const lines: string[] = [];
  try {
    const network = state.stored?.mesh?.network;
    if (network !== undefined) lines.push(...removeRoutes(network));
    if (crashed && options.purge) lines.push(await releaseStoredLease(state));
  } finally {
    state.close();
  }
  return lines;
}

function removeRoutes(network: string): string[] {
  const net = openHostNetwork();
  try {
    const lines = removeOwned(net, { device: "", network });
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
