/**
 * Which peers' tunnels are to be checked with a packet of full size (RFC 8899 §4.3 calls it a black hole): those where
 * packets go out and nothing comes back, soon; those that carry traffic at all, now and then. Reads the Workers' counters
 * once a second. Idle tunnels cost nothing.
 */
import type { CounterReader } from "../../dataplane/tables/counters.ts";

const EVERY_MS = 1000;
/** Seconds in a row with packets out and none in. */
const STALLED = 2;
const STALLED_AGAIN_MS = 5000;
const BUSY_AGAIN_MS = 10_000;

interface Traffic {
  tx: number;
  rx: number;
  silent: number;
  checkedAt: number;
  sent: boolean;
}

/** How often it is told which tunnels carry traffic. */
const TRAFFIC_MS = 10_000;

export class PathWatch {
  /** BOUNDED: one per peer with a tunnel, ≤ MAX_PEERS. */
  readonly #peers = new Map<string, Traffic>();
  #lookedAt = -Infinity;
  #toldAt = -Infinity;
  /** BOUNDED: as #peers; those that carried traffic since that was told last. */
  #busy = new Set<string>();

  /** The peers to check now, of all that have a tunnel. */
  tick(
    keys: Iterable<string>,
    slotOf: (key: string) => number | null,
    counters: Pick<CounterReader, "peer">,
    now: number,
  ): string[] {
    if (now - this.#lookedAt < EVERY_MS) return [];
    this.#lookedAt = now;
    const due: string[] = [];
    const seen = new Set<string>(); // BOUNDED: as #peers
    for (const key of keys) {
      const slot = slotOf(key);
      if (slot === null) continue;
      seen.add(key);
      const { txPackets: tx, rxPackets: rx } = counters.peer(slot);
      const before = this.#peers.get(key);
      if (before === undefined) this.#peers.set(key, { tx, rx, silent: 0, checkedAt: now, sent: false });
      else {
        if (tx !== before.tx || rx !== before.rx) this.#busy.add(key);
        if (look(before, tx, rx, now)) due.push(key);
      }
    }
    for (const key of this.#peers.keys()) if (!seen.has(key)) this.#peers.delete(key);
    return due;
  }

  /** The peers whose tunnels have carried traffic, now and then; empty in between. */
  traffic(now: number): string[] {
    if (this.#busy.size === 0 || now - this.#toldAt < TRAFFIC_MS) return [];
    this.#toldAt = now;
    const busy = [...this.#busy];
    this.#busy = new Set();
    return busy;
  }
}

function look(traffic: Traffic, tx: number, rx: number, now: number): boolean {
  const out = tx > traffic.tx;
  if (rx !== traffic.rx) traffic.silent = 0;
  else if (out) traffic.silent++;
  traffic.sent ||= out;
  traffic.tx = tx;
  traffic.rx = rx;
  const again = traffic.silent < STALLED
    ? BUSY_AGAIN_MS
    : traffic.silent === STALLED
    ? STALLED * EVERY_MS
    : STALLED_AGAIN_MS;
  if (!traffic.sent || now - traffic.checkedAt < again) return false;
  traffic.checkedAt = now;
  traffic.sent = false;
  return true;
}
