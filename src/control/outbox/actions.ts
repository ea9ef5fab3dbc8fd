// What the machines of the control plane want done while they take in one event, in order. It only collects: the daemon
// performs the actions after `handle` has returned them.

import type { Called } from "./called.ts";
import type { Action, LogFields, LogLevel } from "./events.ts";

export class Actions {
  readonly #called: Pick<Called, "answersTo">;
  // BOUNDED: what one event brings about; drained after each
  #actions: Action[] = [];

  /** `called`: from which of our addresses an answer leaves. */
  constructor(called: Pick<Called, "answersTo">) {
    this.#called = called;
  }

  push(action: Action): void {
    this.#actions.push(action);
  }

  /** A datagram from our own port. */
  send(to: string, bytes: Uint8Array): void {
    const local = this.#called.answersTo(to);
    this.push(local === undefined ? { kind: "send", to, bytes } : { kind: "send", to, bytes, local });
  }

  log(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.push({ kind: "log", level, message, fields });
  }

  /** Everything since the last call. Several wishes to reconcile become one, at the end. */
  drain(): Action[] {
    const actions = this.#actions;
    this.#actions = [];
    if (!actions.some((a) => a.kind === "reconcile")) return actions;
    return [...actions.filter((a) => a.kind !== "reconcile"), { kind: "reconcile" }];
  }
}
