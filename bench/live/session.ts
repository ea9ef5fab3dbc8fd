/** One system between two new hosts: started, answering, measured, removed. */
import { Pair, type Watch } from "./hosts.ts";
import type { System, Tunnel } from "./system.ts";
import { awaitAnswer } from "./traffic.ts";

const START_MS = 20_000;

/** The hosts of the session that runs, for whoever must stop it. */
let current: Pair | null = null;
let stopped = false;

/** Ends the session that runs, and every later one at its start. */
export async function stopSessions(): Promise<void> {
  stopped = true;
  await current?.close();
}

/**
 * Runs `fn` with a system that answers. Throws when it does not start or does not answer, with what its programs
 * said.
 */
export async function withTunnel<T>(
  system: System,
  fn: (pair: Pair, tunnel: Tunnel) => Promise<T>,
  watch: Watch | null = null,
): Promise<T> {
  if (stopped) throw new Error("Stopped");
  const pair = current = new Pair(watch);
  try {
    await pair.open();
    const tunnel = await system.start(pair);
    try {
      await awaitAnswer(pair, tunnel.target, START_MS);
    } catch (cause) {
      const logs = tunnel.processes.map((running) => running.log()).filter((log) => log !== "");
      throw new Error([`${system.name} does not answer`, ...logs].join("\n"), { cause });
    }
    return await fn(pair, tunnel);
  } finally {
    await pair.close();
    current = null;
  }
}
