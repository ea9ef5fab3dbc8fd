/**
 * The sessions with each peer, as far as the control plane must know them: which one to speak on, when to renew it, when
 * it ends. Keys are not kept: they go to the data plane with the action that installs a session. A new session is made
 * at 120 s and none is used past 180 s; then it is dropped on both planes, which zeroes its keys.
 */

import type { CipherSuite } from "../../ports/aead.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import type { NewSession } from "../handshake/handshake_events.ts";
import type { Actions } from "../outbox/actions.ts";
import type { ReceiverIndices } from "../handshake/pending.ts";

/** The initiator renews a session at this age … */
const REKEY_MS = 120_000;
/** … and the responder, if that did not happen. */
const REKEY_LATE_MS = 140_000;
const REJECT_MS = 180_000;
/** An unconfirmed session that was never used. */
const UNUSED_MS = 20_000;
const REKEY_AGAIN_MS = 5000;
/** During a rekey two, and one that is not confirmed yet: as many as the data plane holds. */
const SESSIONS_EACH = 3;

export interface Session {
  readonly peer: string;
  /** The boot nonce of its maker; null if it did not say. */
  readonly life: string | null;
  /** Where it was made. */
  readonly endpoint: string;
  readonly receiveIndex: number;
  readonly suite: CipherSuite;
  readonly initiator: boolean;
  /** When its handshake was complete here. */
  readonly at: number;
  /** The peer has shown that it has it: what we send may go by it. */
  confirmed: boolean;
  /** When a handshake is to replace it. */
  renewAt: number;
}

export class Sessions {
  readonly #actions: Actions;
  readonly #indices: ReceiverIndices;
  // BOUNDED: ≤ SESSIONS_EACH for each peer with a link, ≤ MAX_PEERS of them; the oldest first
  readonly #byPeer = new Map<string, Session[]>();
  // BOUNDED: as #byPeer
  readonly #byIndex = new Map<number, Session>();

  constructor(indices: ReceiverIndices, actions: Actions) {
    this.#indices = indices;
    this.#actions = actions;
  }

  /**
   * Takes in what a handshake made and hands it to the data plane, whose packets for the peer go to `endpoint`. False:
   * there are too many peers.
   */
  add(made: NewSession, now: number, endpoint = made.endpoint): boolean {
    const id = made.peer.id;
    const list = this.#byPeer.get(id) ?? [];
    if (list.length === 0 && this.#byPeer.size >= MAX_PEERS) return false;
    const session: Session = {
      peer: id,
      life: made.life,
      endpoint: made.endpoint,
      receiveIndex: made.receiveIndex,
      suite: made.suite,
      initiator: made.initiator,
      at: now,
      confirmed: made.initiator,
      renewAt: now + (made.initiator ? REKEY_MS : REKEY_LATE_MS),
    };
    this.#byPeer.set(id, list);
    list.push(session);
    this.#byIndex.set(session.receiveIndex, session);
    this.#actions.push({
      kind: "installSession",
      id,
      endpoint,
      receiveIndex: made.receiveIndex,
      sendIndex: made.sendIndex,
      suite: made.suite,
      sendKey: made.sendKey,
      receiveKey: made.receiveKey,
      confirmed: session.confirmed,
    });
    this.#crowd(list);
    return true;
  }

  /** The session by an index that we gave out. */
  byIndex(receiveIndex: number): Session | undefined {
    return this.#byIndex.get(receiveIndex);
  }

  /** The session to speak on: as in the data plane, the one that was confirmed last. Null: none. */
  current(peer: string): Session | null {
    return this.#byPeer.get(peer)?.findLast((session) => session.confirmed) ?? null;
  }

  /** The peer has used it. Returns the session when that is news. */
  confirm(receiveIndex: number): Session | null {
    const session = this.#byIndex.get(receiveIndex);
    if (session === undefined || session.confirmed) return null;
    session.confirmed = true;
    // The order is that in which they became current.
    const list = this.#byPeer.get(session.peer)!;
    list.push(...list.splice(list.indexOf(session), 1));
    // It was used at one Worker of the data plane: all may send on it.
    this.#actions.push({ kind: "confirmSession", receiveIndex });
    return session;
  }

  /**
   * The newest session with another life of the peer that was made after the life of this one, which was heard just now,
   * had made its first; null: none. What we heard may have been on its way for long: a hint that two hosts run with one
   * identity, not a proof.
   */
  cloneOf(heard: Session): Session | null {
    if (heard.life === null) return null;
    const list = this.#byPeer.get(heard.peer) ?? [];
    const since = this.firstOfLife(heard.peer, heard.life);
    const isOther = ({ life, confirmed }: Session) => confirmed && life !== null && life !== heard.life;
    return list.findLast((session) => isOther(session) && session.at > since) ?? null;
  }

  /** When the oldest session that is left with that life of the peer was made. Infinity: there is none. */
  firstOfLife(peer: string, life: string): number {
    const those = (this.#byPeer.get(peer) ?? []).filter((session) => session.life === life);
    return Math.min(...those.map(({ at }) => at));
  }

  /** The newest session with that life of the peer; null: none. */
  ofLife(peer: string, life: string): Session | null {
    return this.#byPeer.get(peer)?.findLast((s) => s.confirmed && s.life === life) ?? null;
  }

  /** The current sessions that a handshake should replace now; each comes again after a while. */
  due(now: number): Session[] {
    const list: Session[] = [];
    for (const peer of this.#byPeer.keys()) {
      const session = this.current(peer);
      if (session === null || now < session.renewAt) continue;
      session.renewAt = now + REKEY_AGAIN_MS;
      list.push(session);
    }
    return list;
  }

  /** Ends what is too old or was never used. Returns the peers that have no session to speak on any more. */
  expire(now: number): string[] {
    const lost: string[] = [];
    for (const [peer, list] of this.#byPeer) {
      const before = this.current(peer);
      for (const session of [...list]) {
        const age = now - session.at;
        if (age >= REJECT_MS || (!session.confirmed && age >= UNUSED_MS)) this.#drop(session);
      }
      if (before !== null && this.current(peer) === null) lost.push(peer);
    }
    return lost;
  }

  /** Ends all sessions with a peer. */
  dropPeer(peer: string): void {
    for (const session of [...(this.#byPeer.get(peer) ?? [])]) this.#drop(session);
  }

  // At most one unconfirmed session a peer, so that replays push none out that is in use.
  #crowd(list: Session[]): void {
    const unused = list.filter((session) => !session.confirmed);
    for (const session of unused.slice(0, -1)) this.#drop(session);
    while (list.length > SESSIONS_EACH) this.#drop(list[0]!);
  }

  #drop(session: Session): void {
    const list = this.#byPeer.get(session.peer)!;
    list.splice(list.indexOf(session), 1);
    if (list.length === 0) this.#byPeer.delete(session.peer);
    this.#byIndex.delete(session.receiveIndex);
    this.#indices.release(session.receiveIndex);
    this.#actions.push({ kind: "dropSession", id: session.peer, receiveIndex: session.receiveIndex });
  }
}
