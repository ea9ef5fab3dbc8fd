/**
 * Who refuses whom, and why, in sentences: kept with the target for `why` and `status`, and told in the log once a minute
 * each. A hello or a handshake is refused by number; what the number means differs on the two sides.
 */

import {
  PROTOCOL_VERSION,
  REFUSE_FULL,
  REFUSE_NETWORK,
  REFUSE_OUTDATED,
  REFUSE_SECURITY,
  REFUSE_VERSION,
} from "../../wire/hello.ts";
import type { LogFields } from "../outbox/events.ts";
import type { Actions, Outlets, Schedule } from "../outbox/outbox.ts";
import type { Target } from "./target.ts";

/** What to do about a plain and a sealed node that meet. */
export const MIXED_SECURITY = "start both with --plain or both without";

/** What it means when the MACs of an address are of none of our keys. */
export const WRONG_SECRET = "wrong secret on either side, or another network";

/** What the one that wants to join does about it. */
export const NEEDS_TOKEN = "get a token there: ovltun token, then ovltun join here";

/** What is wrong with a hello that we refuse. */
export function ourObjection(reason: number): string {
  return reason === REFUSE_SECURITY
    ? `its mesh is sealed, ours is plain (${MIXED_SECURITY})`
    : "it belongs to another network (--network-name)";
}

/** What is wrong with our hello, in the eyes of the node that refuses it. */
export function theirObjection(reason: number): string {
  switch (reason) {
    case REFUSE_VERSION:
      return `it does not speak our protocol version, ${PROTOCOL_VERSION}; install the same version on both`;
    case REFUSE_NETWORK:
      return "it belongs to another network (check --network-name on both)";
    case REFUSE_SECURITY:
      return `its mesh is sealed, ours is plain (${MIXED_SECURITY})`;
    case REFUSE_FULL:
      return "its peer table is full";
    case REFUSE_OUTDATED:
      return "its secret was rotated after our token was issued; get a new token there (ovltun token)";
    default:
      return `reason ${reason}`;
  }
}

/** How often one thing is logged. */
export const LOG_EVERY_MS = 60_000;

export class RefusalLog {
  readonly #actions: Actions;
  readonly #schedule: Schedule;

  constructor({ actions, schedule }: Pick<Outlets, "actions" | "schedule">) {
    this.#actions = actions;
    this.#schedule = schedule;
  }

  /** We refuse the node at the endpoint. */
  refused(endpoint: string, why: string, now: number, fields: LogFields = {}): void {
    if (!this.#schedule.due(`refuse ${endpoint}`, LOG_EVERY_MS, now)) return;
    this.#actions.log("warning", `Refused ${endpoint}: ${why}`, { ...fields, from: endpoint });
  }

  /** The node at the target refuses us. */
  refusedBy(target: Target, why: string, now: number): void {
    target.outcome = { kind: "refused", why };
    if (!this.#schedule.due(`refused ${target.endpoint}`, LOG_EVERY_MS, now)) return;
    this.#actions.log("warning", `${target.endpoint} refused us: ${why}`, { peer: target.endpoint });
  }
}
