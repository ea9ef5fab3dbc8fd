/**
 * What both sides write into a handshake, read out of it, and make of it once the Noise part is done. A message carries
 * an offer: our index, the suites, where we see the other side, and, from the side that has to identify itself, its record.
 *
 *   machine ─▶ write ─▶ … ─▶ read ─▶ conclude: who is it, may they come in, which suite ─▶ a session
 */

import type { NetworkKeys } from "../../crypto/network_secret.ts";
import type { ControlCiphers, HandshakeMachine } from "../../crypto/control_ciphers.ts";
import type { Pattern } from "../../crypto/noise.ts";
import type { DhKeys } from "../../crypto/noise_state.ts";
import type { Random } from "../../ports/time.ts";
import { equalBytes, fromHex, toHex } from "../../wire/bytes.ts";
import {
  chooseSuite,
  decodeOffer,
  encodeHandshake,
  encodeOffer,
  type Handshake,
  type HandshakeOffer,
  type SuiteOffer,
} from "../../wire/handshake.ts";
import type { Actions, OwnNode, Tally } from "../outbox/outbox.ts";
import type { NodeRecord } from "../records/record.ts";
import type { Exchange, HandshakeEvent, ReceiverIndices, Sent } from "./pending.ts";

/** Every first message begins with it, in the clear. */
export const EPHEMERAL_LEN = 32;

/** What handshakes are made of. */
export interface HandshakeSetup {
  readonly own: OwnNode;
  readonly ciphers: ControlCiphers;
  /** Of our identity. */
  readonly staticKeys: DhKeys;
  /** What this host can do, and how fast. */
  readonly suites: readonly SuiteOffer[];
  readonly indices: ReceiverIndices;
  readonly random: Random;
  readonly actions: Actions;
  readonly tally: Tally;
  /** Whether a node that bears this record, there, has to wait for what its original says; absent: never. */
  contested?(record: NodeRecord, from: string, now: number): boolean;
}

/** A node whose static key is known from a verified record. */
export interface KnownNode {
  readonly id: string;
  readonly staticKey: Uint8Array;
}

/** What we know of an exchange beside what was said in it. */
export interface OurSide {
  readonly initiator: boolean;
  /** What this answers: where and when it was sent; null: it answers nothing. */
  readonly asked: Pick<Sent, "endpoint" | "at"> | null;
  /** The verified record, where none came with the offer or it was judged already. */
  readonly known?: NodeRecord | undefined;
}

export class HandshakeMessages {
  readonly #own: OwnNode;
  readonly #ciphers: ControlCiphers;
  readonly #staticKeys: DhKeys;
  readonly #suites: readonly SuiteOffer[];
  readonly #random: Random;

  constructor({ own, ciphers, staticKeys, suites, random }: HandshakeSetup) {
    this.#own = own;
    this.#ciphers = ciphers;
    this.#staticKeys = staticKeys;
    this.#suites = suites;
    this.#random = random;
  }

  /** A fresh key pair, for one handshake. */
  ephemeral(): DhKeys {
    const seed = this.#random.bytes(EPHEMERAL_LEN);
    const keys = this.#ciphers.dhKeys(seed);
    seed.fill(0);
    return keys;
  }

  /** The initiator's machine: IK with a known node, else XX. */
  initiator(keys: NetworkKeys, ephemeralKeys: DhKeys, known: KnownNode | null): HandshakeMachine {
    const pattern = known === null ? "XXpsk3" : "IKpsk2";
    const prologue = prologueOf(pattern, keys, known?.id ?? "");
    const staticKeys = this.#staticKeys;
    const setup = { pattern, initiator: true, prologue, psk: keys.psk, staticKeys, ephemeralKeys } as const;
    return this.#ciphers.handshake(known === null ? setup : { ...setup, remoteStatic: known.staticKey });
  }

