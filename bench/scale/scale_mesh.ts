/**
 * A simulated mesh of N hosts for bench/scale.ts, through its life: all of them found it at once, it rests, somebody joins,
 * somebody dies, its secret is rotated, it is cut in two and healed. What each takes is measured in virtual time and in
 * bytes; what a tick takes of this machine's processor is measured in real time.
 */

import process from "node:process";
import type { Action, ControlEvent } from "../../src/control/outbox/events.ts";
import { placeOfGiven } from "../../src/control/secrets/key_ring.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { nthSubnet, prefix } from "../../src/wire/prefix.ts";
import { sealedSetup } from "../../test/made/network_keys.ts";
import type { Cost, SimNode } from "../../test/sim/sim_node.ts";
import { LIGHT, World } from "../../test/sim/world.ts";
import { restoreAll } from "./restored.ts";
import { Sweep } from "./sweep.ts";

const NETWORK = prefix("10.0.0.0/8");
const SUBNET_LEN = 24;
const START_WITHIN_MS = 1000;
/** Newcomers on each side of a partition; each wants what one on the other side wants. */
const RIVALS = 10;
/** Subnets from here on are wished for: nobody draws them, as a rule. */
const FIRST_WISH = 60_000;
const PARTITION_MS = 45_000;

export interface MeshOptions {
  readonly n: number;
  readonly seed: number;
  readonly sealed: boolean;
  readonly loss: number;
  /** Cryptography that takes no time (test/fakes/light_ciphers.ts): figures in virtual time and bytes are the same. */
  readonly light?: boolean;
}

/** How busy a host is with an event, ms: with each, and besides with one that has host and data plane compared. */
export interface Costs {
  readonly event: number;
  readonly reconcile: number;
}

/** What one node sends and takes in a second of virtual time. */
export interface Rate {
  readonly bytes: number;
  readonly datagrams: number;
  /** Of this machine, µs. */
  readonly processorUs: number;
}

/** Subnets held twice when a split is healed; seconds from then until none is, and until all know all; null: not in time. */
export interface Healing {
  readonly conflicts: number;
  readonly single: number | null;
  readonly whole: number | null;
}

export class ScaleMesh {
  readonly world: World;
  readonly #options: MeshOptions;
  #rivals = 0;
  #cost: Cost | null = null;

