/**
 * The gate before every handshake, in the Worker: what passes it costs the control thread curve operations. In this
 * order: the keyed MAC, which only members of the network can make; what has passed once already is a replay; under load
 * a cookie, which only a receiver at its source address can show; then the rates. Strangers without a
 * cookie take nothing from the rate of those with one, and no address takes all of that.
 *
 * A cookie is HMAC(secret, source address and port): nothing is stored for it. The secret changes every two minutes;
 * the one before it still counts.
 */
import { BoundedMap, BoundedSet } from "../../bounds/bounded_map.ts";
import {
  borneMac,
  checkCookie,
  checkHandshake,
  checkReply,
  maskCookie,
  stampReply,
} from "../../crypto/handshake_mac.ts";
import type { Hmac } from "../../ports/aead.ts";
import type { Random } from "../../ports/time.ts";
import { u32, u48 } from "../../wire/bytes.ts";
import {
  encodeReply,
  handshakeMessage,
  handshakeSender,
  IK2,
  isHandshake,
  isReply,
  MAC_LEN,
  macAt,
  REPLY_COOKIE,
  REPLY_NONCE_LEN,
  XX2,
  XX3,
} from "../../wire/handshake.ts";
import { RateLimit } from "../../bounds/rate_limit.ts";

const SECRET_MS = 120_000;
const SECRET_LEN = 32;
/** Once busy, cookies are demanded for so long. */
const BUSY_MS = 2000;
const MAX_ADDRESSES = 1024;
const MAX_SEEN = 4096;

/** Per second; bursts are of one second's worth. */
export interface GateLimits {
  /** Handshakes that reach the control thread, by their first and third messages each; as many answers to our own. */
  readonly handshakes: number;
  /** More than that, and cookies are demanded. */
  readonly calm: number;
  /** From one address while cookies are demanded. */
  readonly perAddress: number;
  /** Cookies handed out. */
  readonly cookies: number;
}

export const GATE_LIMITS: GateLimits = { handshakes: 200, calm: 50, perAddress: 40, cookies: 1000 };

/** `cookie`: a reply of REPLY_LEN bytes lies in the place of the datagram. */
export type GateVerdict = "pass" | "bad-mac" | "cookie" | "replay" | "overload" | "malformed";

export class HandshakeGate {
  readonly #hmac: Hmac;
  readonly #random: Random;
  readonly #limits: GateLimits;
  #keys: readonly Uint8Array[] = [];
  readonly #calm: RateLimit;
  readonly #handshakes: RateLimit;
  readonly #finishes: RateLimit;
  readonly #answers: RateLimit;
  readonly #cookies: RateLimit;
  #busyUntil = -Infinity;
  #secrets: readonly Uint8Array[] = [];
  #secretAt = -Infinity;
  // BOUNDED: ≤ MAX_ADDRESSES, the longest unused go first
  readonly #addresses = new BoundedMap<string, RateLimit>(MAX_ADDRESSES);
  // BOUNDED: ≤ MAX_SEEN, the oldest go first. The first six bytes of MACs that have passed.
  readonly #seen = new BoundedSet<number>(MAX_SEEN);

  constructor(hmac: Hmac, random: Random, limits = GATE_LIMITS) {
    this.#hmac = hmac;
    this.#random = random;
    this.#limits = limits;
    this.#calm = new RateLimit(limits.calm, limits.calm);
    this.#handshakes = new RateLimit(limits.handshakes, limits.handshakes);
    // Twice as many, for they come in bursts; only what matches a handshake under way costs anything.
    this.#finishes = new RateLimit(2 * limits.handshakes, 2 * limits.handshakes);
    this.#answers = new RateLimit(limits.handshakes, limits.handshakes);
    this.#cookies = new RateLimit(limits.cookies, limits.cookies);
  }

