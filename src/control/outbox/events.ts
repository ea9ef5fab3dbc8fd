/**
 * What goes into the control plane, what comes out of it, and the one interpreter of that. The daemon feeds
 * `ControlPlane.handle` one event at a time with the monotonic time (ms), and performs the actions it returns in their order.
 * Nothing waits for the disk: what a `persist` must precede is decided once the event `stored` tells that it is there.
 * Addresses and endpoints are canonical text. What the control plane knows, for people and for the host, is in view.ts; what
 * it keeps on disk in state.ts.
 */
import type { NetworkKeys, NetworkSecret } from "../../crypto/network_secret.ts";
import type { CipherSuite } from "../../ports/aead.ts";
import type { HeardEvent } from "../../ports/planes.ts";
import type { HeldSecret } from "../secrets/key_ring.ts";
import type { Seed } from "../mesh/mesh_config.ts";
import type { Kept, StoredOwn } from "../records/state.ts";
import type { Prefix } from "../../wire/prefix.ts";
import type { SendRefusal } from "../paths/outcome.ts";
import type { PeerWays } from "../paths/way.ts";

export type ControlEvent =
  /** Every 100 ms. */
  | { readonly kind: "tick" }
  /** From the data plane; `at` is on the clock of `now`. */
  | HeardEvent
  /** Packets for this node wait for a session, or its session has to be renewed. */
  | { readonly kind: "sessionWanted"; readonly id: string }
  /** Packets have passed between these nodes and us since the last time. */
  | { readonly kind: "traffic"; readonly ids: readonly string[] }
  /** This node has moved, or calls us by another address: packets go to that endpoint already. */
  | { readonly kind: "roamed"; readonly id: string; readonly endpoint: string; readonly to?: string }
  /**
   * The host itself refuses to send to this endpoint, and why, in words for its user; null: it does so no more. Only
   * changes are told.
   */
  | { readonly kind: "sendRefused"; readonly to: string; readonly refusal: SendRefusal | null }
  | { readonly kind: "seeds"; readonly seeds: readonly Seed[] }
  | { readonly kind: "ownEndpoints"; readonly endpoints: readonly string[] }
  /** What a name of the action `resolve` leads to now; empty: it does not resolve. */
  | { readonly kind: "resolved"; readonly name: string; readonly endpoints: readonly string[] }
  /** By which ways data may go to each peer, as wantedFrom found: each is probed. */
  | { readonly kind: "ways"; readonly ways: ReadonlyMap<string, PeerWays> }
  /** Nothing comes back from this node although packets go there, or much has gone: a packet of full size is to show. */
  | { readonly kind: "checkWays"; readonly id: string }
  /**
   * `down --purge`: give the lease back; ends with the action `released`. As the first event after a start, nothing but
   * that is ever said; `meetMs` is how long to look for a member first while none is linked.
   */
  | { readonly kind: "release"; readonly meetMs?: number }
  /** `ovltun forget`: have the mesh forget this node, or with `revoke` refuse its key for good. */
  | { readonly kind: "forget"; readonly target: string; readonly revoke: boolean }
  /** `ovltun reserve`: this subnet is for this node alone; `moves`: it leaves another lease for it. Null: `ovltun unreserve`. */
  | {
    readonly kind: "reserve";
    readonly subnet: Prefix;
    readonly holder: string | null;
    readonly moves: boolean;
  }
  /** `ovltun secret rotate`: the mesh goes over to this secret. */
  | { readonly kind: "rotate"; readonly secret: NetworkSecret; readonly dropOld: boolean }
  /** The action `persist` of this ticket, and all before it, are on disk. */
  | { readonly kind: "stored"; readonly ticket: number }
  /** What `remember` told is on disk no more, or never came there. */
  | { readonly kind: "unremembered" }
  /** `down`: tell the others that we go; the lease stays ours. */
  | { readonly kind: "leave" };

export type LogLevel = "debug" | "info" | "warning" | "error";

