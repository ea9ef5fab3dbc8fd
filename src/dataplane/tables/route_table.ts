/**
 * Which peer holds an address: the answers given last, and an LRU cache, in front of a longest-prefix table. The table is a
 * binary trie in one Int32Array, IPv4 under one root and IPv6 under another; the packet path only reads. One table answers
 * all three questions about a packet: where its destination goes, whether its source is the sender's, and whether it is for
 * us (our own leases are routes to OWN_SLOT).
 */
import { LRUCache } from "lru-cache";
import { MAX_PEERS } from "../../ports/devices.ts";
import { isIpv4 } from "../../wire/address.ts";
import { i32, u32 } from "../../wire/bytes.ts";
import { ipIsV4 } from "../../wire/ip.ts";
import { IPV4_DESTINATION_AT, IPV4_SOURCE_AT } from "../../wire/ipv4.ts";
import { IPV6_DESTINATION_AT, IPV6_SOURCE_AT } from "../../wire/ipv6.ts";
import type { Prefix } from "../../wire/prefix.ts";

/** Routes of our own leases lead here. */
export const OWN_SLOT = MAX_PEERS;
/** No route. */
export const NO_SLOT = -1;

const NODE_WORDS = 3;
const VALUE = 2;
const ROOT4 = 0;
const ROOT6 = NODE_WORDS;
/** Flows a node talks to at once rarely exceed this; a miss costs one walk of the trie. */
const CACHED_ADDRESSES = 8192;
const TWO_32 = 4294967296;
/** Deletions that do not call for a rebuild however few routes are left. */
const KEPT_REMOVALS = 64;
/** No answer is remembered. */
const STALE = -2;
/** Handed to every `get`, which would make a new one. */
const GET_OPTIONS = {};

interface Cached {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  readonly slot: number;
}

/** Longest-prefix table with its cache. */
export class RouteTable {
  /** BOUNDED: one per lease or own subnet; the control plane holds ≤ MAX_PEERS peers. */
  readonly #routes = new Map<string, { prefix: Prefix; slot: number }>();
  readonly #cache = new LRUCache<number, Cached>({ max: CACHED_ADDRESSES });
  /** IPv4 addresses asked for last, and the answers: packets come in trains. */
  #source = 0;
  #sourceSlot = STALE;
  #destination = 0;
  #destinationSlot = STALE;
  #nodes = new Int32Array(256 * NODE_WORDS);
  #used = 0;
  /** Routes deleted since the trie was built. */
  #removed = 0;

  constructor() {
    this.#rebuild();
  }

  /** Adds or replaces the route of `prefix`. */
  set(text: string, prefix: Prefix, slot: number): void {
    this.#routes.set(text, { prefix, slot });
    this.#insert(prefix, slot);
    this.#forget();
  }

  /** Removes a route; one that does not exist is no error. */
  delete(text: string): void {
    const route = this.#routes.get(text);
    if (route === undefined) return;
    this.#routes.delete(text);
    // The nodes stay, without a value, until as many routes are gone as are left: a rebuild for each of a
    // thousand peers that leave at once would hold packets up.
    if (++this.#removed > this.#routes.size + KEPT_REMOVALS) return this.#rebuild();
    this.#insert(route.prefix, NO_SLOT);
    this.#forget();
  }

  #forget(): void {
    this.#cache.clear();
    this.#sourceSlot = this.#destinationSlot = STALE;
  }

  // Each branch names its length, so that `lookup` is compiled for it: asked for either it takes a third longer.

