/**
 * What the machines of links and handshakes are given: the node that they belong to (OwnNode), and what all of one control
 * plane share on their way out: what is to be done, from which of our addresses an answer leaves, when it is due, how much
 * is allowed, what is counted and what people are warned of. A machine takes those of them that it uses. Time is an argument.
 */
import { BoundedMap } from "../../bounds/bounded_map.ts";
import { RateLimit } from "../../bounds/rate_limit.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import type { Action, LogFields, LogLevel } from "./events.ts";
import type { Identity } from "../../crypto/identity.ts";
import type { NetworkKeys } from "../../crypto/network_secret.ts";
import type { GossipBody, RecordItem } from "../../wire/gossip_body.ts";
import type { NodeRecord, RecordReader } from "../records/record.ts";

const MAX_KEYS = 8192;
const MAX_BUCKETS = MAX_PEERS;
const WARNINGS_MAX = 64;

export interface Outlets {
  readonly actions: Actions;
  readonly schedule: Schedule;
  readonly throttle: Throttle;
  readonly tally: Tally;
  readonly called: Called;
  readonly warnings: Warnings;
}

/** The outlets of a node that has said nothing yet. */
export function newOutlets(): Outlets {
  const called = new Called();
  const actions = new Actions(called);
  return {
    actions,
    schedule: new Schedule(),
    throttle: new Throttle(),
    tally: new Tally(),
    called,
    warnings: new Warnings(),
  };
}

/**
 * When something that is done again and again is due: rounds that run by the clock, and log lines that are not to be
 * repeated too soon. Each has a key of its own, "renew <id>".
 */
export class Schedule {
  // BOUNDED: ≤ MAX_KEYS, the oldest go first; when each was done last
  readonly #done = new BoundedMap<string, number>(MAX_KEYS);

  /** Whether `key` is due, which then counts as done: true at most once in `everyMs`. */
  due(key: string, everyMs: number, now: number): boolean {
    const last = this.#done.get(key);
    if (last !== undefined && now - last < everyMs) return false;
    this.done(key, now);
    return true;
  }

  /** It was done just now, due or not. */
  done(key: string, now: number): void {
    this.#done.renew(key, now);
  }
}

/** How much of something is allowed: token buckets by key, "gossip <id>", for work that others can cause. */
export class Throttle {
  // BOUNDED: ≤ MAX_BUCKETS, the longest unused go first
  readonly #buckets = new BoundedMap<string, RateLimit>(MAX_BUCKETS);

  /** Takes one from a bucket that holds `burst` and refills at this rate; false when it is empty. */
  allows(key: string, perSecond: number, now: number, burst = perSecond): boolean {
    const bucket = this.#buckets.get(key) ?? new RateLimit(perSecond, burst);
    this.#buckets.renew(key, bucket);
    return bucket.take(now);
  }
}

/** What did not go as it should, counted: `ovltun status` shows both. */
export class Tally {
  #rejected = 0;
  #unsent = 0;

  /** A datagram was looked at and not used: malformed, unverified, of no link, or too many. */
  reject(): void {
    this.#rejected++;
  }

  get rejected(): number {
    return this.#rejected;
  }

  /** A message of our own fits in no datagram. */
  leaveUnsent(): void {
    this.#unsent++;
  }

  get unsent(): number {
    return this.#unsent;
  }
}

/**
 * Sentences about what a person should look at, by what they are about. Some hold for as long as the process runs; what
 * is known only by signs holds until there has been none for a while.
 */
export class Warnings {
  // BOUNDED: ≤ WARNINGS_MAX, the longest unchanged go first
  readonly #warnings = new BoundedMap<string, { readonly sentence: string; readonly until: number }>(
    WARNINGS_MAX,
  );

  /** In place of what was said about `key`; it holds until `until`. */
  set(key: string, sentence: string, until = Infinity): void {
    this.#warnings.renew(key, { sentence, until });
  }

  has(key: string): boolean {
    return this.#warnings.has(key);
  }

  /** Those that hold now. */
  at(now: number): string[] {
    return [...this.#warnings.values()].filter(({ until }) => now < until).map(({ sentence }) => sentence);
  }
}

// ----------------------------------------------------------------------------------------------------
// What the machines of the control plane want done while they take in one event, in order. It only collects: the daemon
// performs the actions after `handle` has returned them. And from which of our addresses an answer leaves.

const MAX_CALLED = 2 * MAX_PEERS;

export class Actions {
  readonly #called: Pick<Called, "answersTo">;
  // BOUNDED: what one event brings about; drained after each
  #actions: Action[] = [];

  /** `called`: from which of our addresses an answer leaves. */
  constructor(called: Pick<Called, "answersTo">) {
    this.#called = called;
  }

  push(action: Action): void {
    this.#actions.push(action);
  }

