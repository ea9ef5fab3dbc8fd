/**
 * `ovltun ping`: asks the daemon where a node is and by which path, then sends real echoes through the overlay. The
 * path is asked for anew before each echo, since it may change while one looks. Composition only; cli/ping.ts prints.
 */
import { callApi } from "../api/client.ts";
import type { Resolved } from "../api/outcomes.ts";
import { ECHO_LEN, openPinger } from "../sys/pinger.ts";

export interface PingOptions {
  readonly socketPath: string;
  /** Name, id prefix, or an address inside a lease. */
  readonly node: string;
  /** By its IPv6 address, where `node` is none itself. */
  readonly ipv6: boolean;
  readonly count: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** One echo: `rttMs` null means no answer, `error` says why, if known. */
export interface PingEcho {
  readonly sequence: number;
  readonly bytes: number;
  readonly rttMs: number | null;
  readonly error: string | null;
  readonly target: Resolved;
}

/** Sends the echoes one by one; `stopped` ends early. Throws NoDaemonError, ApiError, SysError. */
export async function* pingNode(options: PingOptions, stopped: () => boolean): AsyncGenerator<PingEcho> {
  const resolve = (node: string) => callApi(options.socketPath, "resolve", { node });
  let target = await resolve(options.node);
  if (options.ipv6) {
    if (target.address6 === null) throw new Error(`${target.name} has no IPv6 address in the mesh`);
    target = await resolve(target.address6);
  }
  const pinger = openPinger(target.address);
  try {
    for (let i = 0; i < options.count && !stopped(); i++) {
      if (i > 0) {
        await sleep(options.intervalMs, stopped);
        if (stopped()) return;
        target = await resolve(target.address);
      }
      const rttMs = pinger.ping(options.timeoutMs);
      yield { sequence: pinger.sequence, bytes: ECHO_LEN, rttMs, error: pinger.error, target };
    }
  } finally {
    pinger.close();
  }
}

/** Waits in small steps, so that Ctrl-C is heard at once. */
async function sleep(milliseconds: number, stopped: () => boolean): Promise<void> {
  const end = performance.now() + milliseconds;
  for (let left = milliseconds; left > 0 && !stopped(); left = end - performance.now()) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(left, 50)));
  }
}
