/**
 * The side of a handshake that begins it:
 *
 *   1. begin       XX1, or IK1 where the other's static key is known; a machine, an index and an ephemeral key are kept
 *   2. crossing    the other side has begun, too: the smaller ephemeral key goes on, and the other one drops out
 *   3. answered    XX2 or IK2 verifies: our session is made; XX ends with XX3, which names us, and with it every other
 *                  XX with the same endpoint
 *   4. tick        an XX3 goes out again until something came on the session; what has waited too long is forgotten
 *
 * Who answered is in responder.ts.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { compareBytes } from "../../wire/bytes.ts";
import * as wire from "../../wire/handshake.ts";
import {
  CROSSING_MS,
  type HandshakeEvent,
  MAX_PENDING,
  type Pending,
  PENDING_MS,
  PendingHandshakes,
  type ReceiverIndices,
  type Sent,
} from "./pending.ts";
import type { OwnNode } from "../outbox/outbox.ts";
import { EPHEMERAL_LEN, type HandshakeMessages, type KnownNode } from "./messages.ts";
import type { HandshakeParts, HandshakePost } from "./post.ts";

/** Handshakes under way to one endpoint: a late answer to the one before the last still counts. */
const BEGUN_EACH = 3;
/** Ages at which an XX3 is sent again. */
const XX3_AGAIN_MS = [500, 1000, 2000];

interface Begun extends Pending {
  /** The node we expect; null: any. */
  readonly peer: string | null;
  readonly ephemeral: Uint8Array;
}

export class HandshakeInitiator {
  readonly #own: OwnNode;
  readonly #indices: ReceiverIndices;
  readonly #messages: HandshakeMessages;
  readonly #post: HandshakePost;
  readonly #begun: PendingHandshakes<Begun>;
  // BOUNDED: ≤ MAX_PENDING, the oldest go first; XX3 that may have to be sent again, by our index
  readonly #finished = new BoundedMap<number, Sent & { repeats: number }>(MAX_PENDING);

  constructor({ own, indices, messages, post }: HandshakeParts) {
    this.#own = own;
    this.#indices = indices;
    this.#messages = messages;
    this.#post = post;
    this.#begun = new PendingHandshakes(indices, ({ peer }) => peer);
  }

  /** Begins a handshake, with the generation of the keys that this attempt is to try. */
  begin(endpoint: string, known: KnownNode | null, now: number, attempt: number): void {
    const keys = this.#own.keys[attempt % this.#own.keys.length];
    const index = this.#indices.take();
    if (keys === undefined || index === null) return;
    const ephemeralKeys = this.#messages.ephemeral();
    const noise = this.#messages.initiator(keys, ephemeralKeys, known);
    const exchange = { noise, keys, endpoint, index, sendIndex: 0 };
    const sent = known === null
      ? this.#messages.write(exchange, wire.XX1, null)
      : this.#messages.write(exchange, wire.IK1, this.#own.record());
    if (sent === null) return this.#indices.release(index);
    this.#post.send(endpoint, sent, keys, now);
    const ephemeral = ephemeralKeys.publicKey;
    this.#begun.keep({ ...exchange, at: now, sent, peer: known?.id ?? null, ephemeral });
    this.#limitTo(endpoint);
  }

  /** Where a datagram went that we sent ourselves, for it bears an index that we gave out for it; else null. */
  ownDatagram(h: wire.Handshake): string | null {
    const pending = this.#begun.get(h.sender);
    if (pending === undefined) return null;
    return compareBytes(pending.ephemeral, ephemeralOf(h)) === 0 ? pending.endpoint : null;
  }

  /**
   * Whether ours goes on, and not this one, when both sides have begun at once; else ours drops out. `peer`: who began
   * this one, where that is known.
   */
  winsCrossing(h: wire.Handshake, from: string, peer: string | null, now: number): boolean {
    const theirs = ephemeralOf(h);
    for (
      const pending of new Set([...this.#begun.by(from), ...(peer === null ? [] : this.#begun.by(peer))])
    ) {
      if (now - pending.at >= CROSSING_MS) continue;
      if (compareBytes(pending.ephemeral, theirs) < 0) return true;
      this.#begun.end(pending, true);
    }
    return false;
  }

  /** Takes in XX2 or IK2. */
  answered(h: wire.Handshake, from: string, now: number): HandshakeEvent[] {
    const pending = this.#begun.get(h.receiver);
    if (pending === undefined || (h.message === wire.IK2) !== (pending.peer !== null)) {
      return this.#post.reject();
    }
    if (h.keyId !== pending.keys.keyId) return this.#post.reject();
    const offer = this.#messages.read(pending.noise, h);
    if (offer === null) return this.#post.reject();
    const exchange = { ...pending, endpoint: from, sendIndex: h.sender };
    let last: Uint8Array | null = null;
    if (h.message === wire.XX2) {
      last = this.#messages.write(exchange, wire.XX3, this.#own.record());
      if (last === null) return this.#post.reject();
    }
    const record = pending.peer === null ? undefined : this.#own.known(pending.peer);
    const event = this.#messages.conclude(exchange, offer, {
      initiator: true,
      asked: pending,
      known: record,
    });
    const made = event?.kind === "session";
    // Another host with our keys is to learn of it, too.
    if (last !== null && (made || event?.kind === "clone")) {
      this.#post.send(from, last, pending.keys, now);
      const finished = { keys: pending.keys, endpoint: from, at: now, sent: last, repeats: 0 };
      this.#finished.set(pending.index, finished);
    }
    this.#begun.end(pending, !made);
    if (last !== null && made) this.#dropRepeats(pending.endpoint);
    return event === null ? this.#post.reject() : [event];
  }

  /** Something came on the session of this index of ours: what finished the handshake has arrived. */
  arrived(index: number): void {
    this.#finished.delete(index);
  }

  /** What we sent last in the handshake of this index that waits for its answer. */
  waiting(index: number): Sent | undefined {
    return this.#begun.get(index);
  }

  /** The XX3 of this index that may not have arrived. */
  finished(index: number): Sent | undefined {
    return this.#finished.get(index);
  }

  /** Whether the last message of a handshake may not have arrived. */
  get repeats(): boolean {
    return this.#finished.size > 0;
  }

  underWay(endpoint: string, now: number): boolean {
    return this.#begun.underWay(endpoint, now);
  }

  tick(now: number): void {
    this.#begun.tick(this.#own.keys, now);
    for (const [index, finished] of this.#finished) {
      const outdated = !this.#own.keys.includes(finished.keys);
      if (now - finished.at >= PENDING_MS || outdated) this.#finished.delete(index);
      else if (now - finished.at >= (XX3_AGAIN_MS[finished.repeats] ?? Infinity)) {
        // Should it be lost, the peer does not know our session, and nothing comes on it.
        finished.repeats++;
        this.#post.send(finished.endpoint, finished.sent, finished.keys, now);
      }
    }
  }

  // The other XX1 to this endpoint, from while nothing came: of two sessions one would never be used, and its XX3 sent again
  // and again; and were the two XX3 to change places, the peer would keep the one that we do not speak on.
  #dropRepeats(endpoint: string): void {
    for (const pending of this.#begun.by(endpoint)) {
      if (pending.peer === null) this.#begun.end(pending, true);
    }
  }

  #limitTo(endpoint: string): void {
    for (const pending of this.#begun.by(endpoint).slice(0, -BEGUN_EACH)) this.#begun.end(pending, true);
  }
}

function ephemeralOf(h: wire.Handshake): Uint8Array {
  return h.noise.subarray(0, EPHEMERAL_LEN);
}
