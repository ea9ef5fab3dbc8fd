/** `ovltun wait`: returns when the daemon holds a confirmed lease and enough peers have a working path. */
import type { Command } from "commander";
import { callApi, NoDaemonError } from "../api/client.ts";
import type { Status } from "../api/schema.ts";
import { addSettings, integerParser, parseDuration, SOCKET_SETTINGS, socketOf } from "./options.ts";
import { waitingLine } from "./status.ts";

const POLL_MS = 100;
const MAX_PEERS = 16_384;
const DEFAULT_TIMEOUT_MS = 30_000;

export function registerWait(program: Command): void {
  const command = program.command("wait")
    .description(
      "wait for a confirmed lease (and N reachable peers); exits 1 on timeout",
    )
    .option(
      "--peers <N>",
      "number of peers that must be alive with a working path (0)",
      integerParser(0, MAX_PEERS),
    )
    .option("--timeout <DURATION>", "give up after this long, e.g. 500ms, 30s, 2m (30s)", parseDuration);
  addSettings(command, SOCKET_SETTINGS).action(async (options: Record<string, unknown>) => {
    const timeoutMs = (options["timeout"] as number | undefined) ?? DEFAULT_TIMEOUT_MS;
    await waitFor(socketOf(options), (options["peers"] as number | undefined) ?? 0, timeoutMs);
  });
}

/** Polls the daemon. Throws, saying what is missing, when the time is over. */
async function waitFor(path: string, peers: number, timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const left = end - performance.now();
    const missing = await whatIsMissing(path, peers, Math.max(left, POLL_MS));
    if (missing === null) return;
    if (left <= 0) throw new Error(`Gave up after ${timeoutMs / 1000} s: ${missing}`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(POLL_MS, left)));
  }
}

async function whatIsMissing(path: string, peers: number, timeoutMs: number): Promise<string | null> {
  try {
    return missingIn(await callApi(path, "status", {}, { timeoutMs }), peers);
  } catch (error) {
    if (error instanceof NoDaemonError) return error.message;
    if (error instanceof Error && (error as { cause?: { code?: string } }).cause?.code !== "EACCES") {
      return error.message;
    }
    throw error;
  }
}

/** What a status lacks, as a sentence, or null when nothing. */
export function missingIn(status: Status, peers: number): string | null {
  if (status.node.leaseState !== "confirmed") {
    const waiting = status.node.waitingFor.map(waitingLine).join("; ");
    return `the lease is not confirmed (state: ${status.node.leaseState})${
      waiting === "" ? "" : `; ${waiting}`
    }`;
  }
  const working = status.peers.filter((peer) => peer.state === "alive" && peer.path !== "none").length;
  if (working >= peers) return null;
  return `${working} of ${peers} peers are alive with a working path (see: ovltun peers)`;
}
