/**
 * What the daemons of a chaos run say of their leases, asked again and again over their control sockets. Tells what
 * changed; keeps who has which address now.
 */
import type { Status } from "../../api/schema.ts";
import type { ChaosHost } from "./chaos_host.ts";
import type { Holding } from "./lease_judge.ts";
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

const ASK_EVERY_MS = 400;

export interface LeaseWatchEvents {
  /** A running host has another lease than before; `from` null: its first in this life. */
  leaseChanged(host: string, from: string | null, to: string): void;
  /** It has no confirmed lease any more. */
  leaseLost(host: string, state: string): void;
  /** All that is known now. */
  seen(holdings: readonly Holding[]): void;
}

interface Known {
  readonly life: Life;
  readonly id: string;
  readonly subnet: string;
  readonly address: string;
}

export class LeaseWatch {
  /** BOUNDED: one per host */
  readonly #known = new Map<string, Known>();
  readonly #hosts: readonly ChaosHost[];
  readonly #world: World;
  readonly #events: LeaseWatchEvents;
  #asking: Promise<void> | null = null;
  #askedAt = -Infinity;

  constructor(hosts: readonly ChaosHost[], world: World, events: LeaseWatchEvents) {
    this.#hosts = hosts;
    this.#world = world;
    this.#events = events;
  }

  /** Asks when it is time to. */
  step(now: number): void {
    if (this.#asking !== null || now - this.#askedAt < ASK_EVERY_MS) return;
    this.#askedAt = now;
    this.#asking = this.ask().finally(() => this.#asking = null);
    this.#asking.catch(() => {}); // of programming errors `settled` tells
  }

  /** Waits for what is under way. */
  async settled(): Promise<void> {
    await this.#asking;
  }

  async ask(): Promise<void> {
    await Promise.all(this.#hosts.map(async (host) => {
      const life = host.lives.at(-1);
      if (life === undefined || !this.#world.isUp(host.name)) return;
      const status = await host.status();
      // What was asked for may have ended meanwhile; who does not answer has what it had.
      if (status !== null && host.lives.at(-1) === life && this.#world.isUp(host.name)) {
        this.#take(host, life, status);
      }
    }));
    this.#events.seen(this.holdings());
  }

  /** What any host held when last seen. */
  lastHeld(): Set<string> {
    return new Set([...this.#known.values()].map(({ subnet }) => subnet));
  }

  /** Of the hosts that are up. */
  holdings(): Holding[] {
    return [...this.#present()].map(([host, { subnet }]) => ({ host, subnet }));
  }

  /** The overlay address of each host that is up and has a lease. */
  addresses(): Map<string, string> {
    return new Map([...this.#present()].map(([host, { address }]) => [host, address]));
  }

  /** Node id of a host, as last seen. */
  idOf(host: string): string | null {
    return this.#known.get(host)?.id ?? null;
  }

  *#present(): Generator<[string, Known]> {
    for (const host of this.#hosts) {
      const known = this.#known.get(host.name);
      if (known !== undefined && known.life === host.lives.at(-1) && this.#world.isUp(host.name)) {
        yield [host.name, known];
      }
    }
  }

  #take({ name }: ChaosHost, life: Life, { node }: Status): void {
    const before = this.#known.get(name);
    const { id, subnet, address, leaseState } = node;
    if (leaseState !== "confirmed" || subnet === null || address === null) {
      if (this.#known.delete(name) && before?.life === life) this.#events.leaseLost(name, leaseState);
      return;
    }
    this.#known.set(name, { life, id, subnet, address });
    const last = life.leases.at(-1) ?? null;
    if (last === subnet) return;
    life.leases.push(subnet);
    this.#events.leaseChanged(name, last, subnet);
  }
}
