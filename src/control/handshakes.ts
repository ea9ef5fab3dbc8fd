// Handshakes under way (event, now) → datagrams and new sessions. XXpsk3 on first contact, IKpsk2 once the other's
// static key is known from a verified record:
//
//   A ── XX1 e ──────────────▶ B    B answers, and knows nobody yet
//   A ◀─ XX2 e, record of B ──  B    A has verified B: A's session is made
//   A ── XX3 record of A ─────▶ B    B has verified A: B's session is made, and silent until A has used it
//
//   A ── IK1 record of A ─────▶ B    B has verified A, if A's counter is greater than any before
//   A ◀─ IK2 ─────────────────  B    A has verified B
//
// Suites, indices and what each sees of the other are inside, under the handshake hash. Whoever drives this says when to
// begin (links_sealed.ts); a retry is a new handshake. Of two that cross, the one with the smaller ephemeral key goes on:
// both sides see both. Everything here is bounded, and nobody is remembered before they are authenticated.

import { borneMac, checkReply, openCookie, stampHandshake, stampReply } from "../crypto/handshake_mac.ts";
import { nodeHmac } from "../crypto/hmac.ts";
import type { NetworkKeys } from "../crypto/network_keys.ts";
import { NoiseHandshake, type Pattern } from "../crypto/noise.ts";
import { type DhKeys, dhKeys } from "../crypto/x25519.ts";
import { type CipherSuite, MAX_PEERS, type Random } from "../ports.ts";
import { compareBytes, fromHex } from "../wire/bytes.ts";
import * as wire from "../wire/handshake.ts";
import { chooseSuite, decodeOffer, encodeOffer } from "../wire/handshake_offer.ts";
import type { HandshakeOffer, SuiteOffer } from "../wire/handshake_offer.ts";
import { REFUSE_VERSION } from "../wire/hello.ts";
import { type RecordJudge, recordOfHandshake } from "./handshake_records.ts";
import type { Outbox } from "./outbox.ts";
import type { ReceiverIndices } from "./receiver_indices.ts";
import type { NodeRecord } from "./record.ts";

const PENDING_MS = 10_000;
const MAX_BEGUN = 1024;
const MAX_ANSWERED = 1024;
/** Handshakes under way to one endpoint: a late answer to the one before the last still counts. */
const BEGUN_EACH = 3;
/** Handshakes that cross are this close together; what is older was lost. */
const CROSSING_MS = 500;
const COOKIE_MS = 110_000;
/** Ages at which an XX3 is sent again. */
const XX3_AGAIN_MS = [500, 1000, 2000];
const MAX_COOKIES = 1024;
const EPHEMERAL_LEN = 32;

/** What handshakes know of their own node. */
export interface HandshakeOwner extends RecordJudge {
  readonly id: string;
  readonly staticKeys: DhKeys;
  /** The generation to begin with first; the others are accepted. They change. */
  readonly keys: readonly NetworkKeys[];
  /** Whether this node is let in by this generation. */
  admits(id: string, keyId: number): boolean;
  readonly suites: readonly SuiteOffer[];
  member(): boolean;
  /** Our signed record. */
  record(): Uint8Array;
  /** Of this life, as in the record. */
  readonly bootNonce: string;
  /** Greater each time, also over restarts. */
  nextCounter(): number;
}

