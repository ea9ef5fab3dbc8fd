/**
 * The links, those that there are and those that are wanted: one per peer node, by node and by the receiver index we gave
 * it. A link is inserted after a hello with a good signature, counts as up once its endpoint is validated (links.ts), and
 * goes when it is no longer wanted. By what is wanted a target is tried: whether a node is missed there. How often is
 * pacing.ts's. Pure bookkeeping; links.ts asks.
 */

import { MAX_PEERS } from "../../ports/devices.ts";
import type { Random } from "../../ports/time.ts";
import { u24 } from "../../wire/bytes.ts";
import type { Target } from "./target.ts";
import type { Targets } from "./targets.ts";

const UNUSED_LINK_MS = 30_000;

/** What is wanted of a node. */
export interface Wish {
  readonly endpoints: readonly string[];
  /** Those of them that a router made up. */
  readonly translated: readonly string[];
  /** It counts as dead: it is tried less often. */
  readonly dead: boolean;
}

export interface Link {
  readonly id: string;
  /** Plain: what we gave the peer: 24 random bits, then the lane. Never changes while the process lives. */
  readonly receiveIndex: number;
  /** Plain: what the peer gave us; 0 until validated. */
  sendIndex: number;
  /** Sealed: the peer's static key and the boot nonce of the life that we have a session with; else null. */
  staticKey: string | null;
  life: string | null;
  /** Null while not validated, or given up. Changed by the table alone, which finds links by it. */
  readonly endpoint: string | null;
  /** Of the hello or handshake that was verified last. */
  member: boolean;
  /** Hash of the mesh that its last gossip named; null while it is joining, undefined before any gossip. */
  mesh: string | null | undefined;
  /** Whether it knows the mesh's records, as its last sync said; undefined before any. */
  informed: boolean | undefined;
  since: number;
  lastHelloAt: number;
  lastHeardAt: number;
}

export class LinkTable {
  readonly #targets: Targets;
  readonly #random: Random;
  // BOUNDED: as the store, ≤ MAX_PEERS: nodes we want a link with
  readonly #wanted = new Map<string, Wish>();
  #deadEndpoints = 0;
  /** Whether a seed that this node answers needs no link. */
  spares: (id: string) => boolean = () => false;
  // BOUNDED: one per peer, ≤ MAX_PEERS
  readonly #links = new Map<string, Link>();
  // BOUNDED: as #links
  readonly #byIndex = new Map<number, Link>();
  // BOUNDED: as #links; those that are up
  readonly #byEndpoint = new Map<string, Set<Link>>();

  constructor(targets: Targets, random: Random) {
    this.#targets = targets;
    this.#random = random;
  }

  get(id: string): Link | undefined {
    return this.#links.get(id);
  }

  byIndex(index: number): Link | undefined {
    return this.#byIndex.get(index);
  }

  /** Whether the link of this node is validated. */
  isUp(id: string): boolean {
    const link = this.#links.get(id);
    return link !== undefined && isUp(link);
  }

  /** The validated links at this endpoint: nodes behind one address, few. */
  at(endpoint: string): Iterable<Link> {
    return this.#byEndpoint.get(endpoint) ?? [];
  }

  /** Whether there is one. */
  isAt(endpoint: string): boolean {
    return this.#byEndpoint.has(endpoint);
  }

  /** The peer of this link has shown that it receives there; null: it is not known to receive anywhere. */
  move(link: Link, endpoint: string | null): void {
    const before = link.endpoint;
    if (before === endpoint) return;
    if (before !== null) {
      const those = this.#byEndpoint.get(before);
      those?.delete(link);
      if (those?.size === 0) this.#byEndpoint.delete(before);
    }
    (link as { endpoint: string | null }).endpoint = endpoint;
    if (endpoint === null) return;
    const those = this.#byEndpoint.get(endpoint) ?? new Set();
    this.#byEndpoint.set(endpoint, those.add(link));
  }

