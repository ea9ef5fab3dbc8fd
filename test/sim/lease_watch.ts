/**
 * Watches a simulated mesh for the one thing that must not be: two nodes that can reach each other and both use one subnet, for
 * longer than it takes to find out.
 */

import { probationMs } from "../../src/control/lease/lease.ts";
import type { SimNode } from "./sim_node.ts";
import type { World } from "./world.ts";

/** So long after a claim's probation two holders on one side have found each other. */
export const FOUND_OUT_MS = 10_000;

export class LeaseWatch {
  readonly #world: World;
  readonly #sideOf: (node: SimNode) => number;
  // BOUNDED: pairs that hold one subnet; since when they do on one side
  #since = new Map<string, number>();
  /** The first that lasted too long, for a test's message. */
  failure: string | null = null;
  /** Pairs that held one subnet at some time, on one side or on two. */
  readonly seen = new Set<string>();

  constructor(world: World, sideOf: (node: SimNode) => number) {
    this.#world = world;
    this.#sideOf = sideOf;
  }

  /** Looks now; called again and again while time passes. */
  look(): void {
    const { clock, running } = this.#world;
    const now = clock.now();
    const before = this.#since;
    this.#since = new Map();
    for (const [a, b, subnet] of doubleUses(running, now)) {
      const pair = `${subnet}: ${a.name} and ${b.name}`;
      this.seen.add(pair);
      if (this.#sideOf(a) !== this.#sideOf(b)) continue;
      const since = before.get(pair) ?? now;
      this.#since.set(pair, since);
      const ms = now - since;
      if (ms > probationMs(running.length) + FOUND_OUT_MS) {
        this.failure ??= `${pair} both use it for ${ms} ms on one side`;
      }
    }
  }

  /** Pairs that hold one subnet now, wherever they are. */
  get double(): string[] {
    const { clock, running } = this.#world;
    return doubleUses(running, clock.now()).map(([a, b, subnet]) => `${subnet}: ${a.name} and ${b.name}`);
  }
}

function doubleUses(nodes: readonly SimNode[], now: number): [SimNode, SimNode, string][] {
  // BOUNDED: one per node
  const holders = new Map<string, SimNode>();
  const found: [SimNode, SimNode, string][] = [];
  for (const node of nodes) {
    const { leaseState, subnet } = node.plane!.own(node.time(now));
    if (leaseState !== "confirmed" || subnet === null) continue;
    const other = holders.get(subnet.text);
    if (other === undefined) holders.set(subnet.text, node);
    else found.push([other, node, subnet.text]);
  }
  return found;
}
