/**
 * Packets that the network between the hosts of a chaos run drops without a word: all in one direction, or some at random.
 * Rules of nftables (nft(8)) for the bridges, in the namespace that goes with the lab. ARP passes: who loses that is told.
 */
import { spawnSync } from "node:child_process";
import { LabError } from "../hosts.ts";
import type { Topology } from "../topology.ts";
import type { Cut, Loss } from "./schedule.ts";

const TABLE = "bridge ovltun_lab";
const NFT_MS = 10_000;

export class Drops {
  readonly #topology: Topology;
  readonly #addresses: ReadonlyMap<string, string>;
  // BOUNDED: those of the schedule that overlap
  readonly #cuts: Cut[] = [];
  #loss: Loss | null = null;

  /** Drops nothing yet. Throws LabError where nftables is not to be had. */
  constructor(topology: Topology) {
    this.#topology = topology;
    this.#addresses = new Map(topology.hosts.map(({ name, underlay }) => [name, underlay])); // BOUNDED: one per host
    this.#load();
  }

  /** Throws LabError, as the others do. */
  cut(cut: Cut): void {
    this.#cuts.push(cut);
    this.#load();
  }

  mend({ from, to }: Cut): void {
    const same = (cut: Cut) => cut.from.join() === from.join() && cut.to.join() === to.join();
    const at = this.#cuts.findIndex(same);
    if (at >= 0) this.#cuts.splice(at, 1);
    this.#load();
  }

  /** Null: none is lost any more. */
  lose(loss: Loss | null): void {
    this.#loss = loss;
    this.#load();
  }

  #load(): void {
    const input = dropRules(this.#cuts, this.#loss, (host) => this.#addresses.get(host)!);
    const { error, status, stderr } = this.#topology.between(() =>
      spawnSync("nft", ["-f", "-"], { input, encoding: "utf8", timeout: NFT_MS })
    );
    if (status === 0) return;
    const why = error === undefined ? stderr.trim() : error.message;
    const missing = (error as { code?: string } | undefined)?.code === "ENOENT";
    throw new LabError(
      missing
        ? "lab --chaos drops packets with nft, which is not here: install nftables"
        : `nft cannot drop packets on the lab's bridge: ${why}`,
    );
  }
}

/** Replaces in one transaction whatever was dropped before. */
export function dropRules(
  cuts: readonly Cut[],
  loss: Loss | null,
  addressOf: (host: string) => string,
): string {
  const set = (hosts: readonly string[]) => `{ ${hosts.map(addressOf).join(", ")} }`;
  const rules = cuts.map(({ from, to }) => `ip saddr ${set(from)} ip daddr ${set(to)} drop`);
  if (loss !== null) {
    const { hosts, percent } = loss;
    // What both ends lose of is not lost twice as often.
    rules.push(`ip saddr ${set(hosts)} numgen random mod 100 < ${percent} drop`);
    rules.push(`ip saddr != ${set(hosts)} ip daddr ${set(hosts)} numgen random mod 100 < ${percent} drop`);
  }
  const chain = ["type filter hook forward priority 0; policy accept;", ...rules].join("\n");
  return `table ${TABLE} {}\ndelete table ${TABLE}\ntable ${TABLE} {\nchain forward {\n${chain}\n}\n}\n`;
}
