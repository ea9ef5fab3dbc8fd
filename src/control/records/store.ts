/**
 * The merged records of all nodes: per node the greatest version, a join in the sense of CRDTs, so the order and the
 * number of deliveries do not matter. Two contents under one version mean that two hosts run with one identity (or
 * that one was restored from a backup): the greater boot nonce wins, then the greater bytes, the same everywhere.
 * The store also keeps the bucket hashes over which two nodes compare what they have.
 */

import { shortId } from "../../crypto/identity.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import { compareBytes, putU48 } from "../../wire/bytes.ts";
import { BUCKET_HASH_LEN, DIGEST_BUCKETS } from "../../wire/gossip_body.ts";
import type { NodeRecord } from "./record.ts";

const FORMER_BOOTS = 4;
/** Stamps of an honest mesh that follow one another are closer than that. */
const STAMP_STEP_MAX = 2 ** 16;

/** A record with the hash that digests carry of it. */
interface Entry {
  readonly record: NodeRecord;
  /** 6 bytes over version and content. */
  readonly hash: Uint8Array;
  /** Boot nonces of earlier versions, newest last. */
  readonly former: readonly string[];
}

export interface Insertion {
  /** The record that is new to us, or null when we knew as much. */
  readonly delta: NodeRecord | null;
  /** Two hosts write records of this node: one version with two contents, or a former boot nonce come back. */
  readonly clone: boolean;
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
  const version = compareVersions(a, b);
  if (version !== 0) return version;
  if (a.bootNonce !== b.bootNonce) return a.bootNonce < b.bootNonce ? -1 : 1;
  return compareBytes(a.raw, b.raw);
}

/** Which of the 32 buckets an id belongs to. */
export function bucketOf(id: string): number {
  return parseInt(id.slice(0, 2), 16) >>> 3;
}

export class Store {
  // BOUNDED: one per node, ≤ MAX_PEERS
  readonly #entries = new Map<string, Entry>();
  #greatestStamp = 0;
  #stampsOf = -1;
  #version = 0;

  /** Merges one record whose signature was verified. */
  insert(record: NodeRecord): Insertion {
    const known = this.#entries.get(record.id);
    if (known === undefined && this.#entries.size >= MAX_PEERS) return { delta: null, clone: false };
    const order = known === undefined ? 1 : compareRecords(record, known.record);
    const again = known !== undefined && order > 0 && known.former.includes(record.bootNonce);
    const clone = again ||
      (known !== undefined && order !== 0 && compareVersions(record, known.record) === 0);
    if (order <= 0) return { delta: null, clone };
    if (known !== undefined && known.record.claims.length > 0) this.#climb(known.record);
    this.#entries.set(record.id, { record, hash: contentHash(record), former: formerBoots(known, record) });
    this.#version++;
    return { delta: record, clone };
  }

  get(id: string): NodeRecord | undefined {
    return this.#entries.get(id)?.record;
  }

  /** What people call a node: as its record says, else the beginning of its id. */
  nameOf(id: string): string {
    return this.get(id)?.name ?? shortId(id);
  }

  /** Whether this boot nonce is of an earlier life of the node than its record. */
  isFormer(id: string, life: string): boolean {
    return this.#entries.get(id)?.former.includes(life) ?? false;
  }

  hash(id: string): Uint8Array | undefined {
    return this.#entries.get(id)?.hash;
  }

  /** All records, in no order. */
  *records(): Iterable<NodeRecord> {
    for (const entry of this.#entries.values()) yield entry.record;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Changes with every change of the content: to know whether something derived is still right. */
  get version(): number {
    return this.#version;
  }

  /**
   * The greatest Lamport stamp ever seen in a claim, as far as the stamps reach up to it in steps of STAMP_STEP_MAX: one
   * that a member makes up leaves the others room above theirs. Only for the next claim of our own: who holds what goes
   * by the stamps as they are.
   */
  get greatestStamp(): number {
    if (this.#stampsOf !== this.#version) this.#climb();
    return this.#greatestStamp;
  }

  #climb(record?: NodeRecord): void {
    const records = record === undefined ? [...this.records()] : [record];
    const stamps = records.flatMap(({ claims }) => claims.map(({ stamp }) => stamp)).sort((a, b) => a - b);
    for (const stamp of stamps) {
      if (stamp - this.#greatestStamp > STAMP_STEP_MAX) break;
      this.#greatestStamp = Math.max(this.#greatestStamp, stamp);
    }
    if (record === undefined) this.#stampsOf = this.#version;
  }

  /** Per bucket the xor of its hashes, DIGEST_BUCKETS × BUCKET_HASH_LEN bytes; `except` is left out. */
  bucketHashes(except: string | null): Uint8Array {
    const hashes = new Uint8Array(DIGEST_BUCKETS * BUCKET_HASH_LEN);
    for (const [id, { hash }] of this.#entries) {
      if (id === except) continue;
      const at = bucketOf(id) * BUCKET_HASH_LEN;
      for (let i = 0; i < BUCKET_HASH_LEN; i++) hashes[at + i] = hashes[at + i]! ^ hash[i]!;
    }
    return hashes;
  }
}

function formerBoots(known: Entry | undefined, record: NodeRecord): string[] {
  if (known === undefined) return [];
  const boots = known.record.bootNonce === record.bootNonce
    ? known.former
    : [...known.former, known.record.bootNonce];
  return boots.filter((boot) => boot !== record.bootNonce).slice(-FORMER_BOOTS);
}

function contentHash(record: NodeRecord): Uint8Array {
  const version = new Uint8Array(12);
  putU48(version, 0, record.incarnation);
  putU48(version, 6, record.epoch);
  return sha256(version, record.raw).slice(0, BUCKET_HASH_LEN);
}
