/**
 * The daemon: builds the parts, wires them, performs what the control plane decides, and takes everything away
 * again. Events come in (timers, the Worker, the host, the API, signals); `ControlPlane.handle` turns each into
 * actions; `#perform` does them in order. `runDaemon` is what `ovltun up` calls.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Release, type Rotated, SOCKET_NAME } from "../api/schema.ts";
import { serveApi } from "../api/server.ts";
import { ConfigError } from "../config/config_error.ts";
import type { Config } from "../config/config.ts";
import type { Action, ControlEvent } from "../control/events.ts";
import { ControlPlane } from "../control/node.ts";
import { NOTHING, reconcile, sealedTunnel, type Wanted } from "../control/reconcile.ts";
import { warmUp } from "../control/warm_up.ts";
import { NetworkSecret } from "../crypto/network_secret.ts";
import { randomNetwork } from "../host/overlap.ts";
import type { DataplaneEvent, HostNetwork, Offload } from "../ports.ts";
import { openHostNetwork } from "../sys/host_network.ts";
import { notifyReady, notifyStopping } from "../sys/notify.ts";
import { errnoName } from "../sys/sys_error.ts";
import { systemClock, systemRandom } from "../sys/system.ts";
import { apiHandlers } from "./api_handlers.ts";
import { DataplaneFeed } from "./dataplane_feed.ts";
import { Cleanups, watchForTheEnd } from "./end.ts";
import { HostKeeper } from "./host_keeper.ts";
import { type LeaseChange, runLeaseHook } from "./lease_hook.ts";
import { configureLog, type LogFields, logger } from "./log.ts";
import { OffloadState } from "./offloads.ts";
import { refuseOverlap } from "./overlap_check.ts";
import { joinAdvice } from "./join_advice.ts";
import type { Snapshot } from "./reports.ts";
import { chooseSecret, type SecretChoice, secretsOfRun } from "./secret_choice.ts";
import { type GivenSecret, readSecretFile } from "./secret_files.ts";
import { type SealedParts, sealedParts } from "./sealed_parts.ts";
import { controlEvent, SealedSide } from "./sealed_side.ts";
import { Resolver } from "./seeds.ts";
import { settingsOf } from "./settings.ts";
import { expectedSockets, Sockets } from "./sockets.ts";
import { removeEmptyDirectory } from "./state_files.ts";
import { openState, type StateStore } from "./state_store.ts";
import { Troubles } from "./troubles.ts";
import { Underlay } from "./underlay.ts";
import { RUNTIME, VERSION } from "./version.ts";
import { tooManyWorkers, Workers } from "./workers.ts";

const TICK_MS = 100;
/** The host is compared with what is wanted at least this often. */
const HOST_CHECK_MS = 5000;
/** How long giving the lease back may take, over what the control plane itself waits. */
const RELEASE_MS = 3000;

/**
 * Runs the daemon until it is told to stop. Resolves to the exit code. Throws what keeps it from starting. `given` is
 * the network secret that the user gave, if any.
 */
export async function runDaemon(config: Config, given: GivenSecret | null = null): Promise<number> {
  configureLog(config.logLevel, config.logFormat);
  const daemon = new Daemon(config, given);
  try {
    return await daemon.run();
  } finally {
    await daemon.close();
  }
}

