/**
 * A node at work: events come in (the clock's ticks, the Workers, the host, names, the API), `ControlPlane.handle` turns
 * each into actions, which `performActions` performs by effects.ts; the reconciler carries out what is wanted of sockets,
 * Workers and host. Made once the parts are there and the Workers listen; it never ends by itself.
 */
import { ControlPlane } from "../control/node/node.ts";
import type { ControlEvent } from "../control/outbox/events.ts";
import { performActions } from "../control/outbox/perform.ts";
import type { Settings } from "../control/mesh/mesh_config.ts";
import type { NodeView } from "../control/paths/view.ts";
import { logger } from "../log/log.ts";
import type { AtWork } from "./api_handlers.ts";
import type { DaemonParts } from "./daemon_parts.ts";
import { DaemonEffects } from "./effects.ts";
import type { Ending } from "./end.ts";
import { HostSight } from "./host/host_sight.ts";
import { Names } from "./host/names.ts";
import { drawNetwork } from "./host/overlap_check.ts";
import { SendRefusals } from "./planes/send_refusals.ts";
import type { WorkerEvent } from "./planes/workers.ts";
import { Reconciler } from "./reconciler.ts";
import { VERSION } from "../version.ts";

const TICK_MS = 100;

export class EventLoop implements AtWork {
  readonly parts: DaemonParts;
  readonly control: ControlPlane;
  readonly reconciler: Reconciler;
  readonly refusals: SendRefusals;
  readonly #ending: Ending;
  readonly #effects: DaemonEffects;
  readonly #sight: HostSight;
  readonly #names: Names;
  #stopTicking = (): void => {};
  /** Everything is being taken away: nothing may be put up again. */
  #closed = false;

  /** `giveUp`: the mesh's network does not fit this host; the lease is to be given back. */
  constructor(parts: DaemonParts, ending: Ending, giveUp: () => void) {
    const { machine, config, net, underlay, workers } = parts;
    this.parts = parts;
    this.#ending = ending;
    this.#sight = new HostSight(net, {
      port: config.port,
      device: () => parts.keeper.device,
      network: () => underlay.mesh,
    });
    const settings: Settings = {
      ...config,
      version: VERSION,
      ownEndpoints: underlay.endpoints(),
      drawNetwork: () => drawNetwork(machine.random, net),
    };
    this.control = this.#controlPlane(settings);
    underlay.called = (endpoint) => this.control.called(endpoint);
    workers.onEvent = (event) => this.#fromWorker(event);
    this.#names = this.#namesOf(parts);
    this.refusals = new SendRefusals(
      // Not at once: a send is part of performing what an event brought.
      (to, refusal) => void machine.timers.after(0, () => this.tell({ kind: "sendRefused", to, refusal })),
      (sentence) => logger.warn(sentence),
    );
    this.reconciler = new Reconciler(parts, settings, this.control, {
      onMisfit: (misfit) => {
        ending.refuse(misfit.message);
        giveUp();
      },
      onWays: (ways) => this.#event({ kind: "ways", ways }),
    });
    this.#effects = new DaemonEffects({
      parts,
      ending,
      reconciler: this.reconciler,
      refusals: this.refusals,
      names: this.#names,
    });
  }

  #namesOf({ machine, config, underlay }: DaemonParts): Names {
    return new Names(machine, config, {
      seeds: (found) => {
        underlay.seeds = found.flatMap((seed) => seed.endpoints);
        this.#endpointsChanged(); // the addresses towards them are ours, too
        this.tell({ kind: "seeds", seeds: found });
      },
      advertised: (endpoints) => {
        underlay.advertised = endpoints;
        this.#endpointsChanged();
      },
      resolved: (name, endpoints) => this.tell({ kind: "resolved", name, endpoints }),
    });
  }

  #controlPlane(settings: Settings): ControlPlane {
    const { machine, state, stored, ciphers } = this.parts;
    return new ControlPlane({
      settings,
      identity: state.identity,
      stored,
      random: machine.random,
      now: machine.clock.now(),
      sealed: ciphers?.setup ?? null,
      host: this.#sight,
    });
  }

  /** The first event brings device and routes of a stored lease; from then on it ticks. */
  start(): void {
    // That device takes twenty milliseconds: what asks for names comes once it is there.
    this.#endpointsChanged();
    // Resolving a name may take its time: nothing waits for it.
    this.#names.start();
    const tick = () => this.#ending.guard(() => this.#tick());
    this.#stopTicking = this.parts.machine.timers.every(TICK_MS, tick);
  }

  /** Nothing happens any more. */
  close(): void {
    this.#closed = true;
    this.#stopTicking();
    this.#names.close();
  }

  /** What is known now. */
  view(): NodeView {
    return this.control.view(this.#now());
  }

  // ------------------------------------------------------------------------------------------- events in

  /** An event from outside. A fault while it is dealt with ends the process. */
  tell(event: ControlEvent): void {
    if (!this.#closed) this.#ending.guard(() => this.#event(event));
  }

  #event(event: ControlEvent): void {
    performActions(this.control.handle(event, this.#now()), this.#effects);
  }

  #tick(): void {
    this.#event({ kind: "tick" });
    this.parts.workers.mailbox.retry();
    const now = this.#now();
    const changed = this.parts.net.changed();
    if (changed) {
      this.#sight.changed();
      this.parts.underlay.hostChanged();
      this.#event({ kind: "ownEndpoints", endpoints: this.parts.underlay.endpoints() });
    }
    if (changed || this.reconciler.overdue(now)) this.reconciler.reconcile();
    for (const id of this.reconciler.pathsToCheck(now)) this.#event({ kind: "checkWays", id });
  }

  #fromWorker(event: WorkerEvent): void {
    if (!this.#closed) this.#ending.guard(() => this.#takeUp(event));
  }

  #takeUp(event: WorkerEvent): void {
    const { feed, underlay } = this.parts;
    const known = feed.controlEvent(event);
    if (known !== null) return this.#event(known);
    switch (event.kind) {
      case "pathTooSmall": {
        const id = this.reconciler.pathTooSmall(event.slot);
        if (id !== null) this.#event({ kind: "checkWays", id });
        return;
      }
      case "sourceGone":
        underlay.hostChanged();
        this.reconciler.expire();
        return;
      case "sendRefused": {
        const endpoint = feed.endpointOf(event.slot);
        if (endpoint !== null) this.refusals.data(endpoint, event.errno, this.#now());
        return;
      }
      case "tunGone":
        return this.reconciler.reconcile();
    }
  }

  #endpointsChanged(): void {
    this.tell({ kind: "ownEndpoints", endpoints: this.parts.underlay.endpoints() });
  }

  /** The host is compared with what is wanted, as when something of ours was taken away. */
  repair(): void {
    if (!this.#closed) this.#ending.guard(() => this.reconciler.reconcile());
  }

  #now(): number {
    return this.parts.machine.clock.now();
  }
}
