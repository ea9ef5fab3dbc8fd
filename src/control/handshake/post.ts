/**
 * Handshake datagrams on their way out, and the short replies (type 0x02) in both directions:
 *
 *   send     stamped with the MAC of the network, and with the cookie of a peer that demanded one lately
 *   reply    a cookie: what we sent last goes out again with it; a refusal: told, when it echoes the MAC we sent
 *   refuse   ours to others, never longer than what it answers
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { borneMac, checkReply, openCookie, stampHandshake, stampReply } from "../../crypto/handshake_mac.ts";
import type { NetworkKeys } from "../../crypto/network_secret.ts";
import type { Hmac } from "../../ports/aead.ts";
import type { Random } from "../../ports/time.ts";
import { compareBytes } from "../../wire/bytes.ts";
import * as wire from "../../wire/handshake.ts";
import type { HandshakeEvent, Sent } from "./pending.ts";
import type { HandshakeMessages, HandshakeSetup } from "./messages.ts";
import type { Actions, OwnNode, Tally } from "../outbox/outbox.ts";

/** What both sides of handshakes work with. */
export interface HandshakeParts extends HandshakeSetup {
  readonly messages: HandshakeMessages;
  readonly post: HandshakePost;
}

const COOKIE_MS = 110_000;
const MAX_COOKIES = 1024;

/** Of a datagram that is not answered otherwise. */
export interface Refusal {
  /** A REFUSE_ number. */
  readonly reason: number;
  /** Of the datagram that is refused, and so is its MAC. */
  readonly receiver: number;
  readonly echoedMac: Uint8Array;
  readonly keyId?: number;
}

export class HandshakePost {
  readonly #own: OwnNode;
  readonly #hmac: Hmac;
  readonly #random: Random;
  readonly #actions: Actions;
  readonly #tally: Tally;
  // BOUNDED: ≤ MAX_COOKIES, the oldest go first
  readonly #cookies = new BoundedMap<string, { readonly cookie: Uint8Array; readonly at: number }>(
    MAX_COOKIES,
  );

  constructor({ own, ciphers, random, actions, tally }: HandshakeSetup) {
    this.#own = own;
    this.#hmac = ciphers.hmac;
    this.#random = random;
    this.#actions = actions;
    this.#tally = tally;
  }

  /** Stamps `datagram` in place and sends a copy of it. */
  send(to: string, datagram: Uint8Array, keys: NetworkKeys, now: number): void {
    const kept = this.#cookies.get(to);
    const cookie = kept !== undefined && now - kept.at < COOKIE_MS ? kept.cookie : null;
    stampHandshake(this.#hmac, keys.macKey, datagram, cookie);
    this.#actions.send(to, datagram.slice());
  }

  /** Takes in a reply. `waiting` gives what we sent last in the handshake that has this index of ours. */
  reply(
    bytes: Uint8Array,
    from: string,
    now: number,
    waiting: (index: number) => Sent | undefined,
  ): HandshakeEvent[] {
    const reply = wire.decodeReply(bytes);
    const pending = reply === null ? undefined : waiting(reply.receiver);
    if (reply === null || pending === undefined || pending.endpoint !== from) return this.reject();
    if (!this.#own.keys.includes(pending.keys)) return this.reject();
    const mac = borneMac(pending.sent, pending.sent.length);
    if (reply.kind === wire.REPLY_REFUSAL) {
      const genuine = compareBytes(reply.echoedMac, mac) === 0 &&
        checkReply(this.#hmac, pending.keys.macKey, bytes, 0);
      const version = wire.handshakeVersion(bytes, 0);
      if (!genuine) return this.reject();
      const { receiver: index, reason } = reply;
      return [{ kind: "refused", endpoint: from, reason, version, index, keyId: pending.keys.keyId }];
    }
    const cookie = openCookie(this.#hmac, pending.keys.macKey, bytes, mac);
    if (cookie === null) return this.reject();
    const again = this.#cookies.get(from)?.cookie;
    if (again !== undefined && compareBytes(again, cookie) === 0) return []; // it has been used already
    this.#cookies.renew(from, { cookie, at: now });
    this.send(from, pending.sent, pending.keys, now);
    return [];
  }

  /** Sends a refusal under the generation that it names, or the one in use. */
  refuse(to: string, { reason, receiver, echoedMac, keyId }: Refusal): void {
    const keys = this.#own.keys.find((k) => k.keyId === keyId) ?? this.#own.keys[0];
    if (keys === undefined) return;
    const reply = new Uint8Array(wire.REPLY_LEN);
    const fields = { kind: wire.REPLY_REFUSAL, reason, receiver, echoedMac };
    wire.encodeReply(reply, 0, fields, this.#random.bytes(wire.REPLY_NONCE_LEN), null);
    stampReply(this.#hmac, keys.macKey, reply, 0);
    this.#actions.send(to, reply);
  }

  /** Counts a datagram that is not used: nothing comes of it. */
  reject(): HandshakeEvent[] {
    this.#tally.reject();
    return [];
  }
}
