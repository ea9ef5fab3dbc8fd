/**
 * The side of a handshake that answers:
 *
 *   XX1   the peer is not known yet: XX2 with our record goes out, machine and index are kept
 *   XX3   who began says who they are: the session is made
 *   IK1   who began says it at once: unless it is a replay, or loses to one of ours, IK2 goes out and the session is made
 *
 * A session made here is silent until the other side has used it. Who begins is in initiator.ts.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import type { NetworkKeys } from "../../crypto/network_secret.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import * as wire from "../../wire/handshake.ts";
import {
  type Exchange,
  type HandshakeEvent,
  type Pending,
  PendingHandshakes,
  type ReceiverIndices,
} from "./pending.ts";
import type { OwnNode } from "../outbox/outbox.ts";
import type { HandshakeMessages } from "./messages.ts";
import type { HandshakeParts, HandshakePost } from "./post.ts";

/** How the first message of an IK came. */
export interface FirstIK {
  readonly keys: NetworkKeys;
  readonly from: string;
  /** Whether a handshake of ours with this node goes on instead. */
  readonly loses: (peer: string) => boolean;
}

export class HandshakeResponder {
  readonly #own: OwnNode;
  readonly #contested: HandshakeParts["contested"];
  readonly #indices: ReceiverIndices;
  readonly #messages: HandshakeMessages;
  readonly #post: HandshakePost;
  /** XX1 that we answered. */
  readonly #answered: PendingHandshakes<Pending>;
  // BOUNDED: ≤ MAX_PEERS, the longest unused go first: only of nodes that were authenticated
  readonly #greatest = new BoundedMap<string, number>(MAX_PEERS);

  constructor({ own, contested, indices, messages, post }: HandshakeParts) {
    this.#own = own;
    this.#contested = contested;
    this.#indices = indices;
    this.#messages = messages;
    this.#post = post;
    this.#answered = new PendingHandshakes(indices);
  }

  onXX1(h: wire.Handshake, keys: NetworkKeys, from: string, now: number): HandshakeEvent[] {
    const noise = this.#messages.responder("XXpsk3", keys, this.#messages.ephemeral());
    const begun = { noise, keys, endpoint: from, sendIndex: h.sender };
    const offer = this.#messages.read(noise, h);
    const answer = offer === null ? null : this.#answer(begun, wire.XX2, this.#own.record());
    if (answer === null) {
      noise.wipe();
      return this.#post.reject();
    }
    this.#post.send(from, answer.sent, keys, now);
    this.#answered.keep({ ...begun, ...answer, at: now });
    return [];
  }

  onXX3(h: wire.Handshake, from: string): HandshakeEvent[] {
    const pending = this.#answered.get(h.receiver);
    if (pending === undefined || pending.sendIndex !== h.sender) return this.#post.reject();
    if (h.keyId !== pending.keys.keyId) return this.#post.reject();
    const offer = this.#messages.read(pending.noise, h);
    if (offer === null) return this.#post.reject();
    const event = this.#messages.conclude({ ...pending, endpoint: from }, offer, {
      initiator: false,
      asked: pending,
    });
    // XX cannot be replayed: what counter a peer has now is what counts, also after its disk was restored.
    if (event?.kind === "session") this.#note(event.session.peer.id, offer.counter);
    this.#answered.end(pending, event?.kind !== "session");
    return event === null ? this.#post.reject() : [event];
  }

  onIK1(h: wire.Handshake, { keys, from, loses }: FirstIK, now: number): HandshakeEvent[] {
    const noise = this.#messages.responder("IKpsk2", keys, this.#messages.ephemeral());
    try {
      return this.#judgeIK1({ noise, keys, endpoint: from, sendIndex: h.sender }, h, now, loses);
    } finally {
      noise.wipe(); // whatever came of it: all of it is in the two messages
    }
  }

  #judgeIK1(
    begun: Omit<Exchange, "index">,
    h: wire.Handshake,
    now: number,
    loses: (peer: string) => boolean,
  ): HandshakeEvent[] {
    const { noise, keys, endpoint: from } = begun;
    const offer = this.#messages.read(noise, h);
    const record = offer === null ? null : this.#messages.recordOf(noise, offer);
    if (offer === null || record === null) return this.#post.reject();
    if (offer.counter <= (this.#greatest.get(record.id) ?? -1)) return this.#post.reject(); // a replay
    if (record.id !== this.#own.identity.id && loses(record.id)) return [];
    if (this.#contested?.(record, from, now)) {
      return [{ kind: "contested", endpoint: from, record, keyId: keys.keyId }];
    }
    const answer = this.#answer(begun, wire.IK2, null, this.#own.bootNonce);
    if (answer === null) return this.#post.reject();
    const event = this.#messages.conclude({ ...begun, index: answer.index }, offer, {
      initiator: false,
      asked: null,
      known: record,
    });
    if (event?.kind !== "session") {
      this.#indices.release(answer.index);
      if (event?.kind === "revoked") this.#note(record.id, offer.counter); // a replay tells no one
      return event === null ? this.#post.reject() : [event];
    }
    this.#note(record.id, offer.counter);
    this.#post.send(from, answer.sent, keys, now);
    return [event];
  }

  /** Whether a handshake began within `ms` whose initiator is not authenticated yet. */
  halfOpen(ms: number, now: number): boolean {
    return this.#answered.since(ms, now);
  }

  /** What we sent last in the handshake of this index. */
  waiting(index: number): Pending | undefined {
    return this.#answered.get(index);
  }

  underWay(endpoint: string, now: number): boolean {
    return this.#answered.underWay(endpoint, now);
  }

  tick(now: number): void {
    this.#answered.tick(this.#own.keys, now);
  }

  // An index of ours and the message that names it; null when there is none left, or a curve operation is refused.
  #answer(
    begun: Omit<Exchange, "index">,
    message: number,
    record: Uint8Array | null,
    life: string | null = null,
  ): { index: number; sent: Uint8Array } | null {
    const index = this.#indices.take();
    if (index === null) return null;
    const sent = this.#messages.write({ ...begun, index }, message, record, life);
    if (sent !== null) return { index, sent };
    this.#indices.release(index);
    return null;
  }

  #note(id: string, counter: number): void {
    this.#greatest.renew(id, counter);
  }
}
