/**
 * A storm: a mesh whose network loses, doubles and delays, whose clocks run at rates of their own and some of whose hosts are
 * slow, is cut in two or three again and again, sometimes in one direction only, while hosts are killed, come back, some with a
 * disk of long ago or none, others join, two at a time, who want one and the same subnet on both sides, and the secret of a
 * sealed mesh is rotated on one side. Then it is left in peace.
 */

import assert from "node:assert/strict";
import { placeOfGiven } from "../../src/control/secrets/key_ring.ts";
import type { Identity } from "../../src/crypto/identity.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { nthSubnet, prefix } from "../../src/wire/prefix.ts";
import { sealedSetup } from "../made/network_keys.ts";
import { FOUND_OUT_MS, LeaseWatch } from "./lease_watch.ts";
import type { SealedSetup } from "../../src/control/links/sealed_links.ts";
import type { SimNode } from "./sim_node.ts";
import { LIGHT, oneMesh, whyNotOneMesh, World } from "./world.ts";

const NETWORK = prefix("10.42.0.0/16");
const LOOK_MS = 500;
/** What a joiner logs whose token is of before a rotation. */
const OUTDATED = /secret was rotated after our token was issued/;

/** A host as it was once: what a storm begins with. */
export interface Settled {
  readonly identity: Identity;
  readonly disk: string;
}

/** So many hosts that have become one mesh. */
export function settled(n: number, sealed: boolean): Settled[] {
  const world = new World(1, {}, LIGHT);
  for (let i = 0; i < n; i++) world.start(add(world, `n${i}`, { sealed }));
  assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
  world.run(3000); // what is known is on the disks
  return world.nodes.map(({ identity, disk }) => ({ identity, disk: disk! }));
}

/** `wish`: the number of the subnet that it wants. */
function add(
  world: World,
  name: string,
  { sealed, wish = null }: { readonly sealed: boolean; readonly wish?: number | null },
): SimNode {
  const seeds = ["n0", "n1"].filter((one) => one !== name && name !== "n0");
  const node = world.add(name, seeds, {
    network: NETWORK,
    subnetLen: 24,
    subnet: wish === null ? null : nthSubnet(NETWORK, 120, wish),
    plain: !sealed,
  });
  if (sealed) node.sealed = setupOf(NetworkSecret.of(new Uint8Array(32).fill(7)));
  return node;
}

function setupOf(secret: NetworkSecret): SealedSetup {
  const held = { secret, generation: placeOfGiven(secret), used: true };
  return sealedSetup({ keys: [secret.keys("ovltun")], secrets: [held] });
}

export class Storm {
  readonly world: World;
  readonly watch: LeaseWatch;
  readonly #begun: readonly Settled[];
  readonly #sides = new Map<string, number>();
  readonly #sealed: boolean;
  // BOUNDED: those that join
  readonly #joining = new Set<SimNode>();
  #rivals = 0;

