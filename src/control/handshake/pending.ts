/**
 * Handshakes that wait for the other side, by our index: one table for those we began, one for those we answered. Each
 * holds the Noise machine, which holds copies of keys, and an index. When it ends the machine is wiped; the index is
 * given back, or goes on as the session's. And the indices themselves. Behind them, what comes of a handshake.
 */
import type { HandshakeMachine } from "../../crypto/control_ciphers.ts";
import type { NetworkKeys } from "../../crypto/network_secret.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import type { Random } from "../../ports/time.ts";
import { u24 } from "../../wire/bytes.ts";
import type { CipherSuite } from "../../ports/aead.ts";
import type { NodeRecord } from "../records/record.ts";

/** How long a handshake waits for its answer. */
export const PENDING_MS = 10_000;
/** Of each table: more than come, or are begun, in that time (dataplane/tables/handshake_gate.ts, links/pacing.ts). */
export const MAX_PENDING = 2048;
/** Handshakes that cross are this close together; what is older was lost. */
export const CROSSING_MS = 500;
/** Far from 2^24, so that a free index is found at once. */
const MAX_INDICES = 8 * MAX_PEERS;

/** The datagram that we sent last in a handshake, to send again with a cookie. */
export interface Sent {
  readonly keys: NetworkKeys;
  readonly endpoint: string;
  readonly at: number;
  readonly sent: Uint8Array;
}

/** A handshake in progress: the machine, and both indices. */
export interface Exchange {
  readonly noise: HandshakeMachine;
  readonly keys: NetworkKeys;
  readonly endpoint: string;
  readonly index: number;
  /** The other side's index; 0 until it is known. */
  readonly sendIndex: number;
}

export interface Pending extends Sent, Exchange {}

export class PendingHandshakes<P extends Pending> {
  readonly #indices: ReceiverIndices;
  readonly #also: (pending: P) => string | null;
  // BOUNDED: ≤ MAX_PENDING, the oldest go first; by our index
  readonly #table = new Map<number, P>();
  // By endpoint, and by what else they are found by. BOUNDED: as #table, two of each; the oldest first
  readonly #found = new Map<string, Set<P>>();
  // Those under which the table was last looked through as a whole. BOUNDED: as the generations of keys
  #keys: readonly NetworkKeys[] = [];

  /** `also`: what else than its endpoint one is found by; null: nothing. */
  constructor(indices: ReceiverIndices, also: (pending: P) => string | null = () => null) {
    this.#indices = indices;
    this.#also = also;
  }

  get(index: number): P | undefined {
    return this.#table.get(index);
  }

