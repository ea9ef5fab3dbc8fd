/**
 * What of the others is to be on disk, and when. After a restart a node needs of a peer who it is, what it claims and where
 * it may be found: a record that changes in nothing else is no reason to write, nor is one that is back to what it was. What
 * differs is added to a journal, and now and then the whole is written in place of it. Writing is rationed by how often
 * and by how much, whatever the others do: what has to wait is lost by a power cut, and told again by any member.
 */

import { toHex } from "../../wire/bytes.ts";
import { aboutOf } from "../../wire/directive.ts";
import type { Directives } from "../forget/directives.ts";
import type { Links } from "../links/links.ts";
import type { Actions } from "../outbox/outbox.ts";
import { type NodeRecord, subnetsOf } from "../records/record.ts";
import type { Kept } from "../records/state.ts";
import type { Store } from "../records/store.ts";

/** Writes are so far apart: what is new meanwhile goes with the next. */
const APART_MS = 2000;
/** Writes: so many at once, and one more after so long. */
const WRITES_BURST = 30;
const WRITE_EVERY_MS = 120_000;
/** Bytes of records: so many at once (a join), and so many more a second, 43 MB a day. */
const BYTES_BURST = 16 * 2 ** 20;
const BYTES_PER_SECOND = 500;
/** For less no write is made, while there is more to write. */
const BYTES_LEAST = 32_768;
/** Peers that are on disk before a node is a member there: without any it would be one that knows nobody. */
const FIRST_PEERS = 16;
/** All that counts of one that has left. */
const GONE_MARK = -1;
/** Lines that count for nothing, beyond as many as count, before the whole is written. */
const OUTDATED_MIN = 64;

/** What of the node it looks at. */
interface Known {
  readonly identity: { readonly id: string };
  readonly store: Store;
  readonly directives: Directives;
  readonly links: Links;
  readonly actions: Actions;
}

export class PeerMemory {
  readonly #node: Known;
  // What the disk has, or will have, of each. BOUNDED: one per record or tombstone, and one per directive
  // The mark of what it says that a restart needs, and of where its node answered last.
  readonly #written = new Map<string, number>();
  readonly #directives = new Map<string, string>();
  // BOUNDED: as these two
  #changed = new Set<string>();
  #decided = new Set<string>();
  /** There may be something to write. */
  #due = false;
  #wroteAt = -Infinity;
  /** Lines since the whole was written. */
  #lines = 0;
  #whole = false;
  readonly #writes = new Ration(WRITES_BURST, 1 / WRITE_EVERY_MS);
  readonly #bytes = new Ration(BYTES_BURST, BYTES_PER_SECOND / 1000);

  constructor(node: Known) {
    this.#node = node;
  }

  /** As it was read from the disk. */
  restored(record: NodeRecord, endpoint: string | null): void {
    this.#written.set(record.id, this.#markOf(record, endpoint));
    this.#lines++;
  }

  /** The same of the directive about that node or subnet (`aboutOf`). */
  restoredDirective(target: string): void {
    const about = this.#node.directives.get(target);
    if (about !== undefined) this.#directives.set(target, signatureOf(about.raw));
    this.#lines++;
  }