  constructor(seed: number, begun: readonly Settled[], sealed: boolean) {
    this.#sealed = sealed;
    const loss = [0.01, 0.05, 0.15][seed % 3]!;
    const world = this.world = new World(
      seed,
      { loss, latency: [0.5, [5, 40][seed % 2]!], doubled: 0.02 },
      LIGHT,
    );
    this.#begun = begun;
    for (const [i, { identity, disk }] of begun.entries()) {
      const node = add(world, `n${i}`, { sealed });
      Object.assign(node, { identity, disk, skew: this.#skew() });
      if (world.random.below(10) === 0) node.cost = () => 2;
      world.startAt(node, world.clock.now() + world.random.below(1000));
    }
    this.watch = new LeaseWatch(world, (node) => this.#side(node.endpoint));
    this.#cut(); // it begins in the middle of one
  }

  #skew() {
    const { random } = this.world;
    return { rate: 0.99 + random.next() * 0.02, offset: random.below(1_000_000) };
  }

  #side(endpoint: string): number {
    return this.#sides.get(endpoint) ?? 0;
  }

  run(ms: number): void {
    for (let left = ms; left > 0; left -= LOOK_MS) {
      this.world.run(Math.min(left, LOOK_MS));
      this.#giveTokens();
      this.watch.look();
    }
  }

  // Some cuts are in one direction only.
  #cut(): void {
    const { network, nodes, random } = this.world;
    const parts = 2 + random.below(2);
    for (const { endpoint } of nodes) this.#sides.set(endpoint, random.below(parts));
    network.partition((endpoint) => this.#side(endpoint), random.below(3) === 0);
  }

  /** Rounds of it. In the first it is cut as it began. */
  rage(rounds: number): void {
    this.run(2000);
    for (let round = 0; round < rounds; round++) {
      if (round > 0) this.#cut();
      this.#disturb();
      this.run(4000 + this.world.random.below(8000));
    }
  }

  // The secret is rotated with the second time.
  #disturb(): void {
    const { world } = this;
    const { random } = world;
    if (this.#sealed && this.#rivals === 1) this.#rotate();
    for (let i = 0; i < 3; i++) this.#strike(world.nodes[random.below(world.nodes.length)]!);
    this.#addRivals();
  }

  #strike(node: SimNode): void {
    const { world } = this;
    if (node.plane !== null) return world.stop(node);
    const i = world.nodes.indexOf(node);
    // A backup: what it knows and holds is of long ago; or its disk was lost.
    const kind = world.random.below(6);
    if (i < this.#begun.length && kind < 2) node.disk = this.#begun[i]!.disk;
    if (kind === 5) node.disk = null;
    world.start(node);
  }

  #rotate(): void {
    const { running } = this.world;
    const secret = NetworkSecret.of(this.world.random.bytes(32));
    this.world.event(running[this.world.random.below(running.length)]!, {
      kind: "rotate",
      secret,
      dropOld: false,
    });
  }

  // Two who want the same, one on each of two sides.
  #addRivals(): void {
    const { world } = this;
    const wish = 200 + this.#rivals;
    for (const side of [0, 1]) {
      const node = add(world, `r${this.#rivals}-${side}`, { sealed: this.#sealed, wish });
      this.#sides.set(node.endpoint, side);
      const near = this.#near(node);
      node.seeds = (near.length > 0 ? near : world.nodes).slice(0, 3).map(({ name }) => name);
      this.#giveToken(node);
      node.skew = this.#skew();
      world.start(node);
      this.#joining.add(node);
    }
    this.#rivals++;
  }

  /** Who runs on the side of this one. */
  #near(node: SimNode): SimNode[] {
    const side = this.#side(node.endpoint);
    return this.world.running.filter((one) => one !== node && this.#side(one.endpoint) === side);
  }

  // As its user is given one on its side.
  #giveToken(node: SimNode): void {
    const member = this.#near(node).find((one) => !this.#joining.has(one));
    const newest = member?.sealed?.secrets?.[0];
    if (newest !== undefined) node.sealed = setupOf(NetworkSecret.parse(newest.secret.text(), ""));
  }

  // Whoever is refused because the secret was rotated since is given another token.
  #giveTokens(): void {
    const { world } = this;
    for (const node of this.#joining) {
      const own = node.plane?.own(node.time(world.clock.now()));
      if (own !== undefined && own.leaseState !== "joining") this.#joining.delete(node);
      if (own?.leaseState !== "joining" || !node.logs.some(({ message }) => OUTDATED.test(message))) continue;
      node.logs = [];
      world.stop(node);
      this.#giveToken(node);
      world.start(node);
    }
  }

  /** Nothing disturbs it any more. Why it is not one mesh after `ms`; null: it was before. */
  peace(ms: number): string | null {
    const { world, watch } = this;
    world.network.partition(null);
    this.#sides.clear();
    world.network.conditions = { ...world.network.conditions, loss: 0.01 };
    for (const node of world.nodes) if (node.plane === null) world.start(node);
    for (let past = 0; past < ms; past += LOOK_MS) {
      this.run(LOOK_MS);
      if (oneMesh(world)) return watch.failure;
      if (past + LOOK_MS === FOUND_OUT_MS && watch.double.length > 0) return `two hold ${watch.double}`;
    }
    return watch.failure ?? whyNotOneMesh(world);
  }
}
