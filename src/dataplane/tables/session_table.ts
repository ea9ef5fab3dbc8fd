/**
 * The sessions with sealed peers: which one sends, which may receive, their keys and counters. A slot has at most
 * MAX_SESSIONS, so that packets of the epoch before are still opened during a rekey; the oldest that does not send
 * goes. A session gets a lane when something authenticated came on it; until then the lane is on trial, among a
 * few of the whole table, because anyone who knows a receiver index can use it. Everything that holds a key is wiped
 * when it goes.
 */
import { laneAead, ReplayWindow } from "../../crypto/lane.ts";
import { type AeadKey, type AeadProvider, type CipherSuite, MAX_SESSIONS } from "../../ports/aead.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import { CONTROL_LANE, type InstallSession } from "../../ports/planes.ts";
import { DATA_LEN, encodeData, withoutLane } from "../../wire/data_header.ts";

/** Lanes of one peer that are received, besides the control plane's. */
export const MAX_LANES = 16;

/** What is received on one lane. */
export interface ReceiveLane {
  readonly key: AeadKey;
  readonly window: ReplayWindow;
}

/** Where keys come from, and for which memory and sending lane. */
export interface SessionMaker {
  readonly aead: AeadProvider;
  readonly memory: Uint8Array;
  readonly lane: number;
}

export class Session {
  readonly slot: number;
  /** The index we gave the peer, without a lane. */
  readonly receiveIndex: number;
  /** The index the peer gave us, with our lane. */
  readonly sendIndex: number;
  readonly #sealing: AeadKey;
  /** Counter of the next packet. */
  counter = 0;
  confirmed: boolean;
  /** Whether the control plane was told that the counter is high. */
  rekeyAsked = false;
  readonly #suite: CipherSuite;
  readonly #maker: SessionMaker;
  readonly #receiveRoot: Uint8Array;
  /** BOUNDED: MAX_LANES and the control lane. Those on which something authenticated came. */
  readonly #lanes: (ReceiveLane | null)[] = new Array<ReceiveLane | null>(MAX_LANES + 1).fill(null);

  constructor(message: InstallSession, maker: SessionMaker) {
    this.slot = message.slot;
    this.receiveIndex = message.receiveIndex;
    this.sendIndex = (message.sendIndex | maker.lane) >>> 0;
    this.confirmed = message.confirmed;
    this.#maker = maker;
    this.#suite = message.suite;
    this.#sealing = this.#key(message.sendKey, maker.lane);
    this.#receiveRoot = message.receiveKey.slice();
  }

  /**
   * Writes the datagram of the `length` bytes at `from` to `header`, with the next counter: header, ciphertext, tag. Five
   * arguments, for the payload lies where it was read, and a packet path makes no object to say so.
   */
  seal(b: Uint8Array, header: number, from: number, length: number, flags: number): void {
    encodeData(b, header, flags, 0, this.sendIndex, this.counter++);
    this.#sealing.seal(b, header, from, length, header + DATA_LEN);
  }

  /** What is received on lane `lane`; null: nothing authenticated has come on it. */
  lane(lane: number): ReceiveLane | null {
    return this.#lanes[placeOf(lane)] ?? null;
  }

