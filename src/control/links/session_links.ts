/**
 * What sessions do to links. Who begins a session may use it at once, and its link is up; who answers has to wait for the
 * first packet on it, for the initiator may have named any address. A session with another life of the peer, or from
 * elsewhere, moves the link; one with the same life at the same place renews it.
 */

import type { NewSession } from "../handshake/handshake_events.ts";
import type { Link, LinkTable } from "./link_table.ts";
import type { LinkEvent } from "./links.ts";
import type { Sessions } from "./sessions.ts";
import { answeredBy, type Targets } from "./targets.ts";

/** How long a packet for an unknown index may be one that overtook its session. */
const OVERTAKEN_MS = 500;

/** Where a peer is, and which life of it (its boot nonce). */
interface Peerhood {
  readonly endpoint: string;
  readonly life: string;
  readonly at: number;
}

export class SessionLinks {
  readonly #table: LinkTable;
  readonly #sessions: Sessions;
  readonly #targets: Targets;
  // BOUNDED: one per unused session, ≤ MAX_PEERS: what its use makes of the link
  readonly #unused = new Map<number, Peerhood>();

  constructor(table: LinkTable, sessions: Sessions, targets: Targets) {
    this.#table = table;
    this.#sessions = sessions;
    this.#targets = targets;
  }

  /** Takes in what a handshake made. Its link; null: our tables are full. */
  add(made: NewSession, now: number): Link | null {
    const link = this.#table.obtain(made.peer.id, made.member, now);
    if (link === null) return null;
    // Until an answered session is in use, packets go where the link is.
    const endpoint = made.initiator ? made.endpoint : link.endpoint ?? made.endpoint;
    if (!this.#sessions.add(made, now, endpoint)) return null;
    link.staticKey = made.peer.staticKey;
    return link;
  }

  /** What becomes of the link now that the session was added. */
  made(
    link: Link,
    { peer, life, endpoint, asked, receiveIndex, initiator }: NewSession,
    now: number,
  ): LinkEvent[] {
    const peerhood = { endpoint, life: life ?? peer.bootNonce, at: now };
    if (initiator) {
      if (asked !== null) this.#answered(asked, peer.id, endpoint);
      return this.#use(link, peerhood, now);
    }
    this.#unused.set(receiveIndex, peerhood);
    for (const index of this.#unused.keys()) {
      if (this.#sessions.byIndex(index) === undefined) this.#unused.delete(index);
    }
    return [];
  }

  /** The peer used a session that we had answered for. */
  confirmed(receiveIndex: number, now: number): LinkEvent[] {
    const session = this.#sessions.confirm(receiveIndex);
    const link = session === null ? undefined : this.#table.get(session.peer);
    if (session === null || link === undefined) return [];
    const made = this.#unused.get(receiveIndex);
    this.#unused.delete(receiveIndex);
    return made === undefined ? [] : this.#use(link, made, now);
  }

  /** An authenticated packet, newer than all before, came from another endpoint. */
  roamed(id: string, endpoint: string, now: number): LinkEvent[] {
    const link = this.#table.get(id);
    if (link === undefined || link.endpoint === null || link.endpoint === endpoint) return [];
    link.endpoint = endpoint;
    link.lastHeardAt = now;
    return [{ kind: "up", link }];
  }

  /** Whether a session was made with this endpoint so lately that packets may have overtaken its installing. */
  justMade(endpoint: string, now: number): boolean {
    for (const made of this.#unused.values()) {
      if (made.endpoint === endpoint && now - made.at < OVERTAKEN_MS) return true;
    }
    return false;
  }

  // The link is up, there, with that life of the peer.
  #use(link: Link, made: Peerhood, now: number): LinkEvent[] {
    this.#answered(made.endpoint, link.id);
    link.lastHeardAt = now;
    const same = link.endpoint === made.endpoint && link.life === made.life;
    const restarted = link.life !== made.life;
    link.endpoint = made.endpoint;
    link.life = made.life;
    if (same) return []; // renewed
    link.since = now;
    if (restarted) link.mesh = link.informed = undefined;
    return [{ kind: "up", link }];
  }

  #answered(endpoint: string, id: string, from = endpoint): void {
    const target = this.#targets.get(endpoint);
    if (target !== undefined) answeredBy(target, id, from);
  }
}
