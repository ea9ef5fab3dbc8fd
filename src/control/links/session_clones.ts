/**
 * Two hosts with one identity, as a third sees them: two lives of one node, by their boot nonces, each with a session of
 * its own. What we say to the node goes over the newest session, so one of the two hears nothing of us. The third tells
 * each of the other, over a session of that life:
 *
 *   A ── anything ─────────────────────▶ M    on a session of life A, after life B has begun one: a hint, for
 *   A ◀─ clone {A, other B, at B's} ────── M    an attacker on the path may have held back what A said before it ended
 *   A ── clone {A, other B} ────────────▶ M    A has heard of B, so it lives now: a proof
 *                                        M ── clone {B, other A, at A's} ──▶ B
 *
 * With each clone goes the node's record as M has it, so that the two go on to find out which of them ends (clones.ts).
 */

import type { GossipBody } from "../../wire/gossip_body.ts";
import type { Actions } from "../outbox/actions.ts";
import type { Outlets, Schedule } from "../outbox/outlets.ts";
import type { OwnNode } from "../outbox/own_node.ts";
import type { Session, Sessions } from "./sessions.ts";

/** How often one of the two is told of the other. */
const TELL_MS = 1000;

/** A clone message: `life` is whom it is told to, or with no endpoint, who says it. */
export type CloneBody = GossipBody & { readonly kind: "clone" };

export class SessionClones {
  readonly #sessions: Sessions;
  readonly #own: OwnNode;
  readonly #actions: Actions;
  readonly #schedule: Schedule;

  constructor(sessions: Sessions, own: OwnNode, { actions, schedule }: Outlets) {
    this.#sessions = sessions;
    this.#own = own;
    this.#actions = actions;
    this.#schedule = schedule;
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