class Daemon {
  readonly #config: Config;
  readonly #given: GivenSecret | null;
  /** Keys and ciphers of a sealed mesh; null in a plain one. */
  #parts: SealedParts | null = null;
  /** Null in a plain mesh. */
  #sealed: SealedSide | null = null;
  readonly #startedAt = systemClock.now();
  readonly #net: HostNetwork = openHostNetwork();
  readonly #underlay: Underlay;
  readonly #cleanups = new Cleanups();
  #state!: StateStore;
  #choice!: SecretChoice;
  #control!: ControlPlane;
  #workers!: Workers;
  #feed!: DataplaneFeed;
  #keeper!: HostKeeper;
  #sockets!: Sockets;
  #wanted: Wanted | null = null;
  readonly #offloads: OffloadState;
  #ready = false;
  #reconcileDue = false;
  /** BOUNDED: those of one event. */
  readonly #leaseChanges: LeaseChange[] = [];
  #networkChecked = false;
  #lastHostCheck = 0;
  readonly #troubles = new Troubles();
  #exitCode = 0;
  #leaving = false;
  /** Everything is being taken away: nothing may be put up again. */
  #closing = false;
  #finish!: () => void;
  readonly #finished = new Promise<void>((resolve) => this.#finish = resolve);
  #tellReleased!: (heard: boolean) => void;
  /** Whether a member has heard that the lease is given back. */
  readonly #released = new Promise<boolean>((resolve) => this.#tellReleased = resolve);

  constructor(config: Config, given: GivenSecret | null) {
    this.#config = config;
    this.#given = given;
    this.#offloads = new OffloadState(config.offloads);
    this.#underlay = new Underlay(this.#net, config);
  }

