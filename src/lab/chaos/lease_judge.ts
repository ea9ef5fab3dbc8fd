/**
 * The first two promises: no two confirmed holders of one subnet among hosts that have been connected for longer than the
 * probation and 10 s; and none 10 s after a split has healed. Pure: what the hosts say, and what is true of them.
 */
import { pairKey, type World } from "./world.ts";

/** What a host says of itself. Only confirmed leases count. */
export interface Holding {
  readonly host: string;
  readonly subnet: string;
}

/** ovltun's promise for a conflict after a split, ms. */
const HEALED_MS = 10_000;

interface Conflict {
  readonly hosts: readonly [string, string];
  readonly subnet: string;
  readonly since: number;
  told: boolean;
}

/** What is to be told: a conflict that began, one that ended, one that lasts too long. */
export interface LeaseNews {
  readonly kind: "conflict" | "settled" | "violation";
  readonly text: string;
  /** How long the two hosts have held it while they could talk to each other. */
  readonly connectedMs: number;
}

export class LeaseJudge {
  /** BOUNDED: one per pair of hosts and subnet that both hold */
  readonly #conflicts = new Map<string, Conflict>();
  readonly #world: World;
  readonly #startedMs: number;

  /** `probationMs`: of a claim in this mesh. */
  constructor(world: World, probationMs: number) {
    this.#world = world;
    this.#startedMs = probationMs + HEALED_MS;
  }

  /** Of the hosts that do not run nothing may be given: what they held, they may hold again. */
  observe(holdings: readonly Holding[], now: number): LeaseNews[] {
    const news: LeaseNews[] = [];
    const present = new Set<string>(); // BOUNDED: as #conflicts
    for (const [i, one] of holdings.entries()) {
      for (const other of holdings.slice(i + 1)) {
        if (one.subnet !== other.subnet) continue;
        const key = `${pairKey(one.host, other.host)} ${one.subnet}`;
        present.add(key);
        news.push(...this.#present(key, one, other, now));
      }
    }
    for (const [key, { hosts, subnet, since }] of this.#conflicts) {
      if (present.has(key)) continue;
      this.#conflicts.delete(key);
      const connection = this.#world.connection(...hosts);
      const connectedMs = connection === null ? 0 : now - Math.max(since, connection.since);
      const text = `${subnet}: no longer both ${hosts.join(" and ")}, after ${seconds(now - since)}`;
      news.push({ kind: "settled", text, connectedMs });
    }
    return news;
  }

  get conflicts(): number {
    return this.#conflicts.size;
  }

  #present(key: string, one: Holding, other: Holding, now: number): LeaseNews[] {
    const { subnet } = one;
    const connection = this.#world.connection(one.host, other.host);
    const known = this.#conflicts.get(key);
    if (known === undefined) {
      this.#conflicts.set(key, {
        hosts: [one.host, other.host],
        subnet,
        since: now,
        told: false,
      });
      const where = connection === null ? "apart" : "connected";
      const text = `${subnet}: ${one.host} and ${other.host} both hold it (${where})`;
      return [{ kind: "conflict", text, connectedMs: 0 }];
    }
    if (connection === null) return [];
    const since = Math.max(known.since, connection.since);
    if (known.told) return [];
    const allowed = connection.by === "heal" && known.since <= connection.since ? HEALED_MS : this.#startedMs;
    if (now - since <= allowed) return [];
    known.told = true;
    const text =
      `${subnet} is held by ${one.host} and ${other.host}, connected for ${seconds(now - since)} ` +
      `(allowed: ${seconds(allowed)} after ${connection.by === "heal" ? "a split" : "a start"})`;
    return [{ kind: "violation", text, connectedMs: now - since }];
  }
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