/** A session that a handshake made. The keys are the receiver's to wipe. */
export interface NewSession {
  readonly peer: NodeRecord;
  /** The boot nonce of whoever made it; null when it did not say. */
  readonly life: string | null;
  readonly endpoint: string;
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
  /** Refused by name: a REFUSE_ number, and the version of whoever refused. */
  | { readonly kind: "refused"; readonly endpoint: string; readonly reason: number; readonly version: number }
  /** A handshake of another version came, and was refused. */
  | { readonly kind: "foreign"; readonly endpoint: string; readonly version: number }
  /** It came by an older secret, and was no member when the newer became known. */
  | { readonly kind: "outdated"; readonly endpoint: string; readonly peer: string }
  /** No suite in common. */
  | { readonly kind: "no-suite"; readonly endpoint: string; readonly peer: string };

/** The datagram that we sent last in a handshake, to send again with a cookie. */
interface Sent {
  readonly keys: NetworkKeys;
  readonly endpoint: string;
  readonly at: number;
  readonly sent: Uint8Array;
}

interface Pending extends Sent {
  readonly noise: NoiseHandshake;
  readonly index: number;
  /** Whom we expect; null: whoever is there. */
  readonly peer: string | null;
  readonly ephemeral: Uint8Array;
  /** The other side's index, once it is known. */
  readonly sendIndex: number;
}

export class Handshakes {
  readonly #own: HandshakeOwner;
  readonly #random: Random;
  readonly #indices: ReceiverIndices;
  readonly #out: Outbox;
  // BOUNDED: ≤ MAX_BEGUN, the oldest go first; by our index
  readonly #begun = new Map<number, Pending>();
  // BOUNDED: ≤ MAX_ANSWERED, the oldest go first; XX1 that we answered, by our index
  readonly #answered = new Map<number, Pending>();
  // BOUNDED: ≤ MAX_BEGUN, the oldest go first; XX3 that may have to be sent again with a cookie, by our index
  readonly #finished = new Map<number, Sent & { repeats: number }>();
  // BOUNDED: ≤ MAX_PEERS, the longest unused go first: only of nodes that were authenticated
  readonly #greatest = new Map<string, number>();
  // BOUNDED: ≤ MAX_COOKIES, the oldest go first
  readonly #cookies = new Map<string, { readonly cookie: Uint8Array; readonly at: number }>();

  constructor(own: HandshakeOwner, indices: ReceiverIndices, random: Random, out: Outbox) {
    this.#own = own;
    this.#indices = indices;
    this.#random = random;
    this.#out = out;
  }

