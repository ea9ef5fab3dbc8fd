/**
 * What a daemon is made of but for the control plane, and the order in which it is made: the state directory, the
 * secret, the Workers, the ciphers, the sockets, the device. All of it happens before the first message is sent, and
 * whatever keeps this host from being a node is found out here.
 */
import { type Config, ConfigError } from "../config/config.ts";
import type { StoredState } from "../control/records/state.ts";
import { HostTable } from "../host/host_table.ts";
import type { HostNetwork } from "../ports/host.ts";
import type { Machine } from "../ports/machine.ts";
import type { Timers } from "../ports/time.ts";
import { DataplaneFeed } from "./planes/dataplane_feed.ts";
import type { Cleanups } from "./end.ts";
import { HostKeeper } from "./host/host_keeper.ts";
import { clearForStart, storedLease } from "./host/leftovers.ts";
import { RulesKeeper } from "./host/rules_keeper.ts";
import { UnderlayWatch } from "./host/underlay_watch.ts";
import { logger } from "../log/log.ts";
import { OffloadState } from "./planes/offloads.ts";
import { refuseOverlap } from "./host/overlap_check.ts";
import { RunDir } from "./state/run_dir.ts";
import { type SealedParts, sealedParts } from "./planes/sealed_parts.ts";
import { chooseSecret, type SecretChoice, secretsOfRun } from "./state/secret_choice.ts";
import type { GivenSecret } from "./state/secret_files.ts";
import { beginRun, type Begun, founds, rememberRefusedJoin } from "./state/unfinished_join.ts";
import { foundersSockets, Sockets } from "./planes/sockets.ts";
import { openState, type StateStore } from "./state/state_store.ts";
import { Workers } from "./planes/workers.ts";

/** How long the end of a daemon waits for the disk. */
const SETTLE_MS = 2000;

/** What the parts are made from. */
export interface Making {
  readonly config: Config;
  /** The network secret that the user gave, if any. */
  readonly given: GivenSecret | null;
  readonly machine: Machine;
  /** A Worker cannot go on. */
  readonly onFailed: (sentence: string) => void;
}

export interface DaemonParts {
  /** As given, or what a join that was begun before made of it. */
  readonly config: Config;
  /** What an earlier run left of the mesh of this one, or null. */
  readonly stored: StoredState | null;
  /** It goes on with a join that an earlier run began. */
  readonly resumed: boolean;
  /** On the machine's clock. */
  readonly startedAt: number;
  readonly machine: Machine;
  readonly net: HostNetwork;
  readonly underlay: UnderlayWatch;
  readonly runDir: RunDir;
  readonly state: StateStore;
  readonly choice: SecretChoice;
  readonly offloads: OffloadState;
  readonly workers: Workers;
  /** Keys and ciphers of a sealed mesh; null in a plain one. */
  readonly ciphers: SealedParts | null;
  readonly sockets: Sockets;
  readonly feed: DataplaneFeed;
  readonly rules: RulesKeeper;
  readonly keeper: HostKeeper;
}