  /** Those with this endpoint now, or found by this, the oldest first: they may end meanwhile. */
  by(key: string): P[] {
    return [...this.#found.get(key) ?? []];
  }

  keep(pending: P): void {
    this.#table.set(pending.index, pending);
    for (const key of this.#keysOf(pending)) {
      const those = this.#found.get(key) ?? new Set();
      this.#found.set(key, those.add(pending));
    }
    if (this.#table.size > MAX_PENDING) this.end(this.#table.values().next().value!, true);
  }

  /** Whether one with this endpoint has been sent so lately that its answer may still be on its way. */
  underWay(endpoint: string, now: number): boolean {
    for (const { at } of this.#found.get(endpoint) ?? []) if (now - at < CROSSING_MS) return true;
    return false;
  }

  /** Whether one of them began within `ms`. */
  since(ms: number, now: number): boolean {
    for (const pending of this.#table.values()) if (now - pending.at < ms) return true;
    return false;
  }

  /** Forgets what has waited too long, or is under keys that count no more: it holds copies of them. */
  tick(keys: readonly NetworkKeys[], now: number): void {
    const others = keys.length !== this.#keys.length || keys.some((one, n) => one !== this.#keys[n]);
    if (others) this.#keys = [...keys];
    for (const pending of this.#table.values()) {
      const old = now - pending.at >= PENDING_MS;
      if (old || !keys.includes(pending.keys)) this.end(pending, true);
      else if (!others) return; // what follows is younger
    }
  }

  #keysOf(pending: P): string[] {
    const also = this.#also(pending);
    return also === null ? [pending.endpoint] : [pending.endpoint, also];
  }

  /** `release`: no session was made, which would keep the index. */
  end(pending: P, release: boolean): void {
    this.#table.delete(pending.index);
    for (const key of this.#keysOf(pending)) {
      const those = this.#found.get(key);
      those?.delete(pending);
      if (those?.size === 0) this.#found.delete(key);
    }
    pending.noise.wipe();
    if (release) this.#indices.release(pending.index);
  }
}

/**
 * Receiver indices that we give to others: 24 random bits, then a zero byte in place of the lane. One set for handshakes
 * under way and sessions, so that each index names one thing.
 */
export class ReceiverIndices {
  readonly #random: Random;
  // BOUNDED: ≤ MAX_INDICES
  readonly #taken = new Set<number>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** A free index, taken from now on; null when there are too many. */
  take(): number | null {
    if (this.#taken.size >= MAX_INDICES) return null;
    let index = 0;
    while (index === 0 || this.#taken.has(index)) index = u24(this.#random.bytes(3), 0) * 256;
    this.#taken.add(index);
    return index;
  }

  release(index: number): void {
    this.#taken.delete(index);
  }
}

// ----------------------------------------------------------------------------------------------------
// What comes of handshakes: a session, or why there is none. Handshakes tell it, the sealed links act on it.

/** A session that a handshake made. The keys are the receiver's to wipe. */
export interface NewSession {
  readonly peer: NodeRecord;
  /** The boot nonce of its maker; null if it did not say. */
  readonly life: string | null;
  /** Where the last message came from, and where what it answers was sent; null: it answers nothing. */
  readonly endpoint: string;
  readonly asked: string | null;
  /** When that was sent: the peer has lived since then. */
  readonly askedAt: number | null;
  readonly receiveIndex: number;
  readonly sendIndex: number;
  readonly suite: CipherSuite;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** We began: the session may be used at once. */
  readonly initiator: boolean;
  readonly member: boolean;
  /** Of the generation it was made under. */
  readonly keyId: number;
  /** Where the peer sees us. */
  readonly seen: string | null;
}

export type HandshakeEvent =
  | { readonly kind: "session"; readonly session: NewSession }
  /** A datagram that we sent to this endpoint came back. */
  | { readonly kind: "own"; readonly endpoint: string }
  /** Another host has our keys; what its record says. */
  | {
    readonly kind: "clone";
    readonly endpoint: string;
    readonly record: NodeRecord;
    readonly member: boolean;
  }
  /** Another life of a node that we have a link with begins, from elsewhere; it was not answered. */
  | {
    readonly kind: "contested";
    readonly endpoint: string;
    readonly record: NodeRecord;
    readonly keyId: number;
  }
  /**
   * Refused by name: a REFUSE_ number, and the version of the side that refused. By our index, and under which generation it
   * was: when our last message was refused, the session of this index is one that the peer never made.
   */
  | {
    readonly kind: "refused";
    readonly endpoint: string;
    readonly reason: number;
    readonly version: number;
    readonly index: number;
    readonly keyId: number;
  }
  /** A handshake of another version came, and was refused. */
  | { readonly kind: "foreign"; readonly endpoint: string; readonly version: number }
  /**
   * A member had the key of this node revoked; it began, or answered, under this generation. `proven`: from where we
   * sent it what it answers; else the address may be forged.
   */
  | {
    readonly kind: "revoked";
    readonly endpoint: string;
    readonly peer: string;
    readonly keyId: number;
    readonly proven: boolean;
  }
  /** It came by an older secret, and was no member when the newer became known. */
  | {
    readonly kind: "outdated";
    readonly endpoint: string;
    readonly asked: string | null;
    readonly peer: string;
  }
  /** No suite in common. */
  | {
    readonly kind: "no-suite";
    readonly endpoint: string;
    readonly asked: string | null;
    readonly peer: string;
  };