  /**
   * Begins a handshake with whoever is at `endpoint`, or with the node whose static key is known. `attempt`: each tries
   * another generation of the keys, for whoever does not have the one in use.
   */
  begin(
    endpoint: string,
    known: { readonly id: string; readonly staticKey: Uint8Array } | null,
    now: number,
    attempt = 0,
  ): void {
    const keys = this.#own.keys[attempt % this.#own.keys.length];
    const index = this.#indices.take();
    if (keys === undefined || index === null) return;
    const pattern = known === null ? "XXpsk3" : "IKpsk2";
    const ephemeralKeys = this.#ephemeral();
    const noise = this.#machine(pattern, true, keys, ephemeralKeys, known);
    const payload = this.#offer(index, endpoint, known === null ? null : this.#own.record());
    const message = noise.write(payload);
    if (message === null) { // its record names a static key that is no point
      this.#indices.release(index);
      return;
    }
    const fields = { sender: index, receiver: 0, keyId: keys.keyId, noise: message };
    const sent = wire.encodeHandshake({ message: known === null ? wire.XX1 : wire.IK1, ...fields });
    this.#send(endpoint, sent, keys, now);
    const ephemeral = ephemeralKeys.publicKey;
    const peer = known?.id ?? null;
    this.#keep(this.#begun, MAX_BEGUN, {
      noise,
      keys,
      endpoint,
      index,
      at: now,
      sent,
      peer,
      ephemeral,
      sendIndex: 0,
    });
    this.#limitTo(endpoint);
  }

  /** Whether somebody began with us within `ms` who has not been authenticated yet. */
  halfOpen(ms: number, now: number): boolean {
    for (const pending of this.#answered.values()) if (now - pending.at < ms) return true;
    return false;
  }

  /** Whether a handshake with this endpoint is under way whose next message may still be on its way. */
  underWay(endpoint: string, now: number): boolean {
    for (const table of [this.#begun, this.#answered]) {
      for (const pending of table.values()) {
        if (pending.endpoint === endpoint && now - pending.at < CROSSING_MS) return true;
      }
    }
    return false;
  }

  /** Forgets what has waited too long, or is under keys that count no more: it holds copies of them. */
  tick(now: number): void {
    for (const table of [this.#begun, this.#answered]) {
      for (const pending of table.values()) {
        if (now - pending.at >= PENDING_MS || !this.#counts(pending)) this.#end(table, pending, true);
      }
    }
    for (const [index, finished] of this.#finished) {
      if (now - finished.at >= PENDING_MS || !this.#counts(finished)) this.#finished.delete(index);
      else if (now - finished.at >= (XX3_AGAIN_MS[finished.repeats] ?? Infinity)) {
        // Should it be lost, the peer does not know our session, and nothing comes on it.
        finished.repeats++;
        this.#send(finished.endpoint, finished.sent, finished.keys, now);
      }
    }
  }

  /** Something came on the session of this index of ours: what finished the handshake has arrived. */
  arrived(index: number): void {
    this.#finished.delete(index);
  }

  /** Takes in a datagram of type 0x01 or 0x02 that the gate let pass. */
  receive(bytes: Uint8Array, from: string, now: number): HandshakeEvent[] {
    if (wire.isReply(bytes, 0, bytes.length)) return this.#onReply(bytes, from, now);
    const h = wire.decodeHandshake(bytes);
    if (h === null) return this.#foreign(bytes, from);
    const keys = this.#own.keys.find((k) => k.keyId === h.keyId);
    if (keys === undefined) return this.#reject();
    switch (h.message) {
      case wire.XX1:
        return this.#onXX1(h, keys, from, now);
      case wire.IK1:
        return this.#onIK1(h, keys, from, now);
      case wire.XX3:
        return this.#onXX3(h, from);
      default:
        return this.#onAnswer(h, from, now);
    }
  }

  // ------------------------------------------------------------------------------------------ answering

  #onXX1(h: wire.Handshake, keys: NetworkKeys, from: string, now: number): HandshakeEvent[] {
    const own = this.#ownDatagram(h);
    if (own !== null) return [{ kind: "own", endpoint: own.endpoint }];
    if (this.#losesCrossing(h, from, null, now)) return [];
    const ephemeralKeys = this.#ephemeral();
    const noise = this.#machine("XXpsk3", false, keys, ephemeralKeys);
    const offer = this.#read(noise, h);
    const index = offer === null ? null : this.#indices.take();
    if (offer === null || index === null) return this.#reject();
    const message = noise.write(this.#offer(index, from, this.#own.record()));
    if (message === null) {
      this.#indices.release(index);
      return this.#reject();
    }
    const fields = { message: wire.XX2, sender: index, receiver: h.sender, keyId: keys.keyId };
    const sent = wire.encodeHandshake({ ...fields, noise: message });
    this.#send(from, sent, keys, now);
    const ephemeral = ephemeralKeys.publicKey;
    const sendIndex = h.sender;
    const pending = { noise, keys, endpoint: from, index, at: now, sent, peer: null, ephemeral, sendIndex };
    this.#keep(this.#answered, MAX_ANSWERED, pending);
    return [];
  }

  #onXX3(h: wire.Handshake, from: string): HandshakeEvent[] {
    const pending = this.#answered.get(h.receiver);
    if (pending === undefined || pending.sendIndex !== h.sender) return this.#reject();
    if (h.keyId !== pending.keys.keyId) return this.#reject();
    const offer = this.#read(pending.noise, h);
    if (offer === null) return this.#reject();
    const events = this.#authenticated(pending, offer, from, false);
    // XX cannot be replayed: what counter a peer has now is what counts, also after its disk was restored.
    for (const event of events) {
      if (event.kind === "session") this.#note(event.session.peer.id, offer.counter);
    }
    this.#end(this.#answered, pending, events.every((event) => event.kind !== "session"));
    return events;
  }

  #onIK1(h: wire.Handshake, keys: NetworkKeys, from: string, now: number): HandshakeEvent[] {
    const own = this.#ownDatagram(h);
    if (own !== null) return [{ kind: "own", endpoint: own.endpoint }];
    const ephemeralKeys = this.#ephemeral();
    const noise = this.#machine("IKpsk2", false, keys, ephemeralKeys);
    const offer = this.#read(noise, h);
    const record = offer === null ? null : this.#recordOf(noise, offer);
    if (offer === null || record === null) return this.#reject();
    if (offer.counter <= (this.#greatest.get(record.id) ?? -1)) return this.#reject(); // a replay
    if (record.id !== this.#own.id && this.#losesCrossing(h, from, record.id, now)) return [];
    const index = this.#indices.take();
    if (index === null) return this.#reject();
    const message = noise.write(this.#offer(index, from, null, this.#own.bootNonce));
    if (message === null) {
      this.#indices.release(index);
      return this.#reject();
    }
    const fields = { message: wire.IK2, sender: index, receiver: h.sender, keyId: keys.keyId };
    const sent = wire.encodeHandshake({ ...fields, noise: message });
    const ephemeral = ephemeralKeys.publicKey;
    const pending = {
      noise,
      keys,
      endpoint: from,
      index,
      at: now,
      sent,
      peer: null,
      ephemeral,
      sendIndex: h.sender,
    };
    const events = this.#authenticated(pending, offer, from, false, record);
    if (!events.some((event) => event.kind === "session")) {
      this.#indices.release(index);
      return events;
    }
    this.#note(record.id, offer.counter);
    this.#send(from, sent, keys, now);
    noise.wipe();
    return events;
  }

  // ------------------------------------------------------------------------------------------ answers to us

  // XX2 or IK2.
  #onAnswer(h: wire.Handshake, from: string, now: number): HandshakeEvent[] {
    const pending = this.#begun.get(h.receiver);
    if (pending === undefined || (h.message === wire.IK2) !== (pending.peer !== null)) return this.#reject();
    if (h.keyId !== pending.keys.keyId) return this.#reject();
    const offer = this.#read(pending.noise, h);
    if (offer === null) return this.#reject();
    let last: Uint8Array | null = null;
    if (h.message === wire.XX2) {
      const message = pending.noise.write(this.#offer(pending.index, from, this.#own.record()));
      if (message === null) return this.#reject();
      const fields = { sender: pending.index, receiver: h.sender, keyId: pending.keys.keyId };
      last = wire.encodeHandshake({ message: wire.XX3, ...fields, noise: message });
    }
    const record = pending.peer === null ? undefined : this.#own.known(pending.peer);
    const events = this.#authenticated({ ...pending, sendIndex: h.sender }, offer, from, true, record);
    const made = events.some((event) => event.kind === "session");
    // Another host with our keys is to learn of it, too.
    if (last !== null && (made || events.some((event) => event.kind === "clone"))) {
      this.#send(from, last, pending.keys, now);
      const finished = { keys: pending.keys, endpoint: from, at: now, sent: last, repeats: 0 };
      this.#finished.set(pending.index, finished);
      if (this.#finished.size > MAX_BEGUN) this.#finished.delete(this.#finished.keys().next().value!);
    }
    this.#end(this.#begun, pending, !made);
    return events;
  }

  // What is left when the Noise part is done: is it who it says, and can we talk to each other?
  #authenticated(
    pending: Pending,
    offer: HandshakeOffer,
    from: string,
    initiator: boolean,
    known?: NodeRecord,
  ): HandshakeEvent[] {
    const record = known ?? this.#recordOf(pending.noise, offer);
    if (record === null || offer.index !== pending.sendIndex) return this.#reject();
    if (record.id === this.#own.id) return [{ kind: "clone", endpoint: from, record, member: offer.member }];
    if (!this.#own.admits(record.id, pending.keys.keyId)) {
      return [{ kind: "outdated", endpoint: from, peer: record.id }];
    }
    const suite = chooseSuite(this.#own.suites, offer.suites);
    if (suite === null) return [{ kind: "no-suite", endpoint: from, peer: record.id }];
    const { send, receive } = pending.noise.split();
    return [{
      kind: "session",
      session: {
        peer: record,
        life: offer.record === null ? offer.life : record.bootNonce,
        endpoint: from,
        receiveIndex: pending.index,
        sendIndex: pending.sendIndex,
        suite,
        sendKey: send,
        receiveKey: receive,
        initiator,
        member: offer.member,
        keyId: pending.keys.keyId,
        seen: offer.seen,
      },
    }];
  }

  #onReply(bytes: Uint8Array, from: string, now: number): HandshakeEvent[] {
    const reply = wire.decodeReply(bytes);
    const pending = reply === null ? undefined : this.#waiting(reply.receiver);
    if (reply === null || pending === undefined || pending.endpoint !== from) return this.#reject();
    if (!this.#counts(pending)) return this.#reject();
    const mac = borneMac(pending.sent, pending.sent.length);
    if (reply.kind === wire.REPLY_REFUSAL) {
      const genuine = compareBytes(reply.echoedMac, mac) === 0 &&
        checkReply(nodeHmac, pending.keys.macKey, bytes, 0);
      const version = wire.handshakeVersion(bytes, 0);
      return genuine ? [{ kind: "refused", endpoint: from, reason: reply.reason, version }] : this.#reject();
    }
    const cookie = openCookie(nodeHmac, pending.keys.macKey, bytes, mac);
    if (cookie === null) return this.#reject();
    const again = this.#cookies.get(from)?.cookie;
    if (again !== undefined && compareBytes(again, cookie) === 0) return []; // it has been used already
    this.#cookies.delete(from);
    this.#cookies.set(from, { cookie, at: now });
    if (this.#cookies.size > MAX_COOKIES) this.#cookies.delete(this.#cookies.keys().next().value!);
    this.#send(from, pending.sent, pending.keys, now);
    return [];
  }

  // Whether the keys it is under are still accepted.
  #counts({ keys }: Sent): boolean {
    return this.#own.keys.includes(keys);
  }

  #waiting(index: number): Sent | undefined {
    return this.#begun.get(index) ?? this.#answered.get(index) ?? this.#finished.get(index);
  }

  // Of another version, or malformed behind a good MAC: the other side can read a refusal as far as it must.
  #foreign(bytes: Uint8Array, from: string): HandshakeEvent[] {
    if (!wire.isHandshake(bytes, 0, bytes.length)) return this.#reject();
    const version = wire.handshakeVersion(bytes, 0);
    const keys = this.#own.keys[0];
    if (version === wire.HANDSHAKE_VERSION || keys === undefined || bytes.length < wire.REPLY_LEN) {
      return this.#reject();
    }
    this.refuse(from, bytes, REFUSE_VERSION);
    return [{ kind: "foreign", endpoint: from, version }];
  }

  /** Answers a handshake with a refusal, a REFUSE_ number, that is not longer than it. */
  refuse(to: string, question: Uint8Array, reason: number): void {
    if (question.length < wire.REPLY_LEN) return;
    this.#sendRefusal(to, reason, wire.handshakeSender(question, 0), borneMac(question, question.length));
  }

  /** Lets whoever has another secret see that its datagrams arrive, and fail: all it can tell is a wrong MAC. */
  refuseForeign(to: string, reason: number): void {
    this.#sendRefusal(to, reason, 0, new Uint8Array(wire.MAC_LEN));
  }

  #sendRefusal(to: string, reason: number, receiver: number, echoedMac: Uint8Array): void {
    const keys = this.#own.keys[0];
    if (keys === undefined) return;
    const reply = new Uint8Array(wire.REPLY_LEN);
    const fields = { kind: wire.REPLY_REFUSAL, reason, receiver, echoedMac };
    wire.encodeReply(reply, 0, fields, this.#random.bytes(wire.REPLY_NONCE_LEN), null);
    stampReply(nodeHmac, keys.macKey, reply, 0);
    this.#out.send(to, reply);
  }

  // ------------------------------------------------------------------------------------------ the parts

  // A datagram that we sent ourselves bears an index that we gave out for it.
  #ownDatagram(h: wire.Handshake): Pending | null {
    const pending = this.#begun.get(h.sender);
    if (pending === undefined) return null;
    return compareBytes(pending.ephemeral, h.noise.subarray(0, EPHEMERAL_LEN)) === 0 ? pending : null;
  }

  // Both sides have begun at once: the smaller ephemeral key goes on, and the other side's drops out.
  #losesCrossing(h: wire.Handshake, from: string, peer: string | null, now: number): boolean {
    const theirs = h.noise.subarray(0, EPHEMERAL_LEN);
    for (const pending of [...this.#begun.values()]) {
      if (pending.endpoint !== from && (peer === null || pending.peer !== peer)) continue;
      if (now - pending.at >= CROSSING_MS) continue;
      if (compareBytes(pending.ephemeral, theirs) < 0) return true;
      this.#end(this.#begun, pending, true);
    }
    return false;
  }

  #read(noise: NoiseHandshake, h: wire.Handshake): HandshakeOffer | null {
    if (!noise.awaits) return null; // one that was no offer has been read already: this handshake times out
    const payload = noise.read(h.noise);
    const offer = payload === null ? null : decodeOffer(payload);
    return offer?.index === h.sender ? offer : null;
  }

  #recordOf(noise: NoiseHandshake, offer: HandshakeOffer): NodeRecord | null {
    const key = noise.remoteStatic;
    return key === null || offer.record === null ? null : recordOfHandshake(this.#own, offer.record, key);
  }

  #offer(index: number, seen: string, record: Uint8Array | null, life: string | null = null): Uint8Array {
    const counter = record === null ? 0 : this.#own.nextCounter();
    const { suites } = this.#own;
    return encodeOffer({ index, seen, suites, counter, member: this.#own.member(), record, life });
  }

  #machine(
    pattern: Pattern,
    initiator: boolean,
    keys: NetworkKeys,
    ephemeralKeys: DhKeys,
    known: { readonly id: string; readonly staticKey: Uint8Array } | null = null,
  ): NoiseHandshake {
    const label = new TextEncoder().encode("ovltun noise 1 ");
    // IK brings no record of the responder: without its id anybody could name its static key in a record of his own, and
    // pass the messages on.
    const responder = initiator ? known?.id : this.#own.id;
    const bound = pattern === "IKpsk2" ? fromHex(responder!)! : new Uint8Array(0);
    const prologue = new Uint8Array(label.length + keys.networkId.length + bound.length);
    prologue.set(label);
    prologue.set(keys.networkId, label.length);
    prologue.set(bound, label.length + keys.networkId.length);
    const { staticKeys } = this.#own;
    const setup = { pattern, initiator, prologue, psk: keys.psk, staticKeys, ephemeralKeys };
    return new NoiseHandshake(known === null ? setup : { ...setup, remoteStatic: known.staticKey });
  }

  #ephemeral(): DhKeys {
    const seed = this.#random.bytes(EPHEMERAL_LEN);
    const keys = dhKeys(seed);
    seed.fill(0);
    return keys;
  }

  #send(to: string, datagram: Uint8Array, keys: NetworkKeys, now: number): void {
    const kept = this.#cookies.get(to);
    const cookie = kept !== undefined && now - kept.at < COOKIE_MS ? kept.cookie : null;
    stampHandshake(nodeHmac, keys.macKey, datagram, cookie);
    this.#out.send(to, datagram.slice());
  }

  #keep(table: Map<number, Pending>, max: number, pending: Pending): void {
    table.set(pending.index, pending);
    if (table.size > max) this.#end(table, table.values().next().value!, true);
  }

  #limitTo(endpoint: string): void {
    const those = [...this.#begun.values()].filter((pending) => pending.endpoint === endpoint);
    for (const pending of those.slice(0, -BEGUN_EACH)) this.#end(this.#begun, pending, true);
  }

  // A session that was made keeps the index.
  #end(table: Map<number, Pending>, pending: Pending, release: boolean): void {
    table.delete(pending.index);
    pending.noise.wipe();
    if (release) this.#indices.release(pending.index);
  }

  #note(id: string, counter: number): void {
    this.#greatest.delete(id);
    this.#greatest.set(id, counter);
    if (this.#greatest.size > MAX_PEERS) this.#greatest.delete(this.#greatest.keys().next().value!);
  }

  #reject(): HandshakeEvent[] {
    this.#out.reject();
    return [];
  }
}