/** Values of a log line; from the network only what is bounded and printable. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export type Action =
  /**
   * Send this datagram from our own port. `local`: it answers one that was sent to this address of ours, and leaves from
   * there; absent: as everything that goes to that peer (`ControlPlane.called`). With `by` it is a probe of that way, which
   * goes whole or not at all. `vxlan`: from the VXLAN port. `direct`: by the kernel's route for probes, and only if that
   * leads to this gateway.
   */
  | {
    readonly kind: "send";
    readonly to: string;
    readonly bytes: Uint8Array;
    readonly local?: string;
    readonly by?: undefined;
  }
  | { readonly kind: "send"; readonly to: string; readonly bytes: Uint8Array; readonly by: "own" }
  | { readonly kind: "send"; readonly to: string; readonly bytes: Uint8Array; readonly by: "vxlan" }
  | {
    readonly kind: "send";
    readonly to: string;
    readonly bytes: Uint8Array;
    readonly by: "direct";
    readonly gateway: string;
  }
  /**
   * A session with this node for the data plane, whether or not anything is routed there. Its packets go to `endpoint` from
   * now on. `confirmed`: it may be sent on. The keys are wiped when it is installed.
   */
  | {
    readonly kind: "installSession";
    readonly id: string;
    readonly endpoint: string;
    readonly receiveIndex: number;
    readonly sendIndex: number;
    readonly suite: CipherSuite;
    readonly sendKey: Uint8Array;
    readonly receiveKey: Uint8Array;
    readonly confirmed: boolean;
  }
  /** The peer has used this session, which was not confirmed: packets leave on it from now on. */
  | { readonly kind: "confirmSession"; readonly receiveIndex: number }
  | { readonly kind: "dropSession"; readonly id: string; readonly receiveIndex: number }
  /**
   * Seal this (empty: a keepalive) on the control lane of the session whose index we gave out, and send it. `probe`: it
   * measures the way, and goes whole or not at all.
   */
  | {
    readonly kind: "sendSealed";
    readonly receiveIndex: number;
    readonly to: string;
    readonly bytes: Uint8Array;
    readonly probe?: true;
  }
  /**
   * Write this state in place of the one before, and what is to be kept besides, synced; then tell `stored`. A later one
   * may be written in its place.
   */
  | {
    readonly kind: "persist";
    readonly ticket: number;
    readonly state: StoredOwn;
    readonly keep: readonly Kept[];
  }
  /** Keep this, too, when there is time; `whole`: in place of all that was kept. Told of when it failed: `unremembered`. */
  | { readonly kind: "remember"; readonly kept: readonly Kept[]; readonly whole: boolean }
  /**
   * Other secrets count now: write `secrets`, atomically and synced, before any state that is persisted from now on, and
   * let the gate pass what bears a MAC of any of `keys`. Both are valid only until the next event.
   */
  | {
    readonly kind: "secrets";
    readonly secrets: readonly HeldSecret[];
    readonly keys: readonly NetworkKeys[];
  }
  /** Look up "home.example:8473", a name that another node tells, and answer with the event `resolved`. */
  | { readonly kind: "resolve"; readonly name: string }
  /**
   * Something in the view changed that the host or the data plane must follow: run `reconcile`. `soon`: in a large mesh it
   * may wait a moment, for what else changes.
   */
  | { readonly kind: "reconcile"; readonly soon?: true }
  /**
   * Our own lease changed; null = none. `why` is a sentence for people. A start with the stored lease is no change: it
   * is only told by `reconcile`.
   */
  | {
    readonly kind: "leaseChanged";
    readonly from: string | null;
    readonly to: string | null;
    /** Of IPv6, where the mesh has both families. */
    readonly second?: { readonly from: string | null; readonly to: string | null };
    readonly why: string;
    /** The user wanted it so. */
    readonly asked?: true;
  }
  | { readonly kind: "log"; readonly level: LogLevel; readonly message: string; readonly fields: LogFields }
  /** This node cannot be part of the mesh as it was asked to: stop, print, exit 2. */
  | { readonly kind: "refuse"; readonly message: string }
  /** The lease has been given back (or there was none). `heard`: a member has acknowledged that. */
  | { readonly kind: "released"; readonly heard: boolean };

// ----------------------------------------------------------------------------------------------------
// Carries out what the control plane decided: the one interpreter of its actions, for the daemon, for giving a stored
// lease back, and for the simulated networks of the tests. They differ only in the effects that they pass in. Actions
// take effect in their order, and none waits: what is to be on disk is told by the event `stored`.

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