  /** The network's MAC keys; none: the mesh is plain, and everything passes to be refused by name. */
  setKeys(keys: readonly Uint8Array[]): void {
    for (const key of this.#keys) key.fill(0);
    this.#keys = keys.map((key) => key.slice());
  }

  /** Whether a MAC is demanded: in plain meshes there is none. */
  get keyed(): boolean {
    return this.#keys.length > 0;
  }

  /** Whether cookies are demanded. */
  busy(now: number): boolean {
    return now < this.#busyUntil;
  }

  /** Looks at the handshake or reply in `b` from `at` to `end`; `source` gives its endpoint as text. */
  check(b: Uint8Array, at: number, end: number, source: () => string, now: number): GateVerdict {
    const reply = isReply(b, at, end);
    if (!reply && !isHandshake(b, at, end)) return "malformed";
    if (this.#keys.length === 0) return this.#answers.take(now) ? "pass" : "overload";
    const key = this.#keys.find((k) =>
      reply ? checkReply(this.#hmac, k, b, at) : checkHandshake(this.#hmac, k, b, at, end)
    );
    if (key === undefined) return "bad-mac";
    if (reply) return this.#answers.take(now) ? "pass" : "overload";
    // Before anything that load decides: replaying a handshake must not make others need a cookie.
    if (this.#seen.has(u48(b, macAt(end)))) return "replay";
    const message = handshakeMessage(b, at);
    if (message === XX2 || message === IK2) return this.#once(b, end, this.#answers, now);
    // What finishes a handshake has a rate of its own: those that begin must not crowd out those that are under way.
    const rate = message === XX3 ? this.#finishes : this.#handshakes;
    if (message !== XX3 && !this.#calm.take(now)) this.#busyUntil = now + BUSY_MS;
    if (!this.busy(now)) return this.#once(b, end, rate, now);
    const from = source();
    if (!this.#showsCookie(b, at, end, from, now)) return this.#demandCookie(key, b, at, end, from, now);
    return message === XX3 || this.#ofAddress(from).take(now) ? this.#once(b, end, rate, now) : "overload";
  }

  // Passes, and never again.
  #once(b: Uint8Array, end: number, rate: RateLimit, now: number): GateVerdict {
    if (!rate.take(now)) return "overload";
    this.#seen.add(u48(b, macAt(end)));
    return "pass";
  }

  #showsCookie(b: Uint8Array, at: number, end: number, from: string, now: number): boolean {
    if (u32(b, end - MAC_LEN) === 0 && u32(b, end - 4) === 0) return false; // it shows none
    this.#renewSecret(now);
    return this.#secrets.some((secret) => checkCookie(this.#hmac, this.#cookie(secret, from), b, at, end));
  }

  #demandCookie(
    key: Uint8Array,
    b: Uint8Array,
    at: number,
    end: number,
    from: string,
    now: number,
  ): GateVerdict {
    if (!this.#cookies.take(now)) return "overload";
    this.#renewSecret(now);
    const reply = {
      kind: REPLY_COOKIE,
      reason: 0,
      receiver: handshakeSender(b, at),
      echoedMac: borneMac(b, end),
    };
    encodeReply(b, at, reply, this.#random.bytes(REPLY_NONCE_LEN), this.#cookie(this.#secrets[0]!, from));
    maskCookie(this.#hmac, key, b, at);
    stampReply(this.#hmac, key, b, at);
    return "cookie";
  }

  #cookie(secret: Uint8Array, from: string): Uint8Array {
    const text = new TextEncoder().encode(from);
    const source = new Uint8Array(new ArrayBuffer(text.length));
    source.set(text);
    const cookie = new Uint8Array(new ArrayBuffer(MAC_LEN));
    this.#hmac.digest(secret, source, 0, source.length, cookie);
    return cookie;
  }

  #renewSecret(now: number): void {
    const age = now - this.#secretAt;
    if (age < SECRET_MS) return;
    const before = age < 2 * SECRET_MS ? this.#secrets.slice(0, 1) : [];
    this.#secrets = [this.#random.bytes(SECRET_LEN), ...before];
    this.#secretAt = now;
  }

  #ofAddress(from: string): RateLimit {
    const address = from.slice(0, from.lastIndexOf(":"));
    const { perAddress } = this.#limits;
    const limit = this.#addresses.get(address) ?? new RateLimit(perAddress, perAddress);
    this.#addresses.renew(address, limit);
    return limit;
  }
}
