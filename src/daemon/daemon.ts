/**
 * The daemon: builds the parts, wires them, performs what the control plane decides, and takes everything away
 * again. Events come in (timers, the Workers, the host, the API, signals); `ControlPlane.handle` turns each into
 * actions; `performActions` performs them by effects.ts. `runDaemon` is what `ovltun up` calls.
 *
 * In this order: the parts (daemon_parts.ts), the control socket, a handshake with nobody, the control plane with the
 * reconciler (reconciler.ts), which carries out what it wants of the host; then timers and events until the end (end.ts).
 */
import { join } from "node:path";
import process from "node:process";
import { type Release, type Rotated, SOCKET_NAME } from "../api/schema.ts";
import type { Config } from "../config/config.ts";
import type { ControlEvent } from "../control/outbox/events.ts";
import { performActions } from "../control/outbox/perform.ts";
import { ControlPlane } from "../control/node/node.ts";
import type { SendRefusal } from "../control/paths/outcome.ts";
import { warmUp } from "../control/handshake/warm_up.ts";
import { NetworkSecret } from "../crypto/network_secret.ts";
import type { Offload } from "../ports/devices.ts";
import type { HostNetwork } from "../ports/host.ts";
import type { Machine, Served } from "../ports/machine.ts";
import type { DataplaneEvent } from "../ports/planes.ts";
import { errnoName } from "../ports/sys_error.ts";
import { advertisedBy } from "./host/advertised.ts";
import { apiHandlers } from "./reports/api_handlers.ts";
import { type DaemonParts, makeParts, tellStart } from "./daemon_parts.ts";
import { DaemonEffects } from "./effects.ts";
import { Cleanups, Ending, lastWords } from "./end.ts";
import { HostSight } from "./host/host_sight.ts";
import { Lookup } from "./host/lookup.ts";
import { logger } from "../log/log.ts";
import { Reconciler } from "./reconciler.ts";
import { kernelDrops, type Snapshot } from "./reports/reports.ts";
import { controlEvent } from "./planes/control_events.ts";
import { type GivenSecret, readSecretFile } from "./state/secret_files.ts";
import { Resolver, unresolved } from "./host/seeds.ts";
import { SendRefusals } from "./planes/send_refusals.ts";
import { drawNetwork, settingsOf } from "./settings.ts";
import { Underlay } from "./host/underlay_watch.ts";

const TICK_MS = 100;
/** The run directory is looked at so often: two stat(2). */
const RUN_DIR_CHECK_MS = 1000;
/** How long giving the lease back may take, over what the control plane itself waits. */
const RELEASE_MS = 3000;
/** A signal that comes so long after the first is meant: the user does not want to wait. */
const IMPATIENT_MS = 1000;

/**
 * Runs the daemon until it is told to stop. Resolves to the exit code. Throws what keeps it from starting. `given` is
 * the network secret that the user gave, if any.
 */
export async function runDaemon(
  machine: Machine,
  config: Config,
  given: GivenSecret | null = null,
): Promise<number> {
  const daemon = new Daemon(machine, config, given);
  try {
    return await daemon.run();
  } finally {
    await daemon.close();
  }
}

