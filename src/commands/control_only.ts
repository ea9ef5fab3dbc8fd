/**
 * A node without a device and without routes: its control plane, one socket, and one Worker that opens what comes in. It
 * lives as long as it takes to tell the mesh that a stored lease is free.
 */
import {
  type ControlEvent,
  type Effects,
  performActions,
  type PersistAction,
  type SendAction,
} from "../control/outbox/events.ts";
import type { Settings } from "../control/mesh/mesh_config.ts";
import { ControlPlane } from "../control/node/node.ts";
import { type Kept, recordText } from "../control/records/state.ts";
import type { HeldSecret } from "../control/secrets/key_ring.ts";
import { Lookup } from "../daemon/host/lookup.ts";
import { DataplaneFeed } from "../daemon/planes/dataplane_feed.ts";
import type { SealedParts } from "../daemon/planes/sealed_parts.ts";
import { WorkerHandle } from "../daemon/planes/workers.ts";
import type { StateStore } from "../daemon/state/state_store.ts";
import type { Machine, UdpPort } from "../ports/machine.ts";
import type { DataplaneEvent } from "../ports/planes.ts";

const NO_OFFLOADS = { tso: false, uso: false, gso: false, gro: false };
/** Nothing but control messages leaves here, which fit anywhere. */
const NO_HOST = {
  underlayMtu: 1500,
  pathMtu: () => 1500,
  nextHop: () => ({ why: "no data goes from here" }),
};
const TICK_MS = 50;
const GIVE_UP_MS = 4000;
/** Time to meet a peer before the lease is released: a release that no node hears is none. */
const MEET_MS = 1500;

/** What it is woken from. */
export interface Stored {
  readonly state: StateStore;
  readonly settings: Settings;
  /** Null in a plain mesh. */
  readonly ciphers: SealedParts | null;
}

export class ControlOnly implements Effects {
  readonly #store: StateStore;
  readonly #control: ControlPlane;
  readonly #machine: Machine;
  readonly #port: UdpPort;
  readonly #lookup: Lookup;
  readonly #worker: WorkerHandle;
  readonly #feed: DataplaneFeed;
  readonly sessions: DataplaneFeed | null;
  #finish!: (heard: boolean) => void;
  readonly #finished = new Promise<boolean>((resolve) => this.#finish = resolve);
  /** The directives about this node that it has heard. BOUNDED: by those that are stronger than the last */
  readonly heard: string[] = [];

  constructor(machine: Machine, { state, settings, ciphers }: Stored) {
    this.#machine = machine;
    this.#store = state;
    this.#port = machine.udp.open(0, { workers: 1, byLane: true, zeroChecksums: false });
    this.#lookup = new Lookup(0, machine.surroundings.resolve);
    const { identity, stored } = state;
    const setup = ciphers?.setup ?? null;
    const now = machine.clock.now();
    this.#control = new ControlPlane({
      settings,
      identity,
      stored,
      random: machine.random,
      now,
      sealed: setup,
    });
    state.tell({
      stored: (ticket) => this.#event({ kind: "stored", ticket }),
      unremembered: () => this.#event({ kind: "unremembered" }),
    });
    this.#worker = new WorkerHandle(machine, (event) => this.#fromWorker(event));
    this.#worker.start(NO_OFFLOADS, ciphers?.provider.suites());
    const { mailbox } = this.#worker;
    this.#feed = new DataplaneFeed(mailbox, () => NO_HOST, ciphers);
    this.sessions = ciphers && this.#feed;
    const { family, sockets } = this.#port;
    mailbox.post({ kind: "attachSocket", role: "own", family, sockets });
  }

  /** Gives the lease back. Resolves to whether a member has heard it, and ends. */
  async release(): Promise<boolean> {
    const { clock, timers } = this.#machine;
    const startedAt = clock.now();
    this.#event({ kind: "release", meetMs: MEET_MS });
    const callOff = timers.every(TICK_MS, () => {
      this.#event({ kind: "tick" });
      if (clock.now() - startedAt > GIVE_UP_MS) this.#finish(false);
    });
    const heard = await this.#finished;
    callOff();
    this.sessions?.close();
    await this.#worker.stop();
    this.#port.close();
    await this.#store.settle();
    return heard;
  }

  #event(event: ControlEvent): void {
    performActions(this.#control.handle(event, this.#machine.clock.now()), this);
  }

  #fromWorker(event: DataplaneEvent): void {
    const known = this.#feed.controlEvent(event);
    if (known !== null) this.#event(known);
  }

  send(datagram: SendAction): void {
    const local = datagram.by === undefined ? datagram.local ?? "" : "";
    this.#port.send(datagram.to, datagram.bytes, local);
  }

  saveState(asked: PersistAction): void {
    for (const kept of asked.keep) if (kept.kind === "directive") this.heard.push(recordText(kept.raw));
    this.#store.save(asked);
  }

  remember(kept: readonly Kept[], whole: boolean): void {
    this.#store.remember(kept, whole);
  }

  saveSecrets(secrets: readonly HeldSecret[]): void {
    this.#store.writeSecrets(secrets);
  }

  resolve(name: string): void {
    void this.#lookup.endpoints(name).then((endpoints) => this.#event({ kind: "resolved", name, endpoints }));
  }

  released(heard: boolean): void {
    this.#finish(heard);
  }

  /** Revoked while it was away, for one. */
  refuse(): void {
    this.#finish(false);
  }

  // Nothing on this host follows.
  reconcile(): void {}
  leaseChanged(): void {}
  log(): void {}
}
