/**
 * The sessions with each peer, as far as the control plane must know them: which one to speak on, when to renew it, when
 * it ends, and what becomes of the peer's link. Keys are not kept: they go to the data plane with the action that installs
 * a session. A new session is made at 120 s and none is used past 180 s; then it is dropped on both planes, which zeroes
 * its keys.
 *
 * Who begins a session may use it at once, and its link is up; who answers has to wait for the first packet on it, for the
 * initiator may have named any address. A session with another life of the peer, or from elsewhere, moves the link; one
 * with the same life at the same place renews it.
 */

import type { CipherSuite } from "../../ports/aead.ts";
import { Heap } from "../../bounds/heap.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import type { NewSession, ReceiverIndices } from "../handshake/pending.ts";
import type { Actions } from "../outbox/outbox.ts";
import type { Link, LinkTable } from "./link_table.ts";
import type { LinkEvent } from "./links.ts";
import type { Targets } from "./targets.ts";

/** The initiator renews a session at this age … */
const REKEY_MS = 120_000;
/** … and the responder, if that did not happen. */
const REKEY_LATE_MS = 140_000;
/** Each up to that much sooner: sessions that were made together are not all renewed together. */
const SOONER_MS = 12_000;
const REJECT_MS = 180_000;
/** An unconfirmed session that was never used. */
const UNUSED_MS = 20_000;
const REKEY_AGAIN_MS = 5000;
/** During a rekey two, and one that is not confirmed yet: as many as the data plane holds. */
const SESSIONS_EACH = 3;
/** How long a packet for an unknown index may be one that overtook its session. */
const OVERTAKEN_MS = 500;

export interface Session {
  readonly peer: string;
  /** The boot nonce of its maker; null if it did not say. */
  readonly life: string | null;
  /** The same, or of its record. */
  readonly bootNonce: string;
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
  readonly #table: LinkTable;
  readonly #targets: Targets;
  // BOUNDED: ≤ SESSIONS_EACH for each peer with a link, ≤ MAX_PEERS of them; the oldest first
  readonly #byPeer = new Map<string, Session[]>();
  // BOUNDED: as #byPeer
  readonly #byIndex = new Map<number, Session>();
  // When to look at each: no later than it is due, or ends. BOUNDED: as #byPeer, two of each
  readonly #renewals = new Heap<Session>();
  readonly #ends = new Heap<Session>();

  constructor(indices: ReceiverIndices, table: LinkTable, targets: Targets, actions: Actions) {
    this.#table = table;
    this.#targets = targets;
    this.#indices = indices;
    this.#actions = actions;
  }

  /** Takes in what a handshake made and hands it to the data plane. Null: our tables are full. */
  add(made: NewSession, now: number): LinkEvent[] | null {
    const id = made.peer.id;
    const link = this.#table.obtain(id, made.member, now);
    const list = this.#byPeer.get(id) ?? [];
    if (link === null || (list.length === 0 && this.#byPeer.size >= MAX_PEERS)) return null;
    const session: Session = {
      peer: id,
      life: made.life,
      bootNonce: made.life ?? made.peer.bootNonce,
      endpoint: made.endpoint,
      receiveIndex: made.receiveIndex,
      suite: made.suite,
      initiator: made.initiator,
      at: now,
      confirmed: made.initiator,
      renewAt: now + (made.initiator ? REKEY_MS : REKEY_LATE_MS) - soonerMs(made.receiveIndex),
    };
    this.#byPeer.set(id, list);
    list.push(session);
    this.#byIndex.set(session.receiveIndex, session);
    this.#renewals.push(session.renewAt, session);
    this.#ends.push(now + (session.confirmed ? REJECT_MS : UNUSED_MS), session);
    this.#actions.push({
      kind: "installSession",
      id,
      // Until an answered session is in use, packets go where the link is.
      endpoint: made.initiator ? made.endpoint : link.endpoint ?? made.endpoint,
      receiveIndex: made.receiveIndex,
      sendIndex: made.sendIndex,
      suite: made.suite,
      sendKey: made.sendKey,
      receiveKey: made.receiveKey,
      confirmed: session.confirmed,
    });
    this.#crowd(list);
    link.staticKey = made.peer.staticKey;
    if (!made.initiator) return [];
    if (made.asked !== null) this.#answered(made.asked, id, made.endpoint);
    return this.#use(link, session, now);
  }

  /** The session by an index that we gave out. */
  byIndex(receiveIndex: number): Session | undefined {
    return this.#byIndex.get(receiveIndex);
  }

