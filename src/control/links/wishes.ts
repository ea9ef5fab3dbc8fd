/**
 * With whom we want a link, and what that means for a target: whether a node is missed there, how long to wait between
 * two tries, and whether both sides have to punch. Pure bookkeeping; links.ts asks.
 */

import type { OwnNode } from "../outbox/own_node.ts";
import type { LinkTable } from "./link_table.ts";
import { restart, RETRY_MAX_MS, type Target, type Targets } from "./targets.ts";

/** Hellos a second to all the dead together. */
const DEAD_PER_SECOND = 20;
/** So many addresses of one node that never answered are tried as often as one; more share that. */
const SILENT_FREE = 3;

/** What is wanted of a node. */
export interface Wish {
  readonly endpoints: readonly string[];
  /** Those of them that a router made up. */
  readonly translated: readonly string[];
  /** It counts as dead: it is tried less often. */
  readonly dead: boolean;
}

export class Wishes {
  readonly #own: OwnNode;
  readonly #targets: Targets;
  readonly #table: LinkTable;
  // BOUNDED: as the store, ≤ MAX_PEERS: nodes we want a link with
  readonly #wanted = new Map<string, Wish>();
  #dead = 0;

  constructor(own: OwnNode, targets: Targets, table: LinkTable) {
    this.#own = own;
    this.#targets = targets;
    this.#table = table;
  }

  get(id: string): Wish | undefined {
    return this.#wanted.get(id);
  }

  /** A node to have a link with. */
  add(id: string, wish: Wish, now: number): void {
    const before = this.#wanted.get(id);
    this.#dead += Number(wish.dead) - Number(before?.dead ?? false);
    this.#wanted.set(id, wish);
    this.#targets.name("nodes", id, wish.endpoints, now);
    // It is back, and calls us as we call it.
    if (!before?.dead || wish.dead) return;
    for (const target of this.#targets.all()) if (target.nodes.has(id)) restart(target, now);
  }

  /** A node that is gone for good. */
  drop(id: string, now: number): void {
    if (this.#wanted.get(id)?.dead) this.#dead--;
    this.#wanted.delete(id);
    this.#targets.name("nodes", id, [], now);
  }

  /** Whether a seed or a wanted node that names the target has no link. */
  misses({ seeds, nodes, answeredBy }: Target): boolean {
    if (seeds.size > 0 && (answeredBy === null || !this.#table.isUp(answeredBy))) return true;
    for (const id of nodes) if (this.#wanted.has(id) && !this.#table.isUp(id)) return true;
    return false;
  }

  /** The longest wait between two tries. The dead are tried every 5 s while they are few, and share a rate when they are many. */
  longestWait(target: Target): number {
    const nodes = [...target.nodes].map((id) => this.#wanted.get(id));
    const onlyDead = target.seeds.size === 0 && nodes.every((node) => node?.dead);
    const wait = onlyDead ? Math.max(RETRY_MAX_MS, (this.#dead / DEAD_PER_SECOND) * 1000) : RETRY_MAX_MS;
    if (target.seeds.size > 0 || target.answeredBy !== null || nodes.length === 0) return wait;
    return wait * Math.max(1, Math.min(...nodes.map((node) => node?.endpoints.length ?? 1)) / SILENT_FREE);
  }

  /**
   * Punching needs a time table where a router on either side makes up the addresses; null: it does not here. Nobody has to
   * wait for the one of a node that counts as dead: it calls when it is back.
   */
  punches(target: Target): { readonly smaller: boolean } | null {
    if (target.nodes.size !== 1 || !this.#own.member() || !this.#own.translated()) return null;
    const [id] = target.nodes;
    const wish = this.#wanted.get(id!);
    if (wish === undefined || wish.dead || !wish.translated.includes(target.endpoint)) return null;
    return { smaller: this.#own.identity.id < id! };
  }
}
