/**
 * A node at work: events come in (ticks when they are due, the Workers, the host, names, the API), `ControlPlane.handle` turns
 * each into actions, and `performActions` performs them by the effects that stand below; the reconciler carries out what is
 * wanted of sockets, Workers and host. Made once the parts are there and the Workers listen; it never ends by itself.
 */
import { ControlPlane } from "../control/node/node.ts";
import {
  type ControlEvent,
  type Effects,
  type LeaseChange,
  type LogFields,
  type LogLevel,
  performActions,
  type PersistAction,
  type SendAction,
  type SessionEffects,
} from "../control/outbox/events.ts";
import type { Settings } from "../control/mesh/mesh_config.ts";
import type { NodeView } from "../control/paths/view.ts";
import type { Kept } from "../control/records/state.ts";
import type { HeldSecret } from "../control/secrets/key_ring.ts";
import { PROBE_TOS } from "../host/owned.ts";
import { logger } from "../log/log.ts";
import { addressOf, ipVersion } from "../wire/address.ts";
import type { AtWork } from "./api_handlers.ts";
import type { DaemonParts } from "./daemon_parts.ts";
import type { Ending } from "./end.ts";
import { HostSight } from "./host/host_sight.ts";
import { Names } from "./host/names.ts";
import { drawNetwork, drawNetwork6 } from "./host/overlap_check.ts";
import { SendRefusals } from "./planes/send_refusals.ts";
import type { WorkerEvent } from "./planes/workers.ts";
import { Reconciler } from "./reconciler.ts";
import { runLeaseHook } from "./lease_hook.ts";
import { Ticker } from "./ticker.ts";
import { VERSION } from "../version.ts";

export class EventLoop implements AtWork, Effects {
  readonly parts: DaemonParts;
  readonly control: ControlPlane;
  readonly reconciler: Reconciler;
  readonly refusals: SendRefusals;
  /** Null in a plain mesh. */
  readonly sessions: SessionEffects | null;
  readonly #ending: Ending;
  readonly #sight: HostSight;
  readonly #names: Names;
  readonly #ticker: Ticker;
  #started = false;
  /** Everything is being taken away: nothing may be put up again. */
  #closed = false;

