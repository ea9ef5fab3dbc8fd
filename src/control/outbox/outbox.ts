// Where the machines of the control plane put what is to be done. It only collects: the daemon performs the actions
// after `handle` has returned them, in this order. Also the one place where log lines are rate-limited by key.

import { MAX_PEERS } from "../../ports/devices.ts";
import { Called } from "./called.ts";
import type { Action, LogFields, LogLevel } from "./events.ts";

const MAX_KEYS = 8192;
const MAX_BUCKETS = MAX_PEERS;

export class Outbox {
  /** Our own end of what is said: answers leave from the address that was called. */
  readonly called = new Called();
  #actions: Action[] = [];
  #rejected = 0;
  #unsent = 0;
  // BOUNDED: ≤ MAX_KEYS, the oldest go first
  readonly #said = new Map<string, number>();
  // BOUNDED: ≤ MAX_BUCKETS, the longest unused go first
  readonly #buckets = new Map<string, { left: number; at: number }>();

  push(action: Action): void {
    this.#actions.push(action);
  }

  /** Counts a datagram that was looked at and not used: malformed, unverified, of no link, or too many. */
  reject(): void {
    this.#rejected++;
  }

  get rejected(): number {
    return this.#rejected;
  }

  /** Counts a message of our own that fits in no datagram. */
  leaveUnsent(): void {
    this.#unsent++;
  }

  get unsent(): number {
    return this.#unsent;
  }

  send(to: string, bytes: Uint8Array): void {
    const local = this.called.answersTo(to);
    this.#actions.push(
      local === undefined ? { kind: "send", to, bytes } : { kind: "send", to, bytes, local },
    );
  }

  log(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.#actions.push({ kind: "log", level, message, fields });
  }

  /** Whether `key` may act again: true at most once per `everyMs`. */
  due(key: string, everyMs: number, now: number): boolean {
    const last = this.#said.get(key);
    if (last !== undefined && now - last < everyMs) return false;
    this.#said.delete(key);
    this.#said.set(key, now);
    if (this.#said.size > MAX_KEYS) this.#said.delete(this.#said.keys().next().value!);
    return true;
  }

  /** Takes one from a bucket that holds `burst` and refills by the clock; false when it is empty. */
  spend(key: string, perSecond: number, now: number, burst = perSecond): boolean {
    const bucket = this.#buckets.get(key) ?? { left: burst, at: now };
    bucket.left = Math.min(burst, bucket.left + ((now - bucket.at) * perSecond) / 1000);
    bucket.at = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_BUCKETS) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }

  /** Everything since the last call. Several wishes to reconcile become one, at the end. */
  drain(): Action[] {
    const actions = this.#actions;
    this.#actions = [];
    if (!actions.some((a) => a.kind === "reconcile")) return actions;
    return [...actions.filter((a) => a.kind !== "reconcile"), { kind: "reconcile" }];
  }
}
