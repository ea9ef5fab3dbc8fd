/**
 * Handshakes under way (event, now) → datagrams and new sessions. XXpsk3 on first contact, IKpsk2 once the other's
 * static key is known from a verified record:
 *
 *   A ── XX1 e ──────────────▶ B    B answers, and does not know A yet
 *   A ◀─ XX2 e, record of B ──  B    A has verified B: A's session is made
 *   A ── XX3 record of A ─────▶ B    B has verified A: B's session is made, and silent until A has used it
 *
 *   A ── IK1 record of A ─────▶ B    B has verified A, if A's counter is greater than any before
 *   A ◀─ IK2 ─────────────────  B    A has verified B
 *
 * Suites, indices and what each sees of the other are inside, under the handshake hash. The caller says when to
 * begin (sealed_links.ts); a retry is a new handshake. Of two that cross, the one with the smaller ephemeral key goes on:
 * both sides see both. Everything here is bounded, and no one is remembered before being authenticated.
 *
 * This file hands each datagram to the side it is for: A is initiator.ts, B responder.ts. Both write
 * and read by messages.ts, wait in pending.ts and send by post.ts, which also has the
 * cookies and refusals. What comes of it is in pending.ts.
 */

import { borneMac } from "../../crypto/handshake_mac.ts";
import type { NetworkKeys } from "../../crypto/network_secret.ts";
import * as wire from "../../wire/handshake.ts";
import { REFUSE_VERSION } from "../../wire/hello.ts";
import type { HandshakeEvent, Sent } from "./pending.ts";
import { HandshakeInitiator } from "./initiator.ts";
import { HandshakeMessages, type HandshakeSetup, type KnownNode } from "./messages.ts";
import { HandshakePost } from "./post.ts";
import { HandshakeResponder } from "./responder.ts";
import type { OwnNode } from "../outbox/outbox.ts";

export class Handshakes {
  readonly #own: OwnNode;
  readonly #post: HandshakePost;
  readonly #initiator: HandshakeInitiator;
  readonly #responder: HandshakeResponder;

  constructor(setup: HandshakeSetup) {
    this.#own = setup.own;
    this.#post = new HandshakePost(setup);
    const parts = { ...setup, messages: new HandshakeMessages(setup), post: this.#post };
    this.#initiator = new HandshakeInitiator(parts);
    this.#responder = new HandshakeResponder(parts);
  }

  /**
   * Begins a handshake with the node at `endpoint`, or with the node whose static key is known. `attempt`: each tries
   * another generation of the keys, for peers without the one in use.
   */
  begin(endpoint: string, known: KnownNode | null, now: number, attempt = 0): void {
    this.#initiator.begin(endpoint, known, now, attempt);
  }

  /** Whether a handshake with us began within `ms` whose initiator is not authenticated yet. */
  halfOpen(ms: number, now: number): boolean {
    return this.#responder.halfOpen(ms, now);
  }

  /** Whether a handshake with this endpoint is under way whose next message may still be on its way. */
  underWay(endpoint: string, now: number): boolean {
    return this.#initiator.underWay(endpoint, now) || this.#responder.underWay(endpoint, now);
  }

  /** Whether something may have to be sent again. */
  get repeats(): boolean {
    return this.#initiator.repeats;
  }

  /** Forgets what has waited too long, or is under keys that count no more; repeats what may have been lost. */
  tick(now: number): void {
    this.#initiator.tick(now);
    this.#responder.tick(now);
  }

  /** Something came on the session of this index of ours: what finished the handshake has arrived. */
  arrived(index: number): void {
    this.#initiator.arrived(index);
  }

  /** Takes in a datagram of type 0x01 or 0x02 that the gate let pass. */
  receive(bytes: Uint8Array, from: string, now: number): HandshakeEvent[] {
    if (wire.isReply(bytes, 0, bytes.length)) {
      return this.#post.reply(bytes, from, now, (index) => this.#waiting(index));
    }
    const h = wire.decodeHandshake(bytes);
    if (h === null) return this.#foreign(bytes, from);
    const keys = this.#own.keys.find((k) => k.keyId === h.keyId);
    if (keys === undefined) return this.#post.reject();
    switch (h.message) {
      case wire.XX1:
      case wire.IK1:
        return this.#first(h, keys, from, now);
      case wire.XX3:
        return this.#responder.onXX3(h, from);
      default:
        return this.#initiator.answered(h, from, now);
    }
  }

  /** Answers a handshake with a refusal, a REFUSE_ number, that is not longer than it. */
  refuse(to: string, question: Uint8Array, reason: number): void {
    if (question.length < wire.REPLY_LEN) return;
    const echoedMac = borneMac(question, question.length);
    // A peer that uses an older secret cannot verify what is under another.
    const keyId = wire.handshakeKeyId(question, 0);
    this.#post.refuse(to, { reason, receiver: wire.handshakeSender(question, 0), echoedMac, keyId });
  }

  /** Shows a peer with another secret that its datagrams arrive and fail: all it can see is a wrong MAC. */
  refuseForeign(to: string, reason: number): void {
    this.#post.refuse(to, { reason, receiver: 0, echoedMac: new Uint8Array(wire.MAC_LEN) });
  }

  // A first message: our own, one of a peer we began with at the same time, or neither. XX1 does not say whose.
  #first(h: wire.Handshake, keys: NetworkKeys, from: string, now: number): HandshakeEvent[] {
    const endpoint = this.#initiator.ownDatagram(h);
    if (endpoint !== null) return [{ kind: "own", endpoint }];
    const loses = (peer: string | null) => this.#initiator.winsCrossing(h, from, peer, now);
    if (h.message === wire.IK1) return this.#responder.onIK1(h, { keys, from, loses }, now);
    return loses(null) ? [] : this.#responder.onXX1(h, keys, from, now);
  }

  // What we sent last in the handshake that has this index of ours.
  #waiting(index: number): Sent | undefined {
    return this.#initiator.waiting(index) ?? this.#responder.waiting(index) ??
      this.#initiator.finished(index);
  }

  // Of another version, or malformed behind a good MAC: the other side can read a refusal as far as it must.
  #foreign(bytes: Uint8Array, from: string): HandshakeEvent[] {
    if (!wire.isHandshake(bytes, 0, bytes.length)) return this.#post.reject();
    const version = wire.handshakeVersion(bytes, 0);
    const keys = this.#own.keys[0];
    if (version === wire.HANDSHAKE_VERSION || keys === undefined || bytes.length < wire.REPLY_LEN) {
      return this.#post.reject();
    }
    this.refuse(from, bytes, REFUSE_VERSION);
    return [{ kind: "foreign", endpoint: from, version }];
  }
}