/** Throws what keeps the daemon from starting; `cleanups` then has what undoes the first half. */
export function makeParts({ machine, onFailed, ...user }: Making, cleanups: Cleanups): DaemonParts {
  let feed: DataplaneFeed | null = null;
  let sockets: Sockets | null = null;
  let keeper: HostKeeper | null = null;
  const startedAt = machine.clock.now();
  const net = new HostTable(machine.openNetwork(), () => machine.clock.now());
  cleanups.add(() => net.close());
  const underlay = new UnderlayWatch(machine, net, user.config);
  const runDir = new RunDir(machine.locks, user.config.runDir);
  cleanups.add(() => runDir.close());
  const state = openState(machine, user.config.stateDir);
  cleanups.add(() => state.close());
  cleanups.add(() => settled(state, machine.timers));
  const begun = beginRun({ ...user, stored: state.stored, secret: state.secret, join: state.join });
  const { config, given, stored } = begun;
  const ruleset = machine.openRuleset(config.ipMasq || config.forward);
  cleanups.add(() => ruleset.close());
  const { sysctls } = machine;
  const left = clearForStart({ net, ruleset, sysctls }, config, storedLease(stored));
  for (const line of [...left.report.repaired, ...left.report.failed]) logger.info(line);
  const choice = secretChoiceOf(begun, state);
  remember(begun, choice, state);
  for (const asked of [config, config.ipv6]) {
    const { network, subnetMin, subnetMax } = asked;
    if (network === null) continue;
    const subnetLen = asked.subnetLen ?? asked.defaultSubnetLen;
    refuseOverlap(net, begun, { network, subnetLen, subnetMin, subnetMax });
  }
  // They load their code while this thread tests and measures.
  const offloads = new OffloadState(config.offloads);
  const workers = new Workers(machine, { count: config.workers, offloads, onFailed });
  cleanups.add(() => feed?.close());
  // Descriptors close after the Workers have stopped, which is undone before them.
  cleanups.add(() => sockets?.close());
  cleanups.add(() => keeper?.close());
  cleanups.add(() => workers.stop());
  const { mailbox } = workers;
  offloads.testTrains(machine);
  const kept = begun.secret === null ? [] : state.secrets;
  const ciphers = choice.security === "plain" ? null : sealedParts(machine.planes.ciphers(), {
    ...config,
    secrets: secretsOfRun(choice, kept, given?.secret ?? null),
  });
  workers.start(ciphers?.provider.suites(), net.eventsFd);
  feed = new DataplaneFeed(mailbox, () => underlay.facts(), ciphers);
  sockets = new Sockets(machine.udp, mailbox, { ...config, interfaces: () => net.interfaces() });
  if (founds(begun)) sockets.demand(foundersSockets(config));
  const rules = new RulesKeeper(ruleset, machine.clock, config);
  keeper = new HostKeeper({ net, rules, forwarding: left.forwarding, devices: machine.devices, mailbox }, {
    ...config,
    subnetFile: left.file,
    networks: left.networks,
    testDevice: (tun) => offloads.testSuperframes(machine, tun),
  });
  // Routes go first, so that nothing is sent into a tunnel that is not read.
  cleanups.add(() => void keeper?.withdraw());
  const { resumed } = begun;
  return {
    config,
    stored,
    resumed,
    startedAt,
    machine,
    net,
    underlay,
    runDir,
    state,
    choice,
    offloads,
    workers,
    ciphers,
    sockets,
    feed,
    rules,
    keeper,
  };
}

/** What is being written is there, or the disk has had long enough. */
function settled(state: StateStore, timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    const callOff = timers.after(SETTLE_MS, resolve);
    void state.settle().then(() => {
      callOff();
      resolve();
    });
  });
}

/** As `secretChoice`; a join that is refused for want of a secret is remembered: the next `up` is not to found a mesh. */
function secretChoiceOf(begun: Begun, state: StateStore): SecretChoice {
  try {
    return secretChoice(begun, state);
  } catch (error) {
    if (error instanceof ConfigError && begun.remember !== null) {
      rememberRefusedJoin(state, { ...begun.remember, secret: null, refused: error.reason });
    }
    throw error;
  }
}

function secretChoice({ config, given, stored, secret }: Begun, state: StateStore): SecretChoice {
  const { plain, peers, found, stateDir, networkName } = config;
  const choice = chooseSecret({
    plain,
    given,
    stored: secret,
    storedMesh: stored?.mesh?.security ?? null,
    founds: found || peers.length === 0,
    stateDir,
    networkName,
  });
  if (choice.security === "sealed" && choice.keep) state.keepSecret(choice.secret);
  return choice;
}

/** On disk before the first message: whatever ends this run, the next one goes on with its join. */
function remember({ remember, stored }: Begun, choice: SecretChoice, state: StateStore): void {
  if (remember !== null) {
    state.rememberJoin({ ...remember, secret: choice.security === "plain" ? null : choice.secret });
  }
  // The mesh of a join that was given up is not to come back.
  if (stored !== null && stored !== state.stored) state.startOver(stored);
}