  /** Validated links. */
  *up(): Iterable<Link & { readonly endpoint: string }> {
    for (const link of this.#links.values()) if (isUp(link)) yield link;
  }

  /** Whether a hello arrived within `ms` from a node we have not validated yet. */
  halfOpen(ms: number, now: number): boolean {
    for (const link of this.#links.values()) {
      if (link.endpoint === null && now - link.lastHelloAt < ms) return true;
    }
    return false;
  }

  /** The link to a node that has just proved its identity, new if need be; null when the table is full. */
  obtain(id: string, member: boolean, now: number): Link | null {
    const known = this.#links.get(id);
    if (known !== undefined) {
      known.member = member;
      known.lastHelloAt = now;
      return known;
    }
    if (this.#links.size >= MAX_PEERS) return null;
    const link: Link = {
      id,
      receiveIndex: this.#freshIndex(),
      sendIndex: 0,
      staticKey: null,
      life: null,
      endpoint: null,
      member,
      mesh: undefined,
      informed: undefined,
      since: now,
      lastHelloAt: now,
      lastHeardAt: now,
    };
    this.#links.set(id, link);
    this.#byIndex.set(link.receiveIndex, link);
    return link;
  }

  /** Drops links that are down, unwanted and unused. */
  sweep(now: number): void {
    for (const [id, link] of this.#links) {
      if (link.endpoint !== null || this.#wanted.has(id) || now - link.lastHelloAt < UNUSED_LINK_MS) continue;
      this.#links.delete(id);
      this.#byIndex.delete(link.receiveIndex);
    }
  }

  #freshIndex(): number {
    let index = 0;
    while (index === 0 || this.#byIndex.has(index)) {
      index = u24(this.#random.bytes(3), 0) * 256; // the low byte is the lane, 0
    }
    return index;
  }

  // -------------------------------------------------------------------------------------- what is wanted

  /** With how many nodes a link is wanted. */
  get wanted(): number {
    return this.#wanted.size;
  }

  /** What is wanted of a node; undefined: nothing. */
  wish(id: string): Wish | undefined {
    return this.#wanted.get(id);
  }

  /** Of all wanted nodes that count as dead. */
  get deadEndpoints(): number {
    return this.#deadEndpoints;
  }

  /** A node to have a link with. */
  want(id: string, wish: Wish, now: number): void {
    const before = this.#wanted.get(id);
    this.#deadEndpoints += deadOf(wish) - deadOf(before);
    this.#wanted.set(id, wish);
    this.#targets.name("nodes", id, wish.endpoints, now);
    // It is back, and calls us as we call it.
    if (!before?.dead || wish.dead) return;
    for (const target of this.#targets.namedBy("nodes", id)) this.#targets.restart(target, now);
  }

  /** A node that is gone for good. */
  unwant(id: string, now: number): void {
    this.#deadEndpoints -= deadOf(this.#wanted.get(id));
    this.#wanted.delete(id);
    this.#targets.name("nodes", id, [], now);
  }

  /** Whether only seeds name it, and the node that answers there needs no link. */
  isSpared({ seeds, nodes, answeredBy }: Target): boolean {
    return seeds.size > 0 && nodes.size === 0 && answeredBy !== null && this.spares(answeredBy);
  }

  /** Whether a seed or a wanted node that names the target has no link. */
  misses({ seeds, nodes, answeredBy }: Target): boolean {
    const missed = answeredBy === null || (!this.isUp(answeredBy) && !this.spares(answeredBy));
    if (seeds.size > 0 && missed) return true;
    for (const id of nodes) if (this.#wanted.has(id) && !this.isUp(id)) return true;
    return false;
  }
}

function deadOf(wish: Wish | undefined): number {
  return wish?.dead ? wish.endpoints.length : 0;
}

function isUp(link: Link): link is Link & { readonly endpoint: string } {
  return link.endpoint !== null;
}
