/**
 * The merged records of all nodes: per node the greatest version, a join in the sense of CRDTs, so the order and the
 * number of deliveries do not matter. Two contents under one version mean that two hosts run with one identity (or
 * that one was restored from a backup): the greater boot nonce wins, then the greater bytes, the same everywhere.
 *
 * Who is there and who has left for good are kept apart: a node that left leaves a tombstone (tombstones.ts) and its place.
 * Places are given in the order in which the records come and are not taken away again, so that no flood of new nodes drives
 * out those that are there; our own is kept free. Whom nobody else has room for gets no acknowledgement of a claim. What a
 * directive has the mesh forget is left out by the caller (node/forget_steps.ts): the directive itself is the floor.
 */

import { shortId } from "../../crypto/identity.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import { compareBytes } from "../../wire/bytes.ts";
import { isNamed } from "../../wire/named_endpoint.ts";
import { HashTree } from "./hash_tree.ts";
import type { NodeRecord } from "./record.ts";
import { Tombstones } from "./tombstones.ts";

/** Nodes of one mesh, ourselves included: as many as there are slots for peers. */
export const MAX_RECORDS = MAX_PEERS;
export const MAX_TOMBSTONES = 65_536;

const FORMER_BOOTS = 4;
/** Stamps of an honest mesh that follow one another are closer than that. */
const STAMP_STEP_MAX = 2 ** 16;

interface Entry {
  readonly record: NodeRecord;
  /** Boot nonces of earlier versions, newest last. */
  readonly former: readonly string[];
}

export interface Insertion {
  /** The record that is new to us, or null when we knew as much, or have no room. */
  readonly delta: NodeRecord | null;
  /** Two hosts write records of this node: one version with two contents, or a former boot nonce come back. */
  readonly clone: boolean;
  /** There is no place left for this node. */
  readonly full?: true;
}

/** How much there is room for, and whose place is kept. */
export interface StoreLimits {
  /** Our own id; null: nobody's place is kept. */
  readonly own?: string | null;
  readonly records?: number;
  readonly tombstones?: number;
}

/** Negative when `a` is older than `b` by (incarnation, epoch), positive when newer, 0 when equal. */
export function compareVersions(
  a: { readonly incarnation: number; readonly epoch: number },
  b: { readonly incarnation: number; readonly epoch: number },
): number {
  return a.incarnation - b.incarnation || a.epoch - b.epoch;
}

/** The total order of two records of one node: version, boot nonce, bytes. */
export function compareRecords(a: NodeRecord, b: NodeRecord): number {
  if (a === b) return 0;
  const version = compareVersions(a, b);
  if (version !== 0) return version;
  if (a.bootNonce !== b.bootNonce) return a.bootNonce < b.bootNonce ? -1 : 1;
  return compareBytes(a.raw, b.raw);
}

export class Store {
  readonly #own: string | null;
  readonly #max: number;
  // BOUNDED: one per node that is there, ≤ #max
  readonly #entries = new Map<string, Entry>();
  readonly #gone: Tombstones;
  /** Our own tombstone, while we are on our way out: it has a place as our record had. */
  #ownGone: NodeRecord | undefined;
  // BOUNDED: as #entries; those whose endpoints have names
  readonly #named = new Set<string>();
  readonly #tree = new HashTree();
  readonly #listeners: ((id: string) => void)[] = [];
  #ownUntold = false;
  #greatestStamp = 0;
  #stampsOf = -1;
  #version = 0;

  constructor({ own = null, records = MAX_RECORDS, tombstones = MAX_TOMBSTONES }: StoreLimits = {}) {
    this.#own = own;
    this.#max = records;
    this.#gone = new Tombstones(tombstones);
  }