  /** The slot that holds the source of the IP packet at `at`, or NO_SLOT. */
  sourceOf(b: Uint8Array, at: number): number {
    if (!ipIsV4(b, at)) return this.lookup(b, at + IPV6_SOURCE_AT, 16);
    const source = i32(b, at + IPV4_SOURCE_AT);
    if (source === this.#source && this.#sourceSlot !== STALE) return this.#sourceSlot;
    this.#source = source;
    return this.#sourceSlot = this.lookup(b, at + IPV4_SOURCE_AT, 4);
  }

  /** The slot that holds the destination of the IP packet at `at`, or NO_SLOT. */
  destinationOf(b: Uint8Array, at: number): number {
    if (!ipIsV4(b, at)) return this.lookup(b, at + IPV6_DESTINATION_AT, 16);
    const destination = i32(b, at + IPV4_DESTINATION_AT);
    if (destination === this.#destination && this.#destinationSlot !== STALE) return this.#destinationSlot;
    this.#destination = destination;
    return this.#destinationSlot = this.lookup(b, at + IPV4_DESTINATION_AT, 4);
  }

  /** The slot that holds the address of `length` bytes (4 or 16) at `at`, or NO_SLOT. Allocates only on a miss. */
  lookup(b: Uint8Array, at: number, length: number): number {
    const w3 = i32(b, at + length - 4);
    const v6 = length === 16;
    const w0 = v6 ? i32(b, at) : 0;
    const w1 = v6 ? i32(b, at + 4) : 0;
    const w2 = v6 ? i32(b, at + 8) : 0;
    // IPv4 keys are exact; IPv6 keys are hashes above them, and the entry says whose it is.
    const key = v6 ? TWO_32 + (hash(w0, w1, w2, w3) >>> 0) : u32(b, at);
    const hit = this.#cache.get(key, GET_OPTIONS);
    if (hit !== undefined && hit.w3 === w3 && hit.w2 === w2 && hit.w1 === w1 && hit.w0 === w0) {
      return hit.slot;
    }
    const slot = this.#walk(b, at, length * 8, v6 ? ROOT6 : ROOT4);
    this.#cache.set(key, { w0, w1, w2, w3, slot });
    return slot;
  }

  #walk(b: Uint8Array, at: number, bits: number, root: number): number {
    const nodes = this.#nodes;
    let node = root;
    let slot = nodes[node + VALUE]!;
    for (let i = 0; i < bits; i++) {
      node = nodes[node + ((b[at + (i >> 3)]! >> (7 - (i & 7))) & 1)]!;
      if (node === 0) break;
      const value = nodes[node + VALUE]!;
      if (value !== NO_SLOT) slot = value;
    }
    return slot;
  }

  #insert(prefix: Prefix, slot: number): void {
    const v4 = isIpv4(prefix.address) && prefix.length >= 96;
    let node = v4 ? ROOT4 : ROOT6;
    for (let i = v4 ? 96 : 0; i < prefix.length; i++) {
      const side = node + ((prefix.address[i >> 3]! >> (7 - (i & 7))) & 1);
      let next = this.#nodes[side]!;
      if (next === 0) {
        next = this.#newNode(); // may replace #nodes: assign only afterwards
        this.#nodes[side] = next;
      }
      node = next;
    }
    this.#nodes[node + VALUE] = slot;
  }

  #newNode(): number {
    const node = this.#used;
    this.#used += NODE_WORDS;
    if (this.#used > this.#nodes.length) {
      const larger = new Int32Array(this.#nodes.length * 2);
      larger.set(this.#nodes);
      this.#nodes = larger;
    }
    this.#nodes[node] = 0;
    this.#nodes[node + 1] = 0;
    this.#nodes[node + VALUE] = NO_SLOT;
    return node;
  }

  #rebuild(): void {
    this.#used = 0;
    this.#removed = 0;
    this.#newNode();
    this.#newNode();
    for (const { prefix, slot } of this.#routes.values()) this.#insert(prefix, slot);
    this.#forget();
  }
}

function hash(w0: number, w1: number, w2: number, w3: number): number {
  let h = Math.imul(w0 ^ (w0 >>> 15), 0x2c1b3c6d);
  h = Math.imul((h ^ w1) ^ (h >>> 12), 0x297a2d39);
  h = Math.imul((h ^ w2) ^ (h >>> 15), 0x2c1b3c6d);
  return Math.imul((h ^ w3) ^ (h >>> 13), 0x297a2d39);
}