  async run(): Promise<number> {
    const config = this.#config;
    const cleanups = this.#cleanups;
    cleanups.add(() => this.#net.close());
    cleanups.add(watchForTheEnd(() => this.#guard(() => this.#leave("leave"))));
    this.#state = openState(config.stateDir);
    cleanups.add(() => this.#state.close());
    this.#choice = this.#chooseSecret();
    if (config.network !== null) this.#refuseOverlap(config.network);
    if (!existsSync(config.runDir)) cleanups.add(() => void removeEmptyDirectory(config.runDir));
    // They load their code while this thread tests and measures.
    this.#workers = new Workers(config.workers, (event) => this.#fromWorker(event));
    cleanups.add(() => this.#sealed?.close());
    // Descriptors close after the Workers have stopped, which is undone before them.
    cleanups.add(() => this.#sockets?.close());
    cleanups.add(() => this.#keeper?.close());
    cleanups.add(() => this.#workers.stop());
    const { mailbox } = this.#workers;
    this.#offloads.testTrains();
    this.#parts = this.#sealedParts();
    this.#workers.start(this.#offloads.inUse, this.#parts?.provider.suites());
    if (this.#parts !== null) {
      const { setup, provider } = this.#parts;
      this.#sealed = new SealedSide(setup, provider, mailbox);
    }
    this.#sockets = new Sockets(mailbox, config.port, config.workers);
    this.#sockets.ensure(expectedSockets(config, this.#state.stored?.mesh ?? null));
    this.#feed = new DataplaneFeed(mailbox);
    this.#keeper = new HostKeeper(this.#net, mailbox, {
      ...config,
      testDevice: (tun) => this.#offloads.testSuperframes(tun),
    });
    // Routes go first, so that nothing is sent into a tunnel nobody reads.
    cleanups.add(() => void this.#keeper.withdraw());
    const api = await serveApi(
      join(config.runDir, SOCKET_NAME),
      apiHandlers(
        this.#net,
        () => this.#snapshot(),
        (purge) => this.#askedToStop(purge),
        ({ id, revoked }) => this.#guard(() => this.#event({ kind: "forget", target: id, revoke: revoked })),
        (secretFile, dropOld) => this.#rotate(secretFile, dropOld),
      ),
    );
    cleanups.add(() => api.close());
    if (this.#parts !== null) warmUp(systemRandom);
    await this.#workers.ready; // who cannot hear asks nobody
    this.#startControl();
    const timer = setInterval(() => this.#guard(() => this.#tick()), TICK_MS);
    cleanups.add(() => clearInterval(timer));
    await this.#finished;
    return this.#exitCode;
  }

  #chooseSecret(): SecretChoice {
    const { plain, peers, found, stateDir } = this.#config;
    const { stored, secret } = this.#state;
    const choice = chooseSecret({
      plain,
      given: this.#given,
      stored: secret,
      storedMesh: stored?.mesh?.security ?? null,
      founds: found || peers.length === 0,
      stateDir,
      networkName: this.#config.networkName,
    });
    if (choice.security === "sealed" && choice.keep) this.#state.keepSecret(choice.secret);
    return choice;
  }

  #sealedParts(): SealedParts | null {
    if (this.#choice.security === "plain") return null;
    const { networkName, cipher, pinnedNode } = this.#config;
    const secrets = secretsOfRun(this.#choice, this.#state.secrets, this.#given?.secret ?? null);
    return sealedParts(secrets, networkName, cipher, pinnedNode);
  }

  #startControl(): void {
    const config = this.#config;
    const seeds = new Resolver(config.peers, config.port, (found) => {
      this.#underlay.seeds = found.flatMap((seed) => seed.endpoints);
      this.#guard(() => this.#event({ kind: "seeds", seeds: found }));
    });
    const advertise = new Resolver(config.advertise, config.port, (found) => {
      this.#underlay.advertised = found.flatMap((seed) => seed.endpoints);
      for (const { text } of found.filter((seed) => seed.endpoints.length === 0)) {
        logger.warn(`Cannot resolve "${text}" of --advertise: it is left out until it does (DNS? a typo?)`);
      }
      this.#guard(() => this.#endpointsChanged());
    });
    const settings = settingsOf(
      config,
      randomNetwork(systemRandom, this.#net.routes()),
      this.#underlay.endpoints(),
    );
    this.#control = new ControlPlane(
      settings,
      this.#state.identity,
      this.#state.stored,
      systemRandom,
      systemClock.now(),
      this.#parts?.setup ?? null,
    );
    logger.info(`Started ${settings.name}`, { version: VERSION, runtime: RUNTIME, port: config.port });
    const crowded = tooManyWorkers(config.workers);
    if (crowded !== null) logger.warn(crowded);
    if (this.#choice.security === "plain") {
      logger.warn(
        "This mesh is plain: nothing is encrypted or authenticated; use it only on a network you trust",
      );
    }
    if (this.#choice.security === "sealed" && this.#choice.outdated !== undefined) {
      logger.warn(
        `The secret of ${this.#choice.outdated} is not used: the mesh rotated it since, and this host has the new one`,
      );
    }
    this.#cleanups.add(() => seeds.close());
    this.#cleanups.add(() => advertise.close());
    // The device of a stored lease takes twenty milliseconds: whoever asks after that is there when they answer.
    this.#guard(() => this.#endpointsChanged());
    // Resolving a name may take its time: nothing waits for it.
    seeds.start();
    advertise.start();
  }

  // ------------------------------------------------------------------------------------------- events in

  #event(event: ControlEvent): void {
    for (const action of this.#control.handle(event, systemClock.now())) this.#perform(action);
    if (this.#reconcileDue) this.#reconcile();
    // The hook finds device, routes and subnet.env as the change left them.
    for (const change of this.#leaseChanges.splice(0)) runLeaseHook(this.#config.onLeaseChange, change);
  }

  #tick(): void {
    this.#event({ kind: "tick" });
    this.#workers.mailbox.retry();
    const now = systemClock.now();
    const changed = this.#net.changed();
    if (changed) this.#endpointsChanged();
    if (changed || now - this.#lastHostCheck >= HOST_CHECK_MS) this.#reconcile();
  }

  #fromWorker(event: DataplaneEvent): void {
    if (this.#closing) return;
    const known = controlEvent(event, (slot) => this.#feed.keyOf(slot));
    if (event.kind === "sessionConfirmed") {
      // The peer has used it at one Worker: all may send on it.
      this.#workers.mailbox.post({ kind: "confirmSession", receiveIndex: event.receiveIndex });
    }
    if (known !== null) {
      if (this.#control !== undefined) this.#guard(() => this.#event(known));
    } else if (event.kind === "pathTooSmall") {
      this.#guard(() => this.#pathTooSmall(event.slot));
    } else if (event.kind === "offloadLost") {
      this.#offloadLost(event.offload, errnoName(event.errno));
    } else if (event.kind === "tunGone") {
      this.#guard(() => this.#reconcile());
    } else if (event.kind === "failed") {
      this.#fail(new Error(`The data plane failed: ${event.message}`));
    }
  }

  /** Every Worker finds it out for itself; it is told once. */
  #offloadLost(offload: Offload, errno: string): void {
    if (!this.#offloads.lose(offload, errno)) return;
    logger.warn(`The kernel refuses ${offload} (${errno}): slower without it from now on`);
  }

  #pathTooSmall(slot: number): void {
    const key = this.#feed.keyOf(slot);
    const tunnel = key === null ? undefined : this.#wanted?.tunnels.get(key);
    if (tunnel === undefined || !this.#underlay.learnPathMtu(tunnel.endpoint)) return;
    this.#reconcile();
    const mtu = key === null ? undefined : this.#wanted?.tunnels.get(key)?.mtu;
    logger.info(`The path to ${tunnel.endpoint} takes packets of ${mtu} bytes`, {
      path: tunnel.endpoint,
      mtu,
    });
  }

  #endpointsChanged(): void {
    if (this.#control === undefined) return;
    this.#event({ kind: "ownEndpoints", endpoints: this.#underlay.endpoints() });
  }

  /** A fault in any callback ends the process with a clear last line, not half of it. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#exitCode === 0) {
      this.#exitCode = 1;
      logger.error(error instanceof Error ? error.message : String(error));
      if (error instanceof Error && error.stack !== undefined) logger.debug(error.stack);
    }
    this.#finish();
  }

  // ------------------------------------------------------------------------------------------ actions out

  #perform(action: Action): void {
    switch (action.kind) {
      case "send":
        return this.#sockets.send(action.to, action.bytes);
      case "installSession": {
        const tunnel = sealedTunnel(action.endpoint, this.#underlay.facts());
        return this.#sealed?.install(action, this.#feed.setPeer(action.id, tunnel));
      }
      case "dropSession":
        return this.#sealed?.drop(action.receiveIndex);
      case "sendSealed": {
        const datagram = this.#sealed?.seal(action.receiveIndex, action.bytes) ?? null;
        if (datagram !== null) this.#sockets.send(action.to, datagram);
        return;
      }
      case "persist":
        return this.#state.save(action.state);
      case "secrets":
        this.#state.writeSecrets(action.secrets);
        return this.#sealed?.setGate(action.keys);
      case "reconcile":
        this.#reconcileDue = true;
        return;
      case "leaseChanged":
        if (action.from !== null) {
          logger.warn(`Lease changed: ${action.why}`, { from: action.from, lease: action.to });
        }
        this.#leaseChanges.push(action);
        return;
      case "log":
        return logger[action.level === "warning" ? "warn" : action.level](
          action.message,
          action.fields as LogFields,
        );
      case "refuse":
        logger.error(action.message);
        this.#exitCode = 2;
        return this.#finish();
      case "released":
        return this.#endRelease(action.heard);
    }
  }

  #reconcile(): void {
    this.#reconcileDue = false;
    this.#lastHostCheck = systemClock.now();
    const view = this.#control.view(systemClock.now());
    if (view.own.mesh !== null && !this.#networkChecked && !this.#checkNetwork(view.own.mesh.network)) return;
    const settings = settingsOf(this.#config, "", this.#underlay.endpoints());
    const wanted = withMtu(reconcile(view, settings, this.#underlay.facts()), this.#config.mtu);
    this.#wanted = wanted;
    this.#sockets.ensure(wanted.sockets);
    this.#feed.apply(wanted);
    const lines = this.#keeper.apply(wanted);
    this.#troubles.tell(lines, [this.#underlay.trouble, this.#state.retry()], this.#lastHostCheck);
    if (wanted.own !== null && !this.#ready) this.#announceReady(wanted);
  }

  #announceReady(wanted: Wanted): void {
    this.#ready = true;
    const { own } = this.#control.view(systemClock.now());
    logger.info(`Ready: ${own.name} holds ${own.subnet} of ${own.mesh?.network}`, {
      device: this.#keeper.device,
      mtu: wanted.deviceMtu,
      backend: own.mesh?.backend,
    });
    if (this.#choice.security === "sealed" && this.#choice.founded) logger.info(joinAdvice(this.#config));
    notifyReady();
  }

  /** The network may have been learned only now. One that hides a network of the host is given back. */
  #checkNetwork(network: string): boolean {
    this.#networkChecked = true;
    try {
      this.#refuseOverlap(network);
      return true;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      logger.error(error.message);
      this.#exitCode = 2;
      this.#leave("release");
      return false;
    }
  }

  #refuseOverlap(network: string): void {
    refuseOverlap(this.#net, network, this.#config.device, this.#state.stored?.claim?.subnet ?? null);
  }

  // ------------------------------------------------------------------------------------------- what is told

  #snapshot(): Snapshot {
    if (this.#control === undefined) throw new Error("The daemon is starting; try again");
    const now = systemClock.now();
    const wanted = this.#wanted ?? NOTHING;
    return {
      view: this.#control.view(now),
      wanted,
      counters: this.#workers.counters,
      workers: this.#workers.count,
      slotOf: (key) => this.#feed.slotOf(key),
      device: this.#keeper.device,
      mtu: wanted.deviceMtu,
      offloads: this.#offloads,
      underlay: this.#underlay.endpoints(),
      now,
      startedAt: this.#startedAt,
      pid: process.pid,
      networkName: this.#config.networkName,
      sealed: this.#parts?.setup.suites ?? null,
      withoutLibcrypto: this.#parts?.without ?? null,
      troubles: this.#troubles.now,
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
    const rotation = this.#control.view(systemClock.now()).own.secret;
    if (rotation === undefined) throw new Error("The daemon is stopping");
    return rotation;
  }

  // --------------------------------------------------------------------------------------------- the end

  /** `leave`: goodbye, the lease stays ours. `release`: give the lease back first. */
  #leave(kind: "leave" | "release"): void {
    if (this.#leaving || this.#control === undefined) return this.#endRelease(false);
    this.#leaving = true;
    logger.info(kind === "leave" ? "Stopping" : "Giving the lease back");
    notifyStopping();
    this.#event({ kind });
    if (kind === "leave") this.#finish();
    else setTimeout(() => this.#endRelease(false), RELEASE_MS);
  }

  #endRelease(heard: boolean): void {
    this.#tellReleased(heard);
    setTimeout(this.#finish, 0); // the answer goes first
  }

  /** Begins to stop when the answer is on its way. With `purge`, that is once the lease has been given back. */
  async #askedToStop(purge: boolean): Promise<Release | null> {
    const view = this.#control?.view(systemClock.now());
    const releasing = this.#leaving && purge;
    if (!releasing) setTimeout(() => this.#guard(() => this.#leave(purge ? "release" : "leave")), 0);
    const subnet = view?.own.subnet ?? null;
    if (!purge || subnet === null) return null;
    const heard = await this.#released;
    return { subnet, outcome: heard ? "heard" : view!.peers.length === 0 ? "alone" : "unheard" };
  }

  /** Takes away what `run` made, also when it failed half-way. */
  close(): Promise<void> {
    this.#closing = true;
    return this.#cleanups.run();
  }
}

/** `--mtu` beats what the underlay leaves. */
function withMtu(wanted: Wanted, mtu: number | null): Wanted {
  if (mtu === null) return wanted;
  return { ...wanted, deviceMtu: mtu, own: wanted.own === null ? null : { ...wanted.own, mtu } };
}
