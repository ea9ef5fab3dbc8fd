/**
 * What the machines of the control plane want done while they take in one event, in order. It only collects: the daemon
 * performs the actions after `handle` has returned them. And from which of our addresses an answer leaves.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import type { Action, LogFields, LogLevel } from "./events.ts";

const MAX_CALLED = 2 * MAX_PEERS;

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

/**
 * By which of our addresses each peer calls us. A host may have several: a second address on one link, two links, a
 * floating address, IPv6 with a stable and a temporary one. What answers a datagram leaves from the address that it was
 * sent to, else a NAT before the other side, or a plain peer, does not take it for an answer. What we say to a peer of
 * ourselves leaves from the address by which it called us last, as far as the kernel would not choose that anyway
 * (daemon/host/underlay_watch.ts decides). Only what was verified is remembered.
 */
export class Called {
  // BOUNDED: ≤ MAX_CALLED, the longest unused go first; endpoint of the peer → address of ours
  readonly #called = new BoundedMap<string, string>(MAX_CALLED);
  #from = "";
  #to = "";

  /** The present event is a datagram from `from` to our address `to`, as far as it is known; else nothing is. */
  hears(from = "", to = ""): void {
    this.#from = from;
    this.#to = to;
  }

  /** What an answer to the present datagram leaves from; undefined: this is no answer to it, or it is not known. */
  answersTo(endpoint: string): string | undefined {
    return endpoint === this.#from && this.#to !== "" ? this.#to : undefined;
  }

  /** The present datagram was verified, and its peer is at `endpoint`. True when it calls us by another address now. */
  verified(endpoint: string): boolean {
    const to = this.answersTo(endpoint);
    return to !== undefined && this.set(endpoint, to);
  }

  /** True when that is news. */
  set(endpoint: string, to: string): boolean {
    const before = this.#called.get(endpoint);
    if (before === to) return false;
    this.#called.renew(endpoint, to);
    return true;
  }

  /** Which of our addresses the node at `endpoint` uses; undefined: not known. */
  get(endpoint: string): string | undefined {
    return this.#called.get(endpoint);
  }

  /** Nothing is heard from there any more: perhaps because of where we answered from. */
  forget(endpoint: string): void {
    this.#called.delete(endpoint);
  }
}
