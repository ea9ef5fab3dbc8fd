/**
 * Our own record: the one record that this node writes. Each change gives it a greater version: a new epoch for news,
 * a new incarnation for a new life (a start, a refutation, catching up with a later version of ourselves).
 * The caller persists the version before the record is sent to any node.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { type Identity, nodeMac } from "../../crypto/identity.ts";
import type { Random } from "../../ports/time.ts";
import { toHex } from "../../wire/bytes.ts";
import { VERSION_LIMIT } from "../../wire/untrusted.ts";
import type { Settings } from "../mesh/mesh_config.ts";
import {
  type Claim,
  DIRECT_ROUTES,
  ENDPOINTS_MAX,
  type NodeRecord,
  type RecordContent,
  recordFits,
  recordName,
  RESERVED_MAX,
  signRecord,
} from "./record.ts";
import type { Prefix } from "../../wire/prefix.ts";
import { ipVersion } from "../../wire/address.ts";

const OBSERVED_MAX = 3;
/** Of those as many have a place in any case. */
const OBSERVED_KEPT = 2;
const OBSERVERS_MAX = 64;
const CLONE_ROUNDS = 3;

export class OwnRecord {
  readonly bootNonce: string;
  incarnation = 0;
  epoch = 0;
  gone = false;
  /** The greatest stamp seen when we left. */
  left = 0;
  claim: Claim | null = null;
  capabilities: readonly string[] = [];
  /** The lease that we gave up last because another claim came first. */
  yielded: { readonly subnet: Prefix; readonly to: string } | null = null;
  readonly #identity: Identity;
  readonly #settings: Settings;
  readonly #networkId: string;
  #endpoints: readonly string[];
  // Where each other node sees us now, the newest to tell last. BOUNDED: ≤ OBSERVERS_MAX
  readonly #observed = new BoundedMap<string, string>(OBSERVERS_MAX);
  // How often a boot nonce outdid us. BOUNDED: ≤ 64
  readonly #foreign = new Map<string, number>();

  constructor(identity: Identity, settings: Settings, networkId: string, random: Random) {
    this.#identity = identity;
    this.#settings = settings;
    this.#networkId = networkId;
    this.#endpoints = settings.ownEndpoints;
    this.bootNonce = toHex(random.bytes(8));
  }

  /** What we advertise: our own knowledge first, then where others see us. */
  get endpoints(): readonly string[] {
    const observed = [...new Set(this.#observed.values())].slice(-OBSERVED_MAX);
    // Where others see us is often all that the outside can use: it has its places beside many addresses of our own.
    const kept = Math.min(OBSERVED_KEPT, observed.length);
    const own = this.#endpoints.slice(0, ENDPOINTS_MAX - kept);
    return [...new Set([...own, ...observed])].slice(0, ENDPOINTS_MAX);
  }

  /** Where others see us and we are not: what a router in between made of our address. IPv6 is not translated. */
  get translated(): readonly string[] {
    return this.endpoints.filter((one) => !this.#endpoints.includes(one) && ipVersion(one) === 4);
  }

  /** Whether this host itself has that address; not where others see it, for they may lie. */
  holds(endpoint: string): boolean {
    return this.#endpoints.includes(endpoint);
  }

  get vtepMac(): string {
    return nodeMac(this.#identity.id);
  }

  /** True when it changes what we advertise. */
  setEndpoints(endpoints: readonly string[]): boolean {
    const before = this.endpoints.join(" ");
    this.#endpoints = endpoints;
    return this.endpoints.join(" ") !== before;
  }

  /** A peer sees us there, and no longer where it saw us before. True when it changes what we advertise. */
  observe(endpoint: string, by: string): boolean {
    const before = this.endpoints.join(" ");
    if (this.#endpoints.includes(endpoint)) this.#observed.delete(by);
    else this.#observed.set(by, endpoint);
    return this.endpoints.join(" ") !== before;
  }

  /**
   * A record with our id and another boot nonce, not older than ours. True when its writer must be running now: it has
   * outdone us CLONE_ROUNDS times, and a former life of ours cannot answer.
   */
  sawForeign(record: NodeRecord): boolean {
    const times = (this.#foreign.get(record.bootNonce) ?? 0) + 1;
    if (this.#foreign.size < 64 || this.#foreign.has(record.bootNonce)) {
      this.#foreign.set(record.bootNonce, times);
    }
    return times >= CLONE_ROUNDS;
  }

  /**
   * Starts a new life above any version that others may know. `epoch` is of that version: where there is no greater
   * incarnation any more, the epochs go on.
   */
  incarnateAbove(incarnation: number, epoch = 0): void {
    const next = Math.max(this.incarnation, incarnation) + 1;
    this.epoch = next < VERSION_LIMIT ? 0 : Math.min(Math.max(this.epoch, epoch) + 1, VERSION_LIMIT - 1);
    this.incarnation = Math.min(next, VERSION_LIMIT - 1);
  }

  /** The next version within this life. */
  nextEpoch(): void {
    this.epoch = Math.min(this.epoch + 1, VERSION_LIMIT - 1);
  }

  /**
   * The record of the present version, signed; `age`: how long we have been running, seconds. Where it would be too long
   * for a datagram, it tells less: the last endpoints are left out first.
   */
  sign(age: number): NodeRecord {
    let content = this.#content(age);
    while (!recordFits(content)) {
      const less = shorter(content);
      if (less === null) break;
      content = less;
    }
    return signRecord(content, this.#identity);
  }

  #content(age: number): RecordContent {
    const settings = this.#settings;
    return {
      id: this.#identity.id,
      staticKey: this.#identity.staticKey,
      networkId: this.#networkId,
      name: recordName(settings.name),
      incarnation: this.incarnation,
      epoch: this.epoch,
      bootNonce: this.bootNonce,
      claims: this.claim === null ? [] : [this.claim],
      reserved: settings.staticPeers.map((p) => p.subnet).slice(0, RESERVED_MAX),
      endpoints: this.endpoints,
      ownEndpoints: this.endpoints.filter((one) => this.#endpoints.includes(one)).length,
      vtepMac: this.vtepMac,
      version: recordName(settings.version).slice(0, 32),
      capabilities: [...this.capabilities, ...(settings.directRouting ? [DIRECT_ROUTES] : [])],
      security: settings.plain ? "plain" : "sealed",
      gone: this.gone,
      ...(this.gone ? { left: this.left } : {}),
      ...(settings.plain ? {} : { clearPaths: settings.allowPlainDirect }),
      age,
      ...(this.yielded === null ? {} : { yielded: this.yielded }),
    };
  }
}

/** Endpoints that a record keeps while it can do without anything else. */
const ENDPOINTS_KEPT = 2;

// What a record does without, one thing at a time, by its worth: endpoints from the end, what only people read, …
function shorter(content: RecordContent): RecordContent | null {
  const { yielded, ...rest } = content;
  const { endpoints, reserved } = rest;
  if (endpoints.length > ENDPOINTS_KEPT) return { ...content, endpoints: endpoints.slice(0, -1) };
  if (yielded !== undefined) return rest;
  if (endpoints.length > 1) return { ...content, endpoints: endpoints.slice(0, -1) };
  return reserved.length > 0 ? { ...content, reserved: reserved.slice(0, -1) } : null;
}
