/** Who refuses whom, and why: kept with the target for `why` and `status`, and told once a minute each. */

import type { LogFields } from "../outbox/events.ts";
import type { Actions } from "../outbox/actions.ts";
import type { Outlets, Schedule } from "../outbox/outlets.ts";
import type { Target } from "./targets.ts";

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
