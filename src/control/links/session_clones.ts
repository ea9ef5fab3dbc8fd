/**
 * Two hosts with one identity, as a third sees them: two lives of one node, by their boot nonces. One that begins while we
 * have a session with the other, from where our link is not, is contested: the other is asked first (clones/contests.ts).
 * If both came at once, each has a session of its own. What we say to the node goes over the newest session, so one of the
 * two hears nothing of us. The third tells each of the other, over a session of that life:
 *
 *   A ── anything ─────────────────────▶ M    on a session of life A, after life B has begun one: a hint, for
 *   A ◀─ clone {A, other B, at B's} ────── M    an attacker on the path may have held back what A said before it ended
 *   A ── clone {A, other B} ────────────▶ M    A has heard of B, so it lives now: a proof
 *                                        M ── clone {B, other A, at A's} ──▶ B
 *
 * With each clone goes the node's record as M has it, so that the two go on to find out which of them ends (clones.ts).
 */

import type { GossipBody } from "../../wire/gossip_body.ts";
import type { Contests } from "../clones/contests.ts";
import type { Actions, Outlets, OwnNode, Schedule, Tally } from "../outbox/outbox.ts";
import type { NodeRecord } from "../records/record.ts";
import type { LinkTable } from "./link_table.ts";
import type { Session, Sessions } from "./sessions.ts";

/** How often one of the two is told of the other. */
const TELL_MS = 1000;

/** A clone message: `life` is whom it is told to, or with no endpoint, who says it. */
export type CloneBody = GossipBody & { readonly kind: "clone" };

/** Another life of a node than the one we have a session with, and where it shows itself. */
interface Contested {
  readonly endpoint: string;
  readonly record: NodeRecord;
  readonly keyId: number;
  readonly life: string | null;
  /** When we sent what it answers; null: it answers nothing. */
  readonly askedAt: number | null;
}

/** What is known of the lives of nodes. */
interface KnownLives {
  readonly own: OwnNode;
  readonly table: LinkTable;
  readonly sessions: Sessions;
  readonly contests: Contests;
}

export class SessionClones {
  readonly #own: OwnNode;
  readonly #table: LinkTable;
  readonly #sessions: Sessions;
  readonly #contests: Contests;
  readonly #actions: Actions;
  readonly #schedule: Schedule;
  readonly #tally: Tally;

  constructor({ own, table, sessions, contests }: KnownLives, { actions, schedule, tally }: Outlets) {
    this.#own = own;
    this.#table = table;
    this.#sessions = sessions;
    this.#contests = contests;
    this.#actions = actions;
    this.#schedule = schedule;
    this.#tally = tally;
  }

  /** Whether this is another life of a node than the one that we have a session with, from where its link is not. */
  isContested(id: string, life: string | null, from: string, now: number): boolean {
    const endpoint = this.#table.get(id)?.endpoint ?? null;
    const known = this.#sessions.current(id)?.life ?? null;
    if (endpoint === null || endpoint === from || known === null || life === null || known === life) {
      return false;
    }
    return !this.#contests.wasAdmitted(id, life, now);
  }

  /** It waits until the other has been asked. `held`: what is to be taken in again then. */
  contest(contested: Contested, held: Uint8Array | null, now: number): void {
    const { endpoint, record, keyId, life, askedAt } = contested;
    // A former life: it may have been held back on its way since then, and says nothing of now.
    const former = life !== null && this.#own.isFormer(record.id, life);
    if (former && !this.#outlives(record.id, askedAt)) return this.#tally.reject();
    // So may a first message with a record from before the one that we know. A host that lives, as with an old copy of the
    // state, goes on to an exchange of three messages, which cannot be replayed.
    const known = this.#own.known(record.id);
    if (held !== null && known !== undefined && record.incarnation < known.incarnation) {
      return this.#tally.reject();
    }
    const age = life === record.bootNonce ? record.age : null;
    this.#contests.begin({ id: record.id, life, age, nonce: life, from: endpoint, keyId, held }, now);
  }

  // Whether what a former life of a node answers was sent after its last life had spoken: then it has not ended.
  #outlives(id: string, askedAt: number | null): boolean {
    const last = this.#own.known(id)?.bootNonce;
    if (askedAt === null || last === undefined || last !== this.#sessions.current(id)?.life) return false;
    return askedAt > this.#sessions.firstOfLife(id, last);
  }

  /** Something came on a session. What is told goes where that life is known to be, not where this came from. */
  heard(receiveIndex: number, now: number): void {
    const session = this.#sessions.byIndex(receiveIndex);
    const other = session === undefined ? null : this.#sessions.cloneOf(session);
    if (session !== undefined && other !== null) this.#tell(session, other, now);
  }

  /** A life of this node has heard of another. True when we know both; then the other hears of it, too. */
  proved(id: string, { life, other }: CloneBody, now: number): boolean {
    const [one, two] = [this.#sessions.ofLife(id, life), this.#sessions.ofLife(id, other)];
    if (one === null || two === null || one === two) return false;
    this.#tell(two, one, now);
    return true;
  }

  #tell(to: Session, other: Session, now: number): void {
    if (to.life === null || other.life === null) return;
    if (!this.#schedule.due(`clone ${to.receiveIndex}`, TELL_MS, now)) return;
    const body: CloneBody = { kind: "clone", life: to.life, other: other.life, endpoint: other.endpoint };
    const push: GossipBody = { kind: "push", ack: false, records: this.#own.recordItems([to.peer]) };
    for (const said of [body, push]) {
      const bytes = this.#own.message(0, said);
      if (bytes === null) continue;
      this.#actions.push({ kind: "sendSealed", receiveIndex: to.receiveIndex, to: to.endpoint, bytes });
    }
  }
}