  constructor(options: MeshOptions) {
    this.#options = options;
    const conditions = { loss: options.loss, latency: [0.5, 20] as [number, number] };
    this.world = options.light
      ? new World(options.seed, conditions, LIGHT)
      : new World(options.seed, conditions);
    this.world.keeps = { logs: 0, disks: false };
    for (let i = 0; i < options.n; i++) {
      this.#add(
        `n${i}`,
        ["n0", "n1", "n2"].filter((one) => one !== `n${i}`),
      );
    }
  }

  #add(name: string, seeds: readonly string[], wish: number | null = null): SimNode {
    const { sealed } = this.#options;
    const node = this.world.add(name, seeds, {
      network: NETWORK,
      subnetLen: SUBNET_LEN,
      plain: !sealed,
      subnet: wish === null ? null : nthSubnet(NETWORK, 96 + SUBNET_LEN, wish),
    });
    node.cost = this.#cost;
    if (sealed) {
      const secret = this.#secret();
      const held = { secret, generation: placeOfGiven(secret), used: true };
      node.sealed = sealedSetup({ keys: [secret.keys(node.settings.networkName)], secrets: [held] });
    }
    return node;
  }

  // The newest, as its user would pass it on.
  #secret(): NetworkSecret {
    const newest = this.world.nodes.find(({ plane }) => plane !== null)?.sealed?.secrets?.[0];
    return newest === undefined
      ? NetworkSecret.of(new Uint8Array(32).fill(7))
      : NetworkSecret.parse(newest.secret.text(), "");
  }

  get #now(): number {
    return this.world.clock.now();
  }

  /** All hosts start within a second. Seconds until everybody has a lease and knows all others; null: not in time. */
  found(withinMs: number): { readonly leased: number | null; readonly whole: number | null } {
    const { world } = this;
    const begun = this.#now;
    for (const node of world.nodes) world.startAt(node, begun + world.random.below(START_WITHIN_MS));
    world.run(START_WITHIN_MS);
    const leased = this.#until((node) => node.leases.length > 0, withinMs - START_WITHIN_MS);
    const leasedAt = this.#now;
    const whole = this.#until((node) => this.#knowsAll(node), withinMs - (leasedAt - begun));
    return {
      leased: leased === null ? null : (leasedAt - begun) / 1000,
      whole: leased === null || whole === null ? null : (this.#now - begun) / 1000,
    };
  }

  /**
   * All hosts start again at once, each from a disk that knows all the others, in the lives in which they know one another: so
   * nobody has anything to tell. Seconds until each holds all for alive, and their leases; null: not in time.
   */
  restored(withinMs: number): number | null {
    const { world } = this;
    const begun = this.#now;
    restoreAll(world.nodes, world.random);
    for (const node of world.nodes) world.startAt(node, begun + world.random.below(START_WITHIN_MS));
    world.run(START_WITHIN_MS);
    const whole = this.#until((node) => this.#knowsAll(node), withinMs - START_WITHIN_MS);
    return whole === null ? null : (this.#now - begun) / 1000;
  }

  #knowsAll(node: SimNode): boolean {
    return node.plane!.leasedSize === this.world.runningSize - 1;
  }

  // Seconds until it is so of every node.
  #until(isSo: (node: SimNode) => boolean, withinMs: number): number | null {
    const begun = this.#now;
    const sweep = new Sweep(this.world.running, (node) => node.plane === null || isSo(node));
    return this.world.runUntil(() => sweep.isDone(), withinMs) ? (this.#now - begun) / 1000 : null;
  }

  /** Nothing happens. */
  rest(ms: number): Rate {
    const { network, running } = this.world;
    const [bytes, sent, cpu] = [network.bytes, network.sent, process.cpuUsage()];
    this.world.run(ms);
    const { user, system } = process.cpuUsage(cpu);
    const nodeSeconds = running.length * ms / 1000;
    return {
      bytes: (network.bytes - bytes) / nodeSeconds,
      datagrams: (network.sent - sent) / nodeSeconds,
      processorUs: (user + system) / nodeSeconds,
    };
  }

  /** A host joins: seconds from its claim until all know its lease, and what that costs each node, bytes above `rest`. */
  join(
    name: string,
    rest: Rate,
    withinMs: number,
  ): { readonly known: number | null; readonly bytes: number } {
    const { world } = this;
    const [begun, before] = [this.#now, world.network.bytes];
    const node = this.#add(name, ["n0", "n1"]);
    world.start(node);
    world.runUntil(() => node.plane!.own(this.#now).subnet !== null, withinMs);
    const { id } = node.identity;
    const known = this.#until(
      (one) => one === node || (one.plane!.peer(id)?.subnet ?? null) !== null,
      withinMs,
    );
    world.run(5000);
    const atRest = rest.bytes * (this.#now - begun) / 1000;
    return { known, bytes: (world.network.bytes - before) / world.running.length - atRest };
  }

  /** A host is gone: seconds until all hold it for dead. */
  kill(node: SimNode, withinMs: number): number | null {
    this.world.stop(node);
    const { id } = node.identity;
    return this.#until((one) => one.plane!.peer(id)?.state === "dead", withinMs);
  }

  /** From now on processors take their time, also those of newcomers. */
  slow({ event, reconcile }: Costs): void {
    const cost = (_: ControlEvent, actions: readonly Action[]) =>
      event + (actions.some(({ kind }) => kind === "reconcile") ? reconcile : 0);
    this.#cost = event + reconcile > 0 ? cost : null;
    for (const node of this.world.nodes) node.cost = this.#cost;
  }

  /** The secret is rotated: seconds until all use the new one. */
  rotate(withinMs: number): number | null {
    const [first] = this.world.running;
    const generation = first!.plane!.own(this.#now).secret!.generation + 1;
    this.world.event(first!, { kind: "rotate", secret: NetworkSecret.create(), dropOld: false });
    return this.#until((node) => {
      const { secret } = node.plane!.own(this.#now);
      return secret?.generation === generation && !secret.underWay;
    }, withinMs);
  }

  /** Cut in halves, with rivals on either side, and healed: seconds until no subnet is held twice, and until all know all. */
  split(name: string, withinMs: number): Healing {
    const { world } = this;
    const half = new Set(world.running.filter((_, i) => i % 2 === 0).map(({ endpoint }) => endpoint));
    const rivals = Array.from({ length: 2 * RIVALS }, (_, i) => {
      const wish = (this.#rivals++) >> 1;
      const node = this.#add(`${name}${i}`, [i % 2 === 0 ? "n0" : "n1"], FIRST_WISH + wish);
      if (i % 2 === 0) half.add(node.endpoint);
      return node;
    });
    world.network.partition((endpoint) => half.has(endpoint) ? 0 : 1);
    world.run(PARTITION_MS / 3);
    for (const node of rivals) world.start(node);
    world.run(2 * PARTITION_MS / 3);
    world.network.partition(null);
    const conflicts = this.#twice(rivals);
    const healed = this.#now;
    const single = world.runUntil(() => this.#twice(rivals) === 0, withinMs)
      ? (this.#now - healed) / 1000
      : null;
    const whole = this.#until((node) => this.#knowsAll(node), withinMs - (this.#now - healed));
    return { conflicts, single, whole: whole === null ? null : (this.#now - healed) / 1000 };
  }

  // Subnets that two of them use.
  #twice(nodes: readonly SimNode[]): number {
    const held = nodes.map(({ plane }) => plane!.own(this.#now))
      .filter(({ leaseState }) => leaseState === "confirmed").map(({ subnet }) => subnet?.text);
    return held.length - new Set(held).size;
  }
}
