/**
 * Our own record: the one record that this node writes. Each change gives it a greater version: a new epoch for news,
 * a new incarnation for a new life (a start, a refutation, catching up with a later version of ourselves).
 * The caller persists the version before the record is sent to any node.
 */

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
/** What nobody has confirmed for so long makes room for what somebody sees now. */
const OBSERVED_MS = 600_000;
const CLONE_ROUNDS = 3;

/** What of our record must be on disk before it is said. */
export interface Promised {
  readonly claim: Claim | null;
  readonly capabilities: readonly string[];
}

/** Where a node sees us, and when it said so last. */
interface Sighting {
  readonly endpoint: string;
  readonly at: number;
}

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
  // Where other nodes see us, the newest to tell last. BOUNDED: ≤ OBSERVERS_MAX
  readonly #observed = new Map<string, Sighting>();
  /** Those of them that we tell, in the order in which they came. */
  #told: readonly string[] = [];
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
    const observed = this.#told;
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
    this.#told = this.#told.filter((one) => !endpoints.includes(one));
    return this.endpoints.join(" ") !== before;
  }

  /**
   * A peer sees us there, and no longer where it saw us before. True when it changes what we advertise. A router may show
   * as many addresses as there are peers: those that we tell stay while anybody still sees us there, and make room only when
   * nobody has said so for long.
   */
  observe(endpoint: string, by: string, now: number): boolean {
    const before = this.endpoints.join(" ");
    this.#observed.delete(by);
    if (!this.#endpoints.includes(endpoint)) this.#observed.set(by, { endpoint, at: now });
    if (this.#observed.size > OBSERVERS_MAX) this.#observed.delete(this.#leastOfUse());
    this.#told = this.#chosen(now);
    return this.endpoints.join(" ") !== before;
  }

  /** Whose word counts least: the oldest that no endpoint which we tell depends on. */
  #leastOfUse(): string {
    // BOUNDED: ≤ OBSERVED_MAX
    const seenBy = new Map<string, number>();
    for (const { endpoint } of this.#observed.values()) {
      if (this.#told.includes(endpoint)) seenBy.set(endpoint, (seenBy.get(endpoint) ?? 0) + 1);
    }
    for (const [by, { endpoint }] of this.#observed) if (seenBy.get(endpoint) !== 1) return by;
    return this.#observed.keys().next().value!; // never: they are more than those that we tell
  }

  #chosen(now: number): readonly string[] {
    // BOUNDED: ≤ OBSERVERS_MAX; the newest word for each
    const seenAt = new Map<string, number>();
    for (const { endpoint, at } of this.#observed.values()) {
      seenAt.set(endpoint, Math.max(at, seenAt.get(endpoint) ?? -Infinity));
    }
    const told = this.#told.filter((one) => seenAt.has(one));
    const others = [...seenAt.keys()].filter((one) => !told.includes(one)).reverse();
    for (const other of others) {
      if (told.length >= OBSERVED_MAX) {
        const stale = told.findIndex((one) => now - seenAt.get(one)! > OBSERVED_MS);
        if (stale < 0 || now - seenAt.get(other)! > OBSERVED_MS) break;
        told.splice(stale, 1);
      }
      told.push(other);
    }
    return told;
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
   * for a datagram, it tells less: the last endpoints are left out first. `said`: what it may say of what must be on disk.
   */
  sign(age: number, said: Promised = this): NodeRecord {
    let content = this.#content(age, said);
    while (!recordFits(content)) {
      const less = shorter(content);
      if (less === null) break;
      content = less;
    }
    return signRecord(content, this.#identity);
  }

  #content(age: number, { claim, capabilities }: Promised): RecordContent {
    const settings = this.#settings;
    return {
      id: this.#identity.id,
      staticKey: this.#identity.staticKey,
      networkId: this.#networkId,
      name: recordName(settings.name),
      incarnation: this.incarnation,
      epoch: this.epoch,
      bootNonce: this.bootNonce,
      claims: claim === null ? [] : [claim],
      reserved: settings.staticPeers.map((p) => p.subnet).slice(0, RESERVED_MAX),
      endpoints: this.endpoints,
      ownEndpoints: this.endpoints.filter((one) => this.#endpoints.includes(one)).length,
      vtepMac: this.vtepMac,
      version: recordName(settings.version).slice(0, 32),
      capabilities: [...capabilities, ...(settings.directRouting ? [DIRECT_ROUTES] : [])],
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