class Daemon {
  readonly #machine: Machine;
  /** As given, then what a join that was begun before made of it. */
  #config: Config;
  readonly #given: GivenSecret | null;
  readonly #startedAt: number;
  readonly #net: HostNetwork;
  readonly #underlay: Underlay;
  readonly #sight: HostSight;
  readonly #lookup: Lookup;
  readonly #refusals = new SendRefusals(
    // Not at once: a send is part of performing what an event brought.
    (to, why) => this.#later(0, () => this.#tellRefusal(to, why)),
    (sentence) => logger.warn(sentence),
  );
  readonly #cleanups = new Cleanups();
  readonly #ending: Ending;
  #parts!: DaemonParts;
  #control!: ControlPlane;
  /** Made with the control plane. */
  #reconciler!: Reconciler;
  /** As the reconciler. */
  #effects!: DaemonEffects;
  /** A Worker sends without a source that it was told: the next tick looks what is true, once for all peers. */
  #sourceGone = false;
  #leaving = false;
  #signalledAt: number | null = null;
  #checkingRunDir = false;
  /** What keeps the control socket away at the moment, told once. */
  #runDirTrouble: string | null = null;
  /** Everything is being taken away: nothing may be put up again. */
  #closing = false;

  constructor(machine: Machine, config: Config, given: GivenSecret | null) {
    this.#machine = machine;
    this.#config = config;
    this.#given = given;
    this.#startedAt = machine.clock.now();
    this.#ending = new Ending(machine.timers);
    this.#net = machine.openNetwork();
    this.#underlay = new Underlay(machine, this.#net, config);
    this.#lookup = new Lookup(config.port, machine.surroundings.resolve);
    this.#sight = new HostSight(this.#net, {
      port: config.port,
      device: () => this.#parts.keeper.device,
      network: () => this.#underlay.mesh,
    });
  }

  async run(): Promise<number> {
    const cleanups = this.#cleanups;
    cleanups.add(() => this.#net.close());
    cleanups.add(this.#machine.surroundings.onStop((why) => this.#guard(() => this.#askedToEnd(why))));
    const onEvent = (event: DataplaneEvent): void => this.#fromWorker(event);
    const making = {
      machine: this.#machine,
      config: this.#config,
      given: this.#given,
      net: this.#net,
      facts: () => this.#underlay.facts(),
      onEvent,
    };
    this.#parts = makeParts(making, cleanups);
    this.#config = this.#parts.config;
    await this.#serveApi();
    if (this.#parts.ciphers !== null) warmUp(this.#machine.random);
    // Who cannot hear asks nobody; and who is to end by then does not begin.
    await Promise.race([this.#parts.workers.ready, this.#ending.finished]);
    if (!this.#ending.ended) this.#begin();
    await this.#ending.finished;
    return this.#ending.exitCode;
  }

  #begin(): void {
    this.#startControl();
    this.#cleanups.add(this.#machine.timers.every(TICK_MS, () => this.#guard(() => this.#tick())));
  }

  async #serveApi(): Promise<void> {
    const api = await this.#machine.surroundings.serve(
      join(this.#config.runDir, SOCKET_NAME),
      apiHandlers(
        this.#net,
        () => this.#snapshot(),
        (purge) => this.#askedToStop(purge),
        ({ id, revoked }) => this.#guard(() => this.#event({ kind: "forget", target: id, revoke: revoked })),
        (secretFile, dropOld) => this.#rotate(secretFile, dropOld),
      ),
    );
    this.#cleanups.add(() => api.close());
    this.#cleanups.add(this.#machine.timers.every(RUN_DIR_CHECK_MS, () => void this.#checkRunDir(api)));
  }

  /** Nothing tells when /run is emptied or mounted over. What cannot be made again is tried again, and told. */
  async #checkRunDir(api: Served): Promise<void> {
    if (this.#closing || this.#checkingRunDir) return;
    this.#checkingRunDir = true;
    try {
      const emptied = this.#parts.runDir.check();
      const gone = await api.restore();
      this.#runDirTrouble = null;
      if (emptied !== null) logger.warn(emptied);
      else if (gone) logger.warn("The control socket was taken away; it is made again");
      // subnet.env lies there, too.
      if ((emptied !== null || gone) && !this.#closing) {
        this.#guard(() => this.#control !== undefined && this.#reconcile());
      }
    } catch (error) {
      const trouble = `Cannot serve the control socket: ${
        error instanceof Error ? error.message : String(error)
      }`;
      if (trouble !== this.#runDirTrouble) logger.error(trouble);
      this.#runDirTrouble = trouble;
    } finally {
      this.#checkingRunDir = false;
    }
  }

  #startControl(): void {
    const config = this.#config;
    const names = this.#resolvers();
    const settings = {
      ...settingsOf(config, null, this.#underlay.endpoints()),
      drawNetwork: () => drawNetwork(this.#machine.random, this.#net),
    };
    const { state, stored, ciphers } = this.#parts;
    this.#control = new ControlPlane({
      settings,
      identity: state.identity,
      stored,
      random: this.#machine.random,
      now: this.#now(),
      sealed: ciphers?.setup ?? null,
      host: this.#sight,
    });
    this.#underlay.called = (endpoint) => this.#control.called(endpoint);
    this.#reconciler = new Reconciler(this.#parts, this.#control, this.#underlay, (misfit) => {
      this.#ending.refuse(misfit.message);
      this.#leave("release");
    }, (ways) => this.#event({ kind: "ways", ways }));
    this.#effects = new DaemonEffects({
      parts: this.#parts,
      underlay: this.#underlay,
      reconciler: this.#reconciler,
      refusals: this.#refusals,
      ending: this.#ending,
      resolve: (name) => void this.#resolve(name),
      reconcile: () => this.#reconcile(),
    });
    tellStart(this.#parts);
    for (const resolver of names) this.#cleanups.add(() => resolver.close());
    // The device of a stored lease takes twenty milliseconds: whoever asks after that is there when they answer.
    this.#guard(() => this.#endpointsChanged());
    // Resolving a name may take its time: nothing waits for it.
    for (const resolver of names) resolver.start();
  }

  /** Of `--peers` and of `--advertise`. */
  #resolvers(): Resolver[] {
    const { port, peers, advertise } = this.#config;
    const common = {
      port,
      lookup: new Lookup(port, this.#machine.surroundings.resolve, Infinity),
      machine: this.#machine,
    };
    const seeds = new Resolver(peers, {
      ...common,
      onChange: (found) => {
        this.#underlay.seeds = found.flatMap((seed) => seed.endpoints);
        this.#guard(() => this.#endpointsChanged()); // the addresses towards them are ours, too
        this.#guard(() => this.#event({ kind: "seeds", seeds: found }));
      },
      onFailure: (text, known) => logger.warn(unresolved("--peers", text, known)),
    });
    const told = new Set<string>(); // BOUNDED: one per entry and what it resolves to
    const ours = new Resolver(advertise, {
      ...common,
      onChange: (found) => {
        const { endpoints, leftOut } = advertisedBy(found, port);
        this.#underlay.advertised = endpoints;
        for (const line of leftOut) if (!told.has(line)) logger.warn(line);
        for (const line of leftOut) told.add(line);
        this.#guard(() => this.#endpointsChanged());
      },
      onFailure: (text, known) => logger.warn(unresolved("--advertise", text, known)),
    });
    return [seeds, ours];
  }

  /** A name that another node tells. */
  async #resolve(name: string): Promise<void> {
    const endpoints = this.#lookup.crowded ? [] : await this.#lookup.endpoints(name);
    if (!this.#closing) this.#guard(() => this.#event({ kind: "resolved", name, endpoints }));
  }

  // ------------------------------------------------------------------------------------------- events in

  #event(event: ControlEvent): void {
    performActions(this.#control.handle(event, this.#now()), this.#effects);
  }

  #tick(): void {
    this.#event({ kind: "tick" });
    this.#parts.workers.mailbox.retry();
    const now = this.#now();
    const changed = this.#net.changed();
    if (changed) {
      this.#sight.changed();
      this.#underlay.hostChanged();
      this.#endpointsChanged();
    }
    if (changed || this.#sourceGone || this.#reconciler.overdue(now)) this.#reconcile();
    for (const id of this.#reconciler.pathsToCheck(now)) this.#event({ kind: "checkWays", id });
  }

  #fromWorker(event: DataplaneEvent): void {
    if (this.#closing) return;
    const known = controlEvent(event, (slot) => this.#parts.feed.keyOf(slot));
    if (known !== null) {
      if (this.#control !== undefined) this.#guard(() => this.#event(known));
    } else if (event.kind === "pathTooSmall") {
      this.#guard(() => {
        const id = this.#reconciler?.pathTooSmall(event.slot) ?? null;
        if (id !== null) this.#event({ kind: "checkWays", id });
      });
    } else if (event.kind === "sourceGone") {
      this.#underlay.hostChanged();
      this.#sourceGone = true;
    } else if (event.kind === "sendRefused") {
      this.#guard(() => this.#sendRefused(event.slot, event.errno));
    } else if (event.kind === "offloadLost") {
      this.#offloadLost(event.offload, errnoName(event.errno));
    } else if (event.kind === "tunGone") {
      this.#guard(() => this.#reconcile());
    } else if (event.kind === "failed") {
      this.#ending.fail(new Error(`The data plane failed: ${event.message}`));
    }
  }

  /** Every Worker finds it out for itself; it is told once. */
  #offloadLost(offload: Offload, errno: string): void {
    if (!this.#parts.offloads.lose(offload, errno)) return;
    logger.warn(`The kernel refuses ${offload} (${errno}): slower without it from now on`);
  }

  #tellRefusal(to: string, refusal: SendRefusal | null): void {
    if (this.#control !== undefined && !this.#closing) this.#event({ kind: "sendRefused", to, refusal });
  }

  #sendRefused(slot: number, errno: number): void {
    const endpoint = this.#parts.feed.endpointOf(slot);
    if (endpoint !== null) this.#refusals.data(endpoint, errno, this.#now());
  }

  #endpointsChanged(): void {
    if (this.#control === undefined) return;
    this.#event({ kind: "ownEndpoints", endpoints: this.#underlay.endpoints() });
  }

  #now(): number {
    return this.#machine.clock.now();
  }

  #later(milliseconds: number, act: () => void): void {
    this.#machine.timers.after(milliseconds, () => this.#guard(act));
  }

  /** A fault in any callback ends the process with a clear last line, not half of it. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#ending.fail(error);
    }
  }

  #reconcile(): void {
    this.#sourceGone = false;
    this.#reconciler.reconcile();
  }

  // ------------------------------------------------------------------------------------------- what is told

  #snapshot(): Snapshot {
    if (this.#control === undefined) throw new Error("The daemon is starting; try again");
    const now = this.#now();
    const { workers, feed, keeper, offloads, ciphers, sockets } = this.#parts;
    const { wanted, troubles } = this.#reconciler;
    return {
      view: this.#control.view(now),
      wanted,
      counters: workers.counters,
      workers: workers.count,
      slotOf: (key) => feed.slotOf(key),
      device: keeper.device,
      mtu: wanted.deviceMtu,
      offloads,
      underlay: this.#underlay.endpoints(),
      now,
      startedAt: this.#startedAt,
      pid: process.pid,
      networkName: this.#config.networkName,
      sealed: ciphers?.setup.suites ?? null,
      withoutLibcrypto: ciphers?.without ?? null,
      kernelDrops: kernelDrops(keeper.drops, sockets.dropped()),
      troubles: [...troubles, ...this.#refusals.at(now)],
    };
  }

  /** `ovltun secret rotate`. Throws a sentence when it cannot be begun. */
  #rotate(secretFile: string | null, dropOld: boolean): Rotated {
    if (this.#control === undefined) throw new Error("The daemon is starting; try again");
    const { networkName } = this.#config;
    const secret = secretFile === null
      ? NetworkSecret.create()
      : readSecretFile(secretFile, networkName).secret;
    const problem = this.#control.rotationProblem(secret);
    if (problem !== null) throw new Error(problem);
    this.#guard(() => this.#event({ kind: "rotate", secret, dropOld }));
    secret.wipe();
    const rotation = this.#control.view(this.#now()).own.secret;
    if (rotation === undefined) throw new Error("The daemon is stopping");
    return rotation;
  }

  // --------------------------------------------------------------------------------------------- the end

  /** `leave`: goodbye, the lease stays ours. `release`: give the lease back first. */
  #leave(kind: "leave" | "release", why?: string): void {
    if (this.#leaving || this.#control === undefined) return this.#ending.endRelease(false);
    this.#leaving = true;
    logger.info(lastWords(kind, this.#control.view(this.#now()).own.subnet), { by: why });
    this.#machine.surroundings.tellStopping();
    this.#event({ kind });
    if (kind === "leave") this.#ending.finish();
    else this.#later(RELEASE_MS, () => this.#ending.endRelease(false));
  }

  /**
   * By a signal, or the end of stdin. A second one that comes later than a terminal that closes sends its several ends
   * the waiting.
   */
  #askedToEnd(why: string): void {
    const now = this.#now();
    this.#signalledAt ??= now;
    if (now - this.#signalledAt > IMPATIENT_MS) this.#cleanups.hurry();
    this.#leave("leave", why);
  }

  /** Begins to stop when the answer is on its way. With `purge`, that is once the lease has been given back. */
  async #askedToStop(purge: boolean): Promise<Release | null> {
    const view = this.#control?.view(this.#now());
    const releasing = this.#leaving && purge;
    if (!releasing) this.#later(0, () => this.#leave(purge ? "release" : "leave"));
    const subnet = view?.own.subnet?.text ?? null;
    if (!purge || subnet === null) return null;
    const heard = await this.#ending.released;
    return { subnet, outcome: heard ? "heard" : view!.peers.length === 0 ? "alone" : "unheard" };
  }

  /** Takes away what `run` made, also when it failed half-way. */
  close(): Promise<void> {
    this.#closing = true;
    return this.#cleanups.run();
  }
}
