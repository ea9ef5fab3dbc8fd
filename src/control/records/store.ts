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
import { HashTree, type TreeEntry, treeEntry } from "./hash_tree.ts";
import type { NodeRecord } from "./record.ts";
import { Tombstones } from "./tombstones.ts";

/** Nodes of one mesh, ourselves included: as many as there are slots for peers. */
export const MAX_RECORDS = MAX_PEERS;
export const MAX_TOMBSTONES = 65_536;

const FORMER_BOOTS = 4;
/** Stamps of an honest mesh that follow one another are closer than that. */
const STAMP_STEP_MAX = 2 ** 16;

const NONE: readonly string[] = [];

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
  /** How a record is compared with those of others; a simulation has it made once for all nodes. */
  readonly compared?: (record: NodeRecord) => TreeEntry;
}

/** Negative when `a` is older than `b` by (incarnation, epoch), positive when newer, 0 when equal. */
export function compareVersions(
  a: { readonly incarnation: number; readonly epoch: number },
  b: { readonly incarnation: number; readonly epoch: number },
): number {
  return a.incarnation - b.incarnation || a.epoch - b.epoch;
}

/** A record as it is compared with that of another node. */
export function comparedOf({ id, incarnation, epoch, raw }: NodeRecord): TreeEntry {
  return treeEntry(id, { major: incarnation, minor: epoch }, raw);
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
  readonly #compared: (record: NodeRecord) => TreeEntry;
  // BOUNDED: one per node that is there, ≤ #max
  readonly #entries = new Map<string, NodeRecord>();
  // Boot nonces of earlier versions, newest last. BOUNDED: as #entries, ≤ FORMER_BOOTS each
  readonly #former = new Map<string, readonly string[]>();
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

  constructor(
    { own = null, records = MAX_RECORDS, tombstones = MAX_TOMBSTONES, compared = comparedOf }: StoreLimits =
      {},
  ) {
    this.#own = own;
    this.#compared = compared;
    this.#max = records;
    this.#gone = new Tombstones(tombstones);
  }

  /** Merges one record whose signature was verified. */
  insert(record: NodeRecord): Insertion {
    const there = this.#entries.get(record.id);
    const known = this.get(record.id);
    const order = known === undefined ? 1 : compareRecords(record, known);
    const again = there !== undefined && order > 0 && this.isFormer(record.id, record.bootNonce);
    const clone = again || (known !== undefined && order !== 0 && compareVersions(record, known) === 0);
    if (order <= 0) return { delta: null, clone };
    if (!record.gone && there === undefined && !this.hasRoomFor(record.id)) {
      return { delta: null, clone, full: true };
    }
    if (known !== undefined) this.#climb(known.claims);
    if (!(record.gone ? this.#bury(record) : this.#keep(record, there))) return { delta: null, clone };
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
    const there = this.#entries.get(id);
    if (there !== undefined) this.#climb(there.claims);
    this.#entries.delete(id);
    this.#former.delete(id);
    if (!this.#gone.delete(id) && there === undefined) return;
    this.#named.delete(id);
    this.#tree.delete(id);
    this.#changed(id);
  }

  /** The record of a node, or its tombstone. */
  get(id: string): NodeRecord | undefined {
    return this.#entries.get(id) ?? (id === this.#own ? this.#ownGone : this.#gone.get(id));
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
    return this.#former.get(id)?.includes(life) ?? false;
  }

  /** The records of all nodes that are there, in no order. */
  records(): Iterable<NodeRecord> {
    return this.#entries.values();
  }

  /** Those of them with names among their endpoints. */
  *named(): Iterable<NodeRecord> {
    for (const id of this.#named) yield this.#entries.get(id)!;
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

  #keep(record: NodeRecord, known: NodeRecord | undefined): true {
    this.#gone.delete(record.id);
    if (record.id === this.#own) this.#ownGone = undefined;
    if (known !== undefined) this.#noteBoot(known, record);
    this.#entries.set(record.id, record);
    if (record.endpoints.some(isNamed)) this.#named.add(record.id);
    else this.#named.delete(record.id);
    this.#plant(record);
    return true;
  }

  #noteBoot({ id, bootNonce }: NodeRecord, { bootNonce: next }: NodeRecord): void {
    const former = this.#former.get(id) ?? NONE;
    if (bootNonce === next && !former.includes(next)) return;
    const boots = bootNonce === next ? former : [...former, bootNonce];
    this.#former.set(id, boots.filter((boot) => boot !== next).slice(-FORMER_BOOTS));
  }

  // False: it left before all those that there is room for, and nothing of it was here.
  #bury(record: NodeRecord): boolean {
    const wasThere = this.#entries.delete(record.id);
    this.#former.delete(record.id);
    this.#named.delete(record.id);
    if (record.id === this.#own) this.#ownGone = record;
    const evicted = record.id === this.#own ? null : this.#gone.add(record);
    if (evicted !== null) this.#tree.delete(evicted);
    if (evicted === record.id) return wasThere;
    this.#plant(record);
    return true;
  }

  #plant(record: NodeRecord): void {
    if (record.id === this.#own && this.#ownUntold) return this.#tree.delete(record.id);
    this.#tree.put(this.#compared(record));
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
