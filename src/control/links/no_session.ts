/**
 * Why a handshake made no session, or did not pass the gate: kept with the target for `why` and `status`, told in the log,
 * and turned into an event where the rest of the control plane must hear of it.
 */

import type { HandshakeEvent } from "../handshake/pending.ts";
import type { Handshakes } from "../handshake/handshakes.ts";
import type { Actions, Outlets, OwnNode, Schedule, Throttle } from "../outbox/outbox.ts";
import { HANDSHAKE_VERSION } from "../../wire/handshake.ts";
import { REFUSE_NETWORK, REFUSE_OUTDATED, REFUSE_VERSION } from "../../wire/hello.ts";
import { KNOCK_MS, type LinkEvent } from "./links.ts";
import { LOG_EVERY_MS, NEEDS_TOKEN, type RefusalLog, theirObjection, WRONG_SECRET } from "./refusals.ts";
import type { Targets } from "./targets.ts";

/** Lines about foreign networks a minute, all addresses together. */
const WRONG_SECRET_LINES = 10;
const CAME_BACK =
  "our own packets come back from it. If it is an address of this host, leave it out of --peers";

/** What a handshake came to that is over without a session. */
export type Failure = Exclude<HandshakeEvent, { readonly kind: "session" | "contested" }>;

/** What is told of failures, and to whom. */
interface Tells {
  readonly own: Pick<OwnNode, "identity" | "bootNonce" | "holds">;
  readonly targets: Targets;
  readonly refusals: RefusalLog;
  readonly handshakes: Pick<Handshakes, "refuse" | "refuseForeign">;
}

export class NoSession {
  readonly #tells: Tells;
  readonly #actions: Actions;
  readonly #schedule: Schedule;
  readonly #throttle: Throttle;

  constructor(tells: Tells, { actions, schedule, throttle }: Outlets) {
    this.#tells = tells;
    this.#actions = actions;
    this.#schedule = schedule;
    this.#throttle = throttle;
  }

  /** `bytes`: the datagram that it came of. */
  because(event: Failure, bytes: Uint8Array, now: number): LinkEvent[] {
    switch (event.kind) {
      case "own":
        this.#cameBack(event.endpoint);
        return [];
      case "clone":
        return this.#clone(event, now);
      case "refused": {
        const why = event.reason === REFUSE_VERSION ? versions(event.version) : theirObjection(event.reason);
        const target = this.#tells.targets.get(event.endpoint);
        if (target !== undefined) this.#tells.refusals.refusedBy(target, why, now);
        return [];
      }
      case "foreign":
        this.refuse(event.endpoint, versions(event.version), now);
        return [];
      case "revoked":
        return [{ ...event, id: event.peer, room: event.proven ? Infinity : bytes.length }];
      case "outdated": {
        this.#tells.handshakes.refuse(event.endpoint, bytes, REFUSE_OUTDATED);
        const why = "its secret was rotated; it needs a new token (ovltun token)";
        this.refuse(event.asked ?? event.endpoint, why, now);
        return [];
      }
      case "no-suite":
        this.refuse(event.asked ?? event.endpoint, "it shares no cipher with us (--cipher)", now);
        return [];
    }
  }

  /** A handshake came whose MAC is of none of our keys. `question`: it may be answered. */
  badMac(from: string, question: boolean, now: number): void {
    const { targets, handshakes } = this.#tells;
    const target = targets.get(from);
    if (target?.answeredBy === null) {
      target.outcome = { kind: "refused", why: `${WRONG_SECRET} (${NEEDS_TOKEN})` };
    }
    if (question && this.#schedule.due(`foreign ${from}`, 1000, now)) {
      handshakes.refuseForeign(from, REFUSE_NETWORK);
    }
    if (!this.#schedule.due(`bad mac ${from}`, LOG_EVERY_MS, now)) return;
    if (!this.#throttle.allows("bad mac lines", WRONG_SECRET_LINES / 60, now, WRONG_SECRET_LINES)) return;
    const words = `Datagrams from ${from} fail the check of the network secret: ${WRONG_SECRET}`;
    this.#actions.log("warning", words, { from });
  }

  /** We refuse the node at this endpoint. */
  refuse(endpoint: string, why: string, now: number): void {
    const target = this.#tells.targets.get(endpoint);
    if (target !== undefined) target.outcome = { kind: "refused", why };
    this.#tells.refusals.refused(endpoint, why, now);
  }

  // An attacker on the path can reflect what we send, and from any address but one that this host holds itself.
  #cameBack(endpoint: string): void {
    const { own, targets } = this.#tells;
    const target = targets.get(endpoint);
    if (target === undefined) return;
    if (own.holds(endpoint)) {
      targets.setAnsweredBy(target, own.identity.id);
      target.outcome = { kind: "own" };
    } else if (target.answeredBy === null) target.outcome = { kind: "refused", why: CAME_BACK };
  }

  #clone(event: Failure & { readonly kind: "clone" }, now: number): LinkEvent[] {
    const { own, targets } = this.#tells;
    const { record, endpoint, member } = event;
    if (record.bootNonce === own.bootNonce) return []; // ourselves, by another of our addresses
    const target = targets.get(endpoint);
    if (target === undefined) targets.knock(endpoint, now, KNOCK_MS);
    else target.outcome = { kind: "refused", why: "it is running with our own identity" };
    const clone = { bootNonce: record.bootNonce, age: record.age };
    return [{ kind: "clone", from: endpoint, clone, member, relayed: false }];
  }
}

function versions(theirs: number): string {
  return `it speaks version ${theirs} of the handshake, we speak ${HANDSHAKE_VERSION}; install the same ` +
    "version on both";
}