  /** The session to speak on: as in the data plane, the one that was confirmed last. Null: none. */
  current(peer: string): Session | null {
    return this.#byPeer.get(peer)?.findLast((session) => session.confirmed) ?? null;
  }

  /** The peer has used a session that we had answered for. */
  confirm(receiveIndex: number, now: number): LinkEvent[] {
    const session = this.#byIndex.get(receiveIndex);
    if (session === undefined || session.confirmed) return [];
    session.confirmed = true;
    // The order is that in which they became current.
    const list = this.#byPeer.get(session.peer)!;
    list.push(...list.splice(list.indexOf(session), 1));
    // It was used at one Worker of the data plane: all may send on it.
    this.#actions.push({ kind: "confirmSession", receiveIndex });
    const link = this.#table.get(session.peer);
    return link === undefined ? [] : this.#use(link, session, now);
  }

  /** An authenticated packet, newer than all before, came from another endpoint. */
  roamed(id: string, endpoint: string, now: number): LinkEvent[] {
    const link = this.#table.get(id);
    if (link === undefined || link.endpoint === null || link.endpoint === endpoint) return [];
    this.#table.move(link, endpoint);
    link.lastHeardAt = now;
    return [{ kind: "up", link }];
  }

  /** Whether one was answered for at this endpoint so lately that packets may have overtaken its installing. */
  justMade(at: string, now: number): boolean {
    for (const { confirmed, endpoint, at: since } of this.#byIndex.values()) {
      if (!confirmed && endpoint === at && now - since < OVERTAKEN_MS) return true;
    }
    return false;
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

  /** When the next is to be renewed or ends, or one that has ended was. */
  get dueAt(): number {
    return Math.min(this.#renewals.nextAt, this.#ends.nextAt);
  }

  /** The current sessions that a handshake should replace now, no more than `most`; each comes again after a while. */
  due(now: number, most = Infinity): Session[] {
    const list: Session[] = [];
    while (this.#renewals.nextAt <= now && list.length < most) {
      const session = this.#renewals.pop()!;
      if (this.#byIndex.get(session.receiveIndex) !== session) continue; // it has ended
      this.#renewals.push(session.renewAt = now + REKEY_AGAIN_MS, session);
      // One that was replaced may be the current one again, when the newer has ended.
      if (this.current(session.peer) === session) list.push(session);
    }
    return list;
  }

  /** Ends what is too old or was never used. Returns the peers that have no session to speak on any more. */
  expire(now: number): string[] {
    const lost: string[] = [];
    while (this.#ends.nextAt <= now) {
      const session = this.#ends.pop()!;
      if (this.#byIndex.get(session.receiveIndex) !== session) continue; // it has ended
      const { peer, at, confirmed } = session;
      if (confirmed && now < at + REJECT_MS) { // not the difference: as numbers are, that may be less where this is over
        this.#ends.push(at + REJECT_MS, session);
        continue;
      }
      const before = this.current(peer);
      this.#drop(session);
      if (before !== null && this.current(peer) === null) lost.push(peer);
    }
    return lost;
  }

  /** Ends one that the peer never made. Its peer, when no session with it is left. */
  unmake(receiveIndex: number): string | null {
    const session = this.#byIndex.get(receiveIndex);
    if (session === undefined) return null;
    this.#drop(session);
    return this.current(session.peer) === null ? session.peer : null;
  }

  /** Ends all sessions with a peer. */
  dropPeer(peer: string): void {
    for (const session of [...(this.#byPeer.get(peer) ?? [])]) this.#drop(session);
  }

  // The link is up where the session was made, with that life of the peer.
  #use(link: Link, { endpoint, bootNonce }: Session, now: number): LinkEvent[] {
    this.#answered(endpoint, link.id);
    link.lastHeardAt = now;
    const restarted = link.life !== bootNonce;
    const same = link.endpoint === endpoint && !restarted;
    this.#table.move(link, endpoint);
    link.life = bootNonce;
    if (same) return []; // renewed
    link.since = now;
    if (restarted) link.mesh = link.informed = undefined;
    return [{ kind: "up", link }];
  }

  #answered(endpoint: string, id: string, from = endpoint): void {
    const target = this.#targets.get(endpoint);
    if (target !== undefined) this.#targets.answered(target, id, from);
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

// The index is random, and the session's own.
function soonerMs(receiveIndex: number): number {
  return (receiveIndex >>> 8) % SOONER_MS;
}
