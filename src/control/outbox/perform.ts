/**
 * Carries out what the control plane decided: the one interpreter of its actions, for the daemon, for giving a stored
 * lease back, and for the simulated networks of the tests. They differ only in the effects that they pass in. Actions
 * take effect in their order, and none waits: what is to be on disk is told by the event `stored`.
 */

import type { NetworkKeys } from "../../crypto/network_secret.ts";
import type { Kept } from "../records/state.ts";
import type { HeldSecret } from "../secrets/key_ring.ts";
import type { Action, LogFields, LogLevel } from "./events.ts";

export type SendAction = Action & { readonly kind: "send" };
export type InstallAction = Action & { readonly kind: "installSession" };
export type PersistAction = Action & { readonly kind: "persist" };
export type LeaseChange = Action & { readonly kind: "leaseChanged" };

/** The sealed half of the data plane. */
export interface SessionEffects {
  /** Takes a session in. The keys are wiped after this returns. */
  install(session: InstallAction): void;
  /** Packets leave on it from now on. */
  confirm(receiveIndex: number): void;
  drop(id: string, receiveIndex: number): void;
  /** The datagram that carries `bytes` on the control lane of a session; null: the session is gone. */
  seal(receiveIndex: number, bytes: Uint8Array): Uint8Array | null;
  /** Lets handshakes pass that bear a MAC of any of these keys, which are valid only until this returns. */
  setGate(keys: readonly NetworkKeys[]): void;
}

/** What actions do. Each is called as often, and in the order, that the actions say. */
export interface Effects {
  /** Null in a plain mesh. */
  readonly sessions: SessionEffects | null;
  send(datagram: SendAction): void;
  /** Begins to write it; the event `stored` tells when it is on disk. What cannot be written is tried again. */
  saveState(asked: PersistAction): void;
  /** Begins to write them, before any state that is saved later; they are valid only until this returns. */
  saveSecrets(secrets: readonly HeldSecret[]): void;
  /** Writes it when there is time; the event `unremembered` tells that it is not on disk. */
  remember(kept: readonly Kept[], whole: boolean): void;
  /** Begins to look a name up; the answer is the event `resolved`. */
  resolve(name: string): void;
  /** `soon`: it may wait a moment. */
  reconcile(soon: boolean): void;
  /** Called once everything else is done: device, routes and subnet.env are as the change left them. */
  leaseChanged(change: LeaseChange): void;
  log(level: LogLevel, message: string, fields: LogFields): void;
  refuse(message: string): void;
  released(heard: boolean): void;
}

export function performActions(actions: Iterable<Action>, effects: Effects): void {
  const changes: LeaseChange[] = []; // BOUNDED: those of one event
  for (const action of actions) {
    if (action.kind === "leaseChanged") changes.push(action);
    else perform(action, effects);
  }
  for (const change of changes) effects.leaseChanged(change);
}

function perform(action: Exclude<Action, LeaseChange>, effects: Effects): void {
  switch (action.kind) {
    case "send":
      return effects.send(action);
    case "sendSealed": {
      const { receiveIndex, to, probe } = action;
      const bytes = effects.sessions?.seal(receiveIndex, action.bytes) ?? null;
      if (bytes !== null) effects.send({ kind: "send", to, bytes, ...(probe ? { by: "own" } : {}) });
      return;
    }
    case "installSession":
      effects.sessions?.install(action);
      action.sendKey.fill(0);
      action.receiveKey.fill(0);
      return;
    case "confirmSession":
      return effects.sessions?.confirm(action.receiveIndex);
    case "dropSession":
      return effects.sessions?.drop(action.id, action.receiveIndex);
    case "persist":
      return effects.saveState(action);
    case "remember":
      return effects.remember(action.kept, action.whole);
    case "secrets":
      effects.saveSecrets(action.secrets);
      return effects.sessions?.setGate(action.keys);
    case "resolve":
      return effects.resolve(action.name);
    case "reconcile":
      return effects.reconcile(action.soon === true);
    case "log":
      return effects.log(action.level, action.message, action.fields);
    case "refuse":
      return effects.refuse(action.message);
    case "released":
      return effects.released(action.heard);
  }
}