  /** Merges one record whose signature was verified. */
  insert(record: NodeRecord): Insertion {
    const entry = this.#entries.get(record.id);
    const known = this.get(record.id);
    const order = known === undefined ? 1 : compareRecords(record, known);
    const again = entry !== undefined && order > 0 && entry.former.includes(record.bootNonce);
    const clone = again || (known !== undefined && order !== 0 && compareVersions(record, known) === 0);
    if (order <= 0) return { delta: null, clone };
    if (!record.gone && entry === undefined && !this.hasRoomFor(record.id)) {
      return { delta: null, clone, full: true };
    }
    if (known !== undefined) this.#climb(known.claims);
    if (!(record.gone ? this.#bury(record) : this.#keep(record, entry))) return { delta: null, clone };
    this.#changed(record.id);
    return { delta: record, clone };
  }

  /** Whether a node has a place, or would get one. */
  hasRoomFor(id: string): boolean {
    if (id === this.#own || this.#entries.has(id)) return true;
    const others = this.#entries.size - (this.#own !== null && this.#entries.has(this.#own) ? 1 : 0);
    return others < this.#max - (this.#own === null ? 0 : 1);
  }

  /** How many nodes there is room for. */
  get capacity(): number {
    return this.#max;
  }

  /** Leaves out what a directive has the mesh forget. */
  drop(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#climb(entry.record.claims);
    this.#entries.delete(id);
    if (!this.#gone.delete(id) && entry === undefined) return;
    this.#named.delete(id);
    this.#tree.delete(id);
    this.#changed(id);
  }

  /** The record of a node, or its tombstone. */
  get(id: string): NodeRecord | undefined {
    return this.#entries.get(id)?.record ?? (id === this.#own ? this.#ownGone : this.#gone.get(id));
  }

  /** Whether a node has a record here that is no tombstone. */
  isThere(id: string): boolean {
    return this.#entries.has(id);
  }

  /** What people call a node: as its record says, else the beginning of its id. */
  nameOf(id: string): string {
    return this.get(id)?.name ?? shortId(id);
  }

  /** Whether this boot nonce is of an earlier life of the node than its record. */
  isFormer(id: string, life: string): boolean {
    return this.#entries.get(id)?.former.includes(life) ?? false;
  }

  /** The records of all nodes that are there, in no order. */
  *records(): Iterable<NodeRecord> {
    for (const entry of this.#entries.values()) yield entry.record;
  }

  /** Those of them with names among their endpoints. */
  *named(): Iterable<NodeRecord> {
    for (const id of this.#named) yield this.#entries.get(id)!.record;
  }

  /** The tombstones of those who have left, as the state keeps them: base64. */
  tombstones(): Iterable<string> {
    return this.#gone.texts();
  }

  /** The same, each with the id of its node. */
  gone(): Iterable<{ readonly id: string; readonly raw: Uint8Array }> {
    return this.#gone.all();
  }

  get goneSize(): number {
    return this.#gone.size;
  }

  /** How many nodes are there. */
  get size(): number {
    return this.#entries.size;
  }

  /** Changes with every change of the content: to know whether something derived is still right. */
  get version(): number {
    return this.#version;
  }

  /** Calls `listener` with the id of each record that changes, comes or goes. */
  onChange(listener: (id: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Records and tombstones as they are compared with those of another node. */
  get tree(): HashTree {
    return this.#tree;
  }

  /** Keeps our own record out of comparisons until it may be told. */
  keepOwnUntold(untold: boolean): void {
    if (this.#own === null || untold === this.#ownUntold) return;
    this.#ownUntold = untold;
    const own = this.get(this.#own);
    if (own === undefined) return;
    if (untold) this.#tree.delete(own.id);
    else this.#plant(own);
  }

  /**
   * The greatest Lamport stamp ever seen in a claim, as far as the stamps reach up to it in steps of STAMP_STEP_MAX: one
   * that a member makes up leaves the others room above theirs. Only for the next claim of our own: who holds what goes
   * by the stamps as they are.
   */
  get greatestStamp(): number {
    if (this.#stampsOf !== this.#version) {
      this.#climb([...this.records()].flatMap(({ claims }) => claims));
      this.#stampsOf = this.#version;
    }
    return this.#greatestStamp;
  }

  #keep(record: NodeRecord, entry: Entry | undefined): true {
    this.#gone.delete(record.id);
    if (record.id === this.#own) this.#ownGone = undefined;
    this.#entries.set(record.id, { record, former: formerBoots(entry, record) });
    if (record.endpoints.some(isNamed)) this.#named.add(record.id);
    else this.#named.delete(record.id);
    this.#plant(record);
    return true;
  }

  // False: it left before all those that there is room for, and nothing of it was here.
  #bury(record: NodeRecord): boolean {
    const wasThere = this.#entries.delete(record.id);
    this.#named.delete(record.id);
    if (record.id === this.#own) this.#ownGone = record;
    const evicted = record.id === this.#own ? null : this.#gone.add(record);
    if (evicted !== null) this.#tree.delete(evicted);
    if (evicted === record.id) return wasThere;
    this.#plant(record);
    return true;
  }

  #plant({ id, incarnation, epoch, raw }: NodeRecord): void {
    if (id === this.#own && this.#ownUntold) return this.#tree.delete(id);
    this.#tree.set(id, { major: incarnation, minor: epoch }, raw);
  }

  #changed(id: string): void {
    this.#version++;
    for (const listener of this.#listeners) listener(id);
  }

  #climb(claims: NodeRecord["claims"]): void {
    for (const stamp of claims.map((claim) => claim.stamp).sort((a, b) => a - b)) {
      if (stamp - this.#greatestStamp > STAMP_STEP_MAX) break;
      this.#greatestStamp = Math.max(this.#greatestStamp, stamp);
    }
  }
}

function formerBoots(known: Entry | undefined, record: NodeRecord): string[] {
  if (known === undefined) return [];
  const boots = known.record.bootNonce === record.bootNonce
    ? known.former
    : [...known.former, known.record.bootNonce];
  return boots.filter((boot) => boot !== record.bootNonce).slice(-FORMER_BOOTS);
}