  /** `giveUp`: the mesh's network does not fit this host; the lease is to be given back. */
  constructor(parts: DaemonParts, ending: Ending, giveUp: () => void) {
    const { machine, config, net, underlay, workers } = parts;
    this.parts = parts;
    this.#ending = ending;
    this.sessions = parts.ciphers && parts.feed;
    this.#sight = new HostSight(net, {
      port: config.port,
      device: () => parts.keeper.device,
      networks: () => underlay.networks,
    });
    const settings: Settings = {
      ...config,
      version: VERSION,
      ownEndpoints: underlay.endpoints(),
      drawNetwork: () => drawNetwork(machine.random, net),
      drawNetwork6: () => drawNetwork6(machine.random, net),
    };
    this.control = this.#controlPlane(settings);
    underlay.called = (endpoint) => this.control.called(endpoint);
    workers.onEvent = (event) => this.#fromWorker(event);
    this.#names = this.#namesOf(parts);
    this.#ticker = this.#tickerOf(parts);
    parts.state.tell({
      stored: (ticket) => this.tell({ kind: "stored", ticket }),
      unremembered: () => this.tell({ kind: "unremembered" }),
    });
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
  }

  #tickerOf({ machine, net, workers }: DaemonParts): Ticker {
    return new Ticker(machine, {
      dueAt: () => this.control.dueAt,
      hostWaitsFrom: () => workers.mailbox.waits ? -Infinity : this.reconciler.waitsFrom,
      hostChanged: () => net.changed(),
      hostTells: workers.watchesHost,
      tick: (hostChanged) => this.#tick(hostChanged),
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
    this.#started = true;
    this.#setAlarm();
  }

  /** Nothing happens any more. */
  close(): void {
    this.#closed = true;
    this.#ticker.close();
    this.#names.close();
  }

  /** What is known now. */
  view(): NodeView {
    return this.control.view(this.#now());
  }

  // ------------------------------------------------------------------------------------------- events in

  /** An event from outside. A fault while it is dealt with ends the process. */
  tell(event: ControlEvent): void {
    this.#take(() => this.#event(event));
  }

  // Whatever happened may have brought the next tick nearer, or put it off.
  #take(act: () => void): void {
    if (this.#closed) return;
    this.#ending.guard(() => {
      act();
      this.#setAlarm();
    });
  }

  #setAlarm(): void {
    if (this.#started && !this.#closed) this.#ticker.set(() => this.#take(() => this.#ticker.wake()));
  }

  #event(event: ControlEvent): void {
    performActions(this.control.handle(event, this.#now()), this);
  }

  // Whatever has changed, on the host or in the mesh, is one reconcile.
  #tick(hostChanged: boolean): void {
    if (hostChanged) {
      this.#sight.changed();
      this.parts.underlay.hostChanged();
      this.reconciler.expire();
      this.#event({ kind: "ownEndpoints", endpoints: this.parts.underlay.endpoints() });
    }
    if (this.parts.rules.changed()) this.reconciler.expire();
    this.#event({ kind: "tick" });
    this.parts.workers.mailbox.retry();
    const now = this.#now();
    const disk = this.parts.state.watch(now);
    if (disk || this.reconciler.overdue(now)) this.reconciler.reconcile();
    else this.reconciler.checkHost(now);
    for (const id of this.reconciler.pathsToCheck(now)) this.#event({ kind: "checkWays", id });
    const ids = this.reconciler.traffic(now);
    if (ids.length > 0) this.#event({ kind: "traffic", ids });
  }

  #fromWorker(event: WorkerEvent): void {
    this.#take(() => this.#takeUp(event));
  }

  #takeUp(event: WorkerEvent): void {
    const { feed, underlay } = this.parts;
    const known = feed.controlEvent(event);
    if (known !== null) return this.#event(known);
    switch (event.kind) {
      case "pathTooSmall":
        return this.reconciler.pathTooSmall(event.slot);
      case "sourceGone":
        underlay.hostChanged();
        this.reconciler.expire();
        return;
      case "sendRefused": {
        const endpoint = feed.endpointOf(event.slot);
        if (endpoint !== null) this.refusals.data(endpoint, event.errno, this.#now());
        return;
      }
      case "hostStirs":
        return this.#ticker.hostStirs();
      case "tunGone":
        return this.reconciler.reconcile();
    }
  }

  #endpointsChanged(): void {
    this.tell({ kind: "ownEndpoints", endpoints: this.parts.underlay.endpoints() });
  }

  /** The host is compared with what is wanted, as when something of ours was taken away. */
  repair(): void {
    this.#take(() => this.reconciler.reconcile());
  }

  #now(): number {
    return this.parts.machine.clock.now();
  }

  // ------------------------------------------------------------------------------------- what the actions do

  send(datagram: SendAction): void {
    const { sockets, net } = this.parts;
    const { to, bytes } = datagram;
    if (datagram.by === undefined) {
      return this.refusals.control(to, sockets.send(to, bytes, datagram.local ?? this.#sourceTo(to)));
    }
    if (datagram.by === "own") return sockets.sendProbe(to, bytes, this.#sourceTo(to));
    if (datagram.by === "vxlan") return sockets.sendVxlan(to, bytes, this.reconciler.sourceTo(to));
    // Any other way, as while the route is missing, would show nothing.
    const tos = ipVersion(to) === 4 ? PROBE_TOS : 0; // IPv6 has an address for it instead
    const hop = net.routeTo(addressOf(to), tos);
    if (hop?.gateway !== datagram.gateway) return;
    if (tos === 0) sockets.sendProbe(to, bytes, "");
    else sockets.sendProbeByTos(to, bytes, tos);
  }

  saveState(asked: PersistAction): void {
    this.parts.state.save(asked);
  }

  remember(kept: readonly Kept[], whole: boolean): void {
    this.parts.state.remember(kept, whole);
  }

  saveSecrets(secrets: readonly HeldSecret[]): void {
    this.parts.state.writeSecrets(secrets);
  }

  resolve(name: string): void {
    void this.#names.lookUp(name);
  }

  reconcile(soon: boolean): void {
    if (soon) this.reconciler.follow(this.#now());
    else this.reconciler.reconcile();
  }

  leaseChanged(change: LeaseChange): void {
    const { config, machine } = this.parts;
    const { onLeaseChange: program } = config;
    if (program !== null) runLeaseHook(machine.surroundings, program, change);
  }

  log(level: LogLevel, message: string, fields: LogFields): void {
    logger[level === "warning" ? "warn" : level](message, fields);
  }

  refuse(message: string): void {
    this.#ending.refuse(message);
    this.#ending.finish();
  }

  released(heard: boolean): void {
    this.#ending.endRelease(heard);
  }

  /** What we say of ourselves leaves from the address by which the peer calls us; "": the kernel chooses. */
  #sourceTo(to: string): string {
    const end = this.parts.underlay.local(to);
    return end?.pinned ? end.address : "";
  }
}