  /** A lane that nothing has come on yet, for the caller to wipe or to keep; null: not a lane of the peer. */
  tryLane(lane: number): ReceiveLane | null {
    if (placeOf(lane) > MAX_LANES) return null;
    return { key: this.#key(this.#receiveRoot, lane), window: new ReplayWindow() };
  }

  /** Something authenticated has come on `lane`. */
  keepLane(number: number, lane: ReceiveLane): void {
    this.#lanes[placeOf(number)] = lane;
  }

  #key(root: Uint8Array, lane: number): AeadKey {
    const { aead, memory } = this.#maker;
    return laneAead(aead, { suite: this.#suite, root, lane, memory });
  }

  wipe(): void {
    this.#sealing.wipe();
    for (const lane of this.#lanes) lane?.key.wipe();
    this.#receiveRoot.fill(0);
  }
}

/** Where a session has a lane; above MAX_LANES: nowhere. */
function placeOf(lane: number): number {
  return lane < MAX_LANES ? lane : lane === CONTROL_LANE ? MAX_LANES : MAX_LANES + 1;
}

/** Lanes on trial: those of a few sessions. */
const MAX_TRIALS = 64;

/** A lane that waits for its first authenticated datagram. */
interface Trial {
  readonly session: Session;
  readonly number: number;
  readonly lane: ReceiveLane;
}

export class SessionTable {
  /** BOUNDED: ≤ MAX_PEERS × MAX_SESSIONS. By receiver index without its lane. */
  readonly #byIndex = new Map<number, Session>();
  /** BOUNDED: one per slot, each ≤ MAX_SESSIONS, the oldest first. */
  readonly #bySlot = new Map<number, Session[]>();
  readonly #sending = new Array<Session | null>(MAX_PEERS).fill(null);
  /** The one asked for last: packets come in trains. */
  #last: Session | null = null;
  /**
   * BOUNDED: ≤ MAX_TRIALS, the oldest goes. Lanes that nothing authenticated came on: naming one again derives no other
   * key.
   */
  readonly #trials: Trial[] = [];

  /** Adds a session and wipes the root keys of the message. One with the same receiver index is replaced. */
  install(message: InstallSession, maker: SessionMaker): Session {
    try {
      const session = new Session(message, maker);
      this.drop(message.receiveIndex);
      const sessions = this.#bySlot.get(session.slot) ?? [];
      if (sessions.length === MAX_SESSIONS) {
        const oldest = sessions.find((old) => old !== this.#sending[session.slot])!;
        this.drop(oldest.receiveIndex);
      }
      this.#bySlot.set(session.slot, [...(this.#bySlot.get(session.slot) ?? []), session]);
      this.#byIndex.set(withoutLane(session.receiveIndex), session);
      if (session.confirmed) this.#sending[session.slot] = session;
      return session;
    } finally {
      message.sendKey.fill(0);
      message.receiveKey.fill(0);
    }
  }

  /** The session that packets to the peer in `slot` leave on, or null. */
  sending(slot: number): Session | null {
    return this.#sending[slot]!;
  }

  /** The session of a receiver index, whatever its lane, or null. */
  byIndex(index: number): Session | null {
    const last = this.#last;
    if (last !== null && withoutLane(last.receiveIndex) === withoutLane(index)) return last;
    const session = this.#byIndex.get(withoutLane(index)) ?? null;
    if (session !== null) this.#last = session;
    return session;
  }

  /**
   * What is received on `number`, one of the session's lanes; null: not a lane of the peer. Until `authenticated`, it is on
   * trial: a forged datagram costs one key at most, and nothing is kept of it beyond the next MAX_TRIALS.
   */
  lane(session: Session, number: number): ReceiveLane | null {
    const known = session.lane(number);
    if (known !== null) return known;
    const trial = this.#trials.find((other) => other.session === session && other.number === number);
    if (trial !== undefined) return trial.lane;
    const lane = session.tryLane(number);
    if (lane === null) return null;
    if (this.#trials.length === MAX_TRIALS) this.#trials.shift()!.lane.key.wipe();
    this.#trials.push({ session, number, lane });
    return lane;
  }

  /** Something opened under the key of this lane: it stays, if it was on trial. */
  authenticated(lane: ReceiveLane): void {
    if (this.#trials.length === 0) return;
    const i = this.#trials.findIndex((trial) => trial.lane === lane);
    if (i < 0) return;
    const [{ session, number }] = this.#trials.splice(i, 1) as [Trial];
    session.keepLane(number, lane);
  }

  #endTrials(session: Session): void {
    for (let i = this.#trials.length - 1; i >= 0; i--) {
      if (this.#trials[i]!.session === session) this.#trials.splice(i, 1)[0]!.lane.key.wipe();
    }
  }

  /** The peer has used the session: packets leave on it from now on. */
  confirm(session: Session): void {
    session.confirmed = true;
    this.#sending[session.slot] = session;
  }

  /** Forgets a session; one that is gone is no error. The newest that the peer has used sends instead. */
  drop(receiveIndex: number): void {
    const session = this.#byIndex.get(withoutLane(receiveIndex));
    if (session === undefined) return;
    const { slot } = session;
    this.#byIndex.delete(withoutLane(receiveIndex));
    if (this.#last === session) this.#last = null;
    this.#endTrials(session);
    const left = this.#bySlot.get(slot)!.filter((other) => other !== session);
    if (left.length === 0) this.#bySlot.delete(slot);
    else this.#bySlot.set(slot, left);
    if (this.#sending[slot] === session) {
      this.#sending[slot] = left.findLast((other) => other.confirmed) ?? null;
    }
    session.wipe();
  }

  /** Forgets all sessions of a slot. */
  dropPeer(slot: number): void {
    for (const { receiveIndex } of this.#bySlot.get(slot) ?? []) this.drop(receiveIndex);
  }
}