  /** The responder's machine. */
  responder(pattern: Pattern, keys: NetworkKeys, ephemeralKeys: DhKeys): HandshakeMachine {
    const prologue = prologueOf(pattern, keys, this.#own.identity.id);
    const staticKeys = this.#staticKeys;
    return this.#ciphers.handshake({
      pattern,
      initiator: false,
      prologue,
      psk: keys.psk,
      staticKeys,
      ephemeralKeys,
    });
  }

  /**
   * A message of ours: with our record where it says who we are, else our boot nonce or nothing. Null when a curve operation
   * is refused: the other's record names a static key that is no point; or when no counter is on disk yet.
   */
  write(
    { noise, keys, endpoint, index, sendIndex }: Exchange,
    message: number,
    record: Uint8Array | null,
    life: string | null = null,
  ): Uint8Array | null {
    const counter = record === null ? 0 : this.#own.nextCounter();
    if (counter === null) return null;
    const suites = this.#suites;
    const member = this.#own.member();
    const written = noise.write(
      encodeOffer({ index, seen: endpoint, suites, counter, member, record, life }),
    );
    if (written === null) return null;
    const fields = { message, sender: index, receiver: sendIndex, keyId: keys.keyId };
    return encodeHandshake({ ...fields, noise: written });
  }

  /** The payload of a message of theirs; null when it does not verify, or is no offer. */
  read(noise: HandshakeMachine, h: Handshake): HandshakeOffer | null {
    if (!noise.awaits) return null; // one that was no offer has been read already: this handshake times out
    const payload = noise.read(h.noise);
    const offer = payload === null ? null : decodeOffer(payload);
    return offer?.index === h.sender ? offer : null;
  }

  /** Whose message it is, by the record that came with it; null when that does not hold. */
  recordOf(noise: HandshakeMachine, offer: HandshakeOffer): NodeRecord | null {
    const key = noise.remoteStatic;
    return key === null || offer.record === null ? null : recordOfHandshake(this.#own, offer.record, key);
  }

  /**
   * What is left when the Noise part is done: is it who it says, and can we talk to each other? Null: it is to be
   * rejected.
   */
  conclude(
    exchange: Exchange,
    offer: HandshakeOffer,
    { initiator, asked, known }: OurSide,
  ): HandshakeEvent | null {
    const { endpoint, keys: { keyId } } = exchange;
    const record = known ?? this.recordOf(exchange.noise, offer);
    if (record === null || offer.index !== exchange.sendIndex) return null;
    if (record.id === this.#own.identity.id) return { kind: "clone", endpoint, record, member: offer.member };
    // It has shown who it is, and no more comes of it than that it is told.
    if (this.#own.isRevoked(record.id)) {
      return { kind: "revoked", endpoint, peer: record.id, keyId, proven: asked?.endpoint === endpoint };
    }
    const about = { endpoint, asked: asked?.endpoint ?? null, peer: record.id };
    if (!this.#own.admits(record.id, keyId)) return { kind: "outdated", ...about };
    const suite = chooseSuite(this.#suites, offer.suites);
    if (suite === null) return { kind: "no-suite", ...about };
    const { send, receive } = exchange.noise.split();
    return {
      kind: "session",
      session: {
        peer: record,
        life: offer.record === null ? offer.life : record.bootNonce,
        endpoint,
        asked: asked?.endpoint ?? null,
        askedAt: asked?.at ?? null,
        receiveIndex: exchange.index,
        sendIndex: exchange.sendIndex,
        suite,
        sendKey: send,
        receiveKey: receive,
        initiator,
        member: offer.member,
        keyId,
        seen: offer.seen,
      },
    };
  }
}

// What both sides must have seen alike: the network, and for IK the responder's id. IK brings no record of the
// responder: without its id an attacker could put its static key into a record of their own, and relay the messages.
function prologueOf(pattern: Pattern, keys: NetworkKeys, responder: string): Uint8Array {
  const label = new TextEncoder().encode("ovltun noise 1 ");
  const bound = pattern === "IKpsk2" ? fromHex(responder)! : new Uint8Array(0);
  const prologue = new Uint8Array(label.length + keys.networkId.length + bound.length);
  prologue.set(label);
  prologue.set(keys.networkId, label.length);
  prologue.set(bound, label.length + keys.networkId.length);
  return prologue;
}

/**
 * Whose handshake it is: the record in `raw` when it is of our network, names `staticKey`, and is signed by its owner;
 * else null, and no session belongs to that node. A record that we hold already, byte for byte, is not verified again.
 */
function recordOfHandshake(
  own: Pick<OwnNode, "networkId" | "known" | "reader">,
  raw: Uint8Array,
  staticKey: Uint8Array,
): NodeRecord | null {
  const decoded = own.reader.decode(raw);
  if (decoded === null || decoded.networkId !== own.networkId) return null;
  if (decoded.staticKey !== toHex(staticKey)) return null;
  const known = own.known(decoded.id);
  if (known !== undefined && equalBytes(known.raw, raw)) return known;
  return own.reader.open(raw, decoded);
}