  /** The record of this node may say something else now, or it is at another endpoint. */
  note(id: string): void {
    if (id === this.#node.identity.id) return;
    this.#changed.add(id);
    this.#due = true;
  }

  /** There is another directive about this node; it counts only beside the record that it is about. */
  noteDirective(target: string): void {
    this.#decided.add(target);
    this.#due = true;
    this.note(target);
  }

  /** A directive, and what it is about, for who has it written before it is said. */
  keep(target: string, raw: Uint8Array): Kept[] {
    const record = this.#node.store.get(target);
    const kept: Kept[] = [{ kind: "directive", target, raw }];
    if (record !== undefined && target !== this.#node.identity.id) kept.unshift(this.#kept(record));
    for (const one of kept) this.#mark(one);
    this.#lines += kept.length;
    return kept;
  }

  /** Those whom we have a link with, as far as a start needs them. */
  first(): Kept[] {
    const { links, store, identity } = this.#node;
    const kept: Kept[] = [];
    for (const { id } of links.up()) {
      const record = store.get(id);
      if (record === undefined || id === identity.id) continue;
      kept.push(this.#kept(record));
      if (kept.length >= FIRST_PEERS) break;
    }
    for (const one of kept) this.#mark(one);
    this.#lines += kept.length;
    return kept;
  }

  /** The disk has nothing of it any more. */
  lost(): void {
    this.#whole = true;
    this.#due = true;
  }

  /** Has what is due written. */
  tick(now: number): void {
    if (!this.#due || now - this.#wroteAt < APART_MS) return;
    if (!this.#writes.has(1, now) || !this.#bytes.has(BYTES_LEAST, now)) return;
    const due = this.#lacking();
    if (due.length === 0) return this.#done();
    if (this.#whole || this.#lines + due.length > 2 * this.#size + OUTDATED_MIN) return this.#writeWhole(now);
    const kept = this.#affordable(due, now);
    this.#writes.take(1);
    this.#wroteAt = now;
    this.#lines += kept.length;
    for (const one of kept) this.#mark(one);
    this.#node.actions.push({ kind: "remember", kept, whole: false });
    if (kept.length === due.length) this.#done();
  }

  #writeWhole(now: number): void {
    const kept = this.#all();
    const bytes = kept.reduce((sum, { raw }) => sum + raw.length, 0);
    // More than the ration ever is, is waited for as long as it takes to be full.
    if (!this.#bytes.has(Math.min(bytes, BYTES_BURST), now)) return;
    this.#writes.take(1);
    this.#wroteAt = now;
    this.#bytes.take(bytes);
    this.#written.clear();
    this.#directives.clear();
    for (const one of kept) this.#mark(one);
    this.#whole = false;
    this.#lines = kept.length;
    this.#node.actions.push({ kind: "remember", kept, whole: true });
    this.#done();
  }

  #done(): void {
    this.#changed = new Set();
    this.#decided = new Set();
    this.#due = false;
  }

  get #size(): number {
    const { store, directives } = this.#node;
    return store.size + store.goneSize + directives.size;
  }

  /** What the disk does not have as it is, records first. */
  #lacking(): Kept[] {
    const { store, directives } = this.#node;
    if (this.#whole) return this.#all();
    const due: Kept[] = [];
    for (const id of this.#changed) {
      const record = store.get(id);
      if (record === undefined) continue;
      const kept = this.#kept(record);
      const same = this.#written.get(id) === this.#markOf(record, kept.endpoint);
      if (!same || this.#isDecided(id)) due.push(kept);
    }
    for (const target of this.#decided) {
      if (this.#isDecided(target)) {
        due.push({ kind: "directive", target, raw: directives.get(target)!.raw });
      }
    }
    return due;
  }

  /** Whether there is a directive about this node that the disk does not have. */
  #isDecided(target: string): boolean {
    const about = this.#decided.has(target) ? this.#node.directives.get(target) : undefined;
    return about !== undefined && this.#directives.get(target) !== signatureOf(about.raw);
  }

  #all(): Kept[] {
    const { identity, store, directives } = this.#node;
    const records = [...store.records()].filter(({ id }) => id !== identity.id);
    const decided = directives.all().map((one) =>
      ({ kind: "directive", target: aboutOf(one), raw: one.raw }) as const
    );
    const left = [...store.gone()].map(({ id, raw }) => ({ kind: "peer", id, raw, endpoint: null }) as const);
    return [...records.map((record) => this.#kept(record)), ...left, ...decided];
  }

  #affordable(due: readonly Kept[], now: number): Kept[] {
    const kept: Kept[] = [];
    for (const one of due) {
      if (!this.#bytes.has(one.raw.length, now)) break;
      this.#bytes.take(one.raw.length);
      kept.push(one);
    }
    return kept;
  }

  #kept(record: NodeRecord): Kept & { kind: "peer" } {
    return { kind: "peer", id: record.id, raw: record.raw, endpoint: this.#node.links.lastAt(record.id) };
  }

  #mark(kept: Kept): void {
    if (kept.kind === "directive") return void this.#directives.set(kept.target, signatureOf(kept.raw));
    const { id, endpoint } = kept;
    // A tombstone, of which there may be very many, is not read for that.
    const record = this.#node.store.isThere(id) ? this.#node.store.get(id) : undefined;
    this.#written.set(id, record === undefined ? GONE_MARK : this.#markOf(record, endpoint));
  }

  #markOf(record: NodeRecord, endpoint: string | null): number {
    return record.gone ? GONE_MARK : markOf(`${this.#essence(record)}|${endpoint}`);
  }

  /** What of a record a restart needs. Where others see its node is not of it: that may be another place each time. */
  #essence(record: NodeRecord): string {
    const { claims, endpoints, ownEndpoints, reserved, staticKey, security } = record;
    const held = claims.map((claim) => `${subnetsOf(claim).join(" ")} ${claim.stamp} ${claim.incarnation}`);
    const forgotten = this.#node.directives.isForgotten(record);
    const own = endpoints.slice(0, ownEndpoints);
    return [staticKey, security, forgotten, held, own, reserved.map(({ text }) => text)].join("|");
  }
}

/**
 * 52 bits that tell one text from another: there may be thousands. Whoever makes two texts alike keeps what is new of its own
 * record from this disk, no more.
 */
function markOf(text: string): number {
  let [a, b] = [0x811c9dc5, 0x41c6ce57];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5f356495);
  }
  return ((a ^ (a >>> 15)) >>> 0) * 2 ** 20 + ((b ^ (b >>> 13)) >>> 12);
}

/** By the end of its signature one directive is told from another. */
function signatureOf(raw: Uint8Array): string {
  return toHex(raw.subarray(-16));
}

/** So much at once, and so much more a millisecond. */
class Ration {
  readonly #burst: number;
  readonly #perMs: number;
  #left: number;
  #at = -Infinity;

  constructor(burst: number, perMs: number) {
    this.#burst = this.#left = burst;
    this.#perMs = perMs;
  }

  has(amount: number, now: number): boolean {
    if (this.#at !== -Infinity) {
      this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#perMs);
    }
    this.#at = now;
    return this.#left >= amount;
  }

  take(amount: number): void {
    this.#left -= amount;
  }
}