  /** A datagram from our own port. */
  send(to: string, bytes: Uint8Array): void {
    const local = this.#called.answersTo(to);
    this.push(local === undefined ? { kind: "send", to, bytes } : { kind: "send", to, bytes, local });
  }

  log(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.push({ kind: "log", level, message, fields });
  }

  /** Everything since the last call. Several wishes to reconcile become one, at the end, that waits if all of them can. */
  drain(): Action[] {
    const actions = this.#actions;
    this.#actions = [];
    const reconciles = actions.filter((a) => a.kind === "reconcile");
    if (reconciles.length === 0) return actions;
    const soon = reconciles.every((a) => a.soon === true);
    const one: Action = soon ? { kind: "reconcile", soon } : { kind: "reconcile" };
    return [...actions.filter((a) => a.kind !== "reconcile"), one];
  }
}

/**
 * By which of our addresses each peer calls us. A host may have several: a second address on one link, two links, a
 * floating address, IPv6 with a stable and a temporary one. What answers a datagram leaves from the address that it was
 * sent to, else a NAT before the other side, or a plain peer, does not take it for an answer. What we say to a peer of
 * ourselves leaves from the address by which it called us last, as far as the kernel would not choose that anyway
 * (daemon/host/underlay_watch.ts decides). Only what was verified is remembered.
 */
export class Called {
  // BOUNDED: ≤ MAX_CALLED, the longest unused go first; endpoint of the peer → address of ours
  readonly #called = new BoundedMap<string, string>(MAX_CALLED);
  #from = "";
  #to = "";

  /** The present event is a datagram from `from` to our address `to`, as far as it is known; else nothing is. */
  hears(from = "", to = ""): void {
    this.#from = from;
    this.#to = to;
  }

  /** What an answer to the present datagram leaves from; undefined: this is no answer to it, or it is not known. */
  answersTo(endpoint: string): string | undefined {
    return endpoint === this.#from && this.#to !== "" ? this.#to : undefined;
  }

  /** The present datagram was verified, and its peer is at `endpoint`. True when it calls us by another address now. */
  verified(endpoint: string): boolean {
    const to = this.answersTo(endpoint);
    return to !== undefined && this.set(endpoint, to);
  }

  /** True when that is news. */
  set(endpoint: string, to: string): boolean {
    const before = this.#called.get(endpoint);
    if (before === to) return false;
    this.#called.renew(endpoint, to);
    return true;
  }

  /** Which of our addresses the node at `endpoint` uses; undefined: not known. */
  get(endpoint: string): string | undefined {
    return this.#called.get(endpoint);
  }

  /** Nothing is heard from there any more: perhaps because of where we answered from. */
  forget(endpoint: string): void {
    this.#called.delete(endpoint);
  }
}

// ----------------------------------------------------------------------------------------------------
// What links and handshakes may ask about the node that they belong to, and tell it. The node answers at once, from what
// it knows at that moment (node/core.ts). Times are of the clock that events come with.

export interface OwnNode {
  readonly identity: Identity;
  readonly networkId: string;
  /** Of this life, as in our record. */
  readonly bootNonce: string;

  /** We are part of a mesh, not on the way to one. */
  member(): boolean;
  /** How long this process has been running, seconds. */
  age(now: number): number;
  /** A router translates our addresses. */
  translated(): boolean;
  /** Whether an endpoint is an address of this host, with our port. */
  holds(endpoint: string): boolean;
  /** Whether datagrams to an endpoint stay outside the mesh itself. */
  usable(endpoint: string): boolean;
  /** Another one whenever `usable` may answer otherwise than before. */
  usableRevision(): string;

  /** Our signed record as of now. */
  record(): Uint8Array;
  /** What reads the records of others, and verifies what they sign. */
  readonly reader: RecordReader;
  /** The verified record of a node. */
  known(id: string): NodeRecord | undefined;
  /** Whether this life of a node is over, as its record says. */
  isFormer(id: string, life: string): boolean;
  /** Whether a member had this key revoked. */
  isRevoked(id: string): boolean;

  /** The datagram of a message for the receiver of this index; null when it is too long. */
  message(index: number, body: GossipBody): Uint8Array | null;
  /** The records of these nodes as they are pushed, as far as they are known. */
  recordItems(ids: readonly string[]): readonly RecordItem[];

  /** Sealed meshes: the generation of keys in use first, then the others that are accepted. They change. */
  readonly keys: readonly NetworkKeys[];
  /** Whether a node is let in by this generation. */
  admits(id: string, keyId: number): boolean;
  /** A session was made with a node under this generation; `member`: it says that it is one. */
  /** The newest generation of the keys; null: there are none. */
  newestKey(): number | null;
  sessionMade(id: string, keyId: number, member: boolean): void;
  /** Whether another node may be asked for a link: sealed meshes need a counter for it, and that the disk covers it. */
  mayInitiate(): boolean;
  /** The counter of our next initiation: greater each time, also over restarts; null: there is none. */
  nextCounter(): number | null;
}
