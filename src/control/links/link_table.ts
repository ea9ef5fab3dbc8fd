/**
 * The table of links: one per peer node, by node and by the receiver index we gave it. A link is inserted after a hello
 * with a good signature, counts as up once its endpoint is validated (links.ts), and goes when it is no longer wanted.
 */

import { MAX_PEERS } from "../../ports/devices.ts";
import type { Random } from "../../ports/time.ts";
import { u24 } from "../../wire/bytes.ts";

const UNUSED_LINK_MS = 30_000;

export interface Link {
  readonly id: string;
  /** Plain: what we gave the peer: 24 random bits, then the lane. Never changes while the process lives. */
  readonly receiveIndex: number;
  /** Plain: what the peer gave us; 0 until validated. */
  sendIndex: number;
  /** Sealed: the peer's static key and the boot nonce of the life that we have a session with; else null. */
  staticKey: string | null;
  life: string | null;
  /** Null while not validated, or given up. */
  endpoint: string | null;
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
  readonly #random: Random;
  // BOUNDED: one per peer, ≤ MAX_PEERS
  readonly #links = new Map<string, Link>();
  // BOUNDED: as #links
  readonly #byIndex = new Map<number, Link>();

  constructor(random: Random) {
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
  sweep(wanted: (id: string) => boolean, now: number): void {
    for (const [id, link] of this.#links) {
      if (link.endpoint !== null || wanted(id) || now - link.lastHelloAt < UNUSED_LINK_MS) continue;
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
}

function isUp(link: Link): link is Link & { readonly endpoint: string } {
  return link.endpoint !== null;
}
