/**
 * Names that become addresses: what `--peers` and `--advertise` say is kept resolved, what other nodes tell is looked up
 * when the control plane asks. Nothing waits for it.
 */
import type { Seed } from "../../control/mesh/mesh_config.ts";
import { logger } from "../../log/log.ts";
import type { Machine } from "../../ports/machine.ts";
import { advertisedBy } from "./advertised.ts";
import { Lookup } from "./lookup.ts";
import { Resolver, unresolved } from "./seeds.ts";

export interface NamesGiven {
  readonly port: number;
  readonly peers: readonly string[];
  readonly advertise: readonly string[];
}

/** Gets the answers. */
export interface NamesHeard {
  /** All of `--peers`, whenever one changed. */
  seeds(found: readonly Seed[]): void;
  /** What `--advertise` comes to, endpoints. */
  advertised(endpoints: readonly string[]): void;
  /** What another node's name leads to; nothing while it does not resolve. */
  resolved(name: string, endpoints: readonly string[]): void;
}

export class Names {
  readonly #heard: NamesHeard;
  readonly #resolvers: readonly Resolver[];
  readonly #lookup: Lookup;
  /** What of `--advertise` is left out, as it was logged. BOUNDED: one per entry and what it resolves to. */
  readonly #told = new Set<string>();
  readonly #port: number;

  constructor(
    machine: Pick<Machine, "timers" | "random" | "surroundings">,
    { port, peers, advertise }: NamesGiven,
    heard: NamesHeard,
  ) {
    const { resolve } = machine.surroundings;
    this.#port = port;
    this.#heard = heard;
    this.#lookup = new Lookup(port, resolve);
    const common = { port, machine, lookup: new Lookup(port, resolve, Infinity) };
    this.#resolvers = [
      new Resolver(peers, {
        ...common,
        onChange: (found) => heard.seeds(found),
        onFailure: (text, known) => logger.warn(unresolved("--peers", text, known)),
      }),
      new Resolver(advertise, {
        ...common,
        onChange: (found) => this.#advertise(found),
        onFailure: (text, known) => logger.warn(unresolved("--advertise", text, known)),
      }),
    ];
  }

  start(): void {
    for (const resolver of this.#resolvers) resolver.start();
  }

  close(): void {
    for (const resolver of this.#resolvers) resolver.close();
  }

  /** A name that another node tells. */
  async lookUp(name: string): Promise<void> {
    const endpoints = this.#lookup.crowded ? [] : await this.#lookup.endpoints(name);
    this.#heard.resolved(name, endpoints);
  }

  #advertise(found: readonly Seed[]): void {
    const { endpoints, leftOut } = advertisedBy(found, this.#port);
    for (const line of leftOut) if (!this.#told.has(line)) logger.warn(line);
    for (const line of leftOut) this.#told.add(line);
    this.#heard.advertised(endpoints);
  }
}
