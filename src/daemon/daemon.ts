/**
 * A daemon from its start to its end. In this order: the parts (daemon_parts.ts), the control socket, a handshake with
 * nobody, and once the Workers listen the node at work (event_loop.ts); until a signal, the API or the mesh ends it
 * (end.ts), and everything is taken away again. `runDaemon` is what `ovltun up` calls.
 */
import { join } from "node:path";
import { SOCKET_NAME } from "../api/schema.ts";
import type { Release } from "../api/outcomes.ts";
import type { Config } from "../config/config.ts";
import { warmUp } from "../control/handshake/warm_up.ts";
import { logger } from "../log/log.ts";
import type { Machine } from "../ports/machine.ts";
import { apiHandlers } from "./api_handlers.ts";
import { type DaemonParts, makeParts } from "./daemon_parts.ts";
import { Cleanups, Ending, lastWords } from "./end.ts";
import { EventLoop } from "./event_loop.ts";
import { tellStart } from "./reports/start_log.ts";
import { RunDirWatch } from "./state/run_dir.ts";
import type { GivenSecret } from "./state/secret_files.ts";

/** The run directory is looked at so often: two stat(2). */
const RUN_DIR_CHECK_MS = 1000;
/** After so long a start is over: the first peers are linked, what is hot is compiled. */
const STARTED_MS = 5000;
/** So many peers more are a large mesh that was joined: meanwhile the heap has grown to several times of what is kept. */
const MANY_PEERS = 256;
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
  const daemon = new Daemon(machine);
  try {
    return await daemon.run(config, given);
  } finally {
    await daemon.close();
  }
}

class Daemon {
  readonly #machine: Machine;
  readonly #cleanups = new Cleanups();
  readonly #ending: Ending;
  /** Null until the Workers listen. */
  #loop: EventLoop | null = null;
  #watch: RunDirWatch | null = null;
  #leaving = false;
  #signalledAt: number | null = null;
  /** Everything is being taken away. */
  #closing = false;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#ending = new Ending(machine.timers);
  }

  async run(config: Config, given: GivenSecret | null): Promise<number> {
    const machine = this.#machine;
    this.#cleanups.add(machine.surroundings.onStop((why) => this.#ending.guard(() => this.#askedToEnd(why))));
    const onFailed = (sentence: string): void => {
      if (!this.#closing) this.#ending.fail(new Error(sentence));
    };
    const parts = makeParts({ machine, config, given, onFailed }, this.#cleanups);
    await this.#serve(parts);
    if (parts.ciphers !== null) warmUp(machine.random);
    // Nothing is asked before answers can be heard; and nothing starts if the end has been asked for by then.
    await Promise.race([parts.workers.ready, this.#ending.finished]);
    if (!this.#ending.ended) this.#begin(parts);
    await this.#ending.finished;
    return this.#ending.exitCode;
  }

  async #serve({ config, runDir }: DaemonParts): Promise<void> {
    const { surroundings, timers } = this.#machine;
    const handlers = apiHandlers(() => this.#loop, (purge) => this.#askedToStop(purge));
    const socket = await surroundings.serve(join(config.runDir, SOCKET_NAME), handlers);
    this.#cleanups.add(() => socket.close());
    // subnet.env lies in the run directory, too.
    const watch = this.#watch = new RunDirWatch(runDir, socket, () => this.#loop?.repair());
    this.#cleanups.add(timers.every(RUN_DIR_CHECK_MS, () => void watch.look()));
  }

  #begin(parts: DaemonParts): void {
    const loop = this.#loop = new EventLoop(parts, this.#ending, () => this.#leave("release"));
    tellStart(parts);
    loop.start();
    this.#cleanups.add(this.#machine.timers.every(STARTED_MS, releaserOf(parts)));
  }

  // --------------------------------------------------------------------------------------------- the end

  /** `leave`: goodbye, the lease stays ours. `release`: give the lease back first. */
  #leave(kind: "leave" | "release", why?: string): void {
    if (this.#leaving || this.#loop === null) return this.#ending.endRelease(false);
    this.#leaving = true;
    logger.info(lastWords(kind, this.#loop.view().own.subnet), { by: why });
    this.#machine.surroundings.tellStopping();
    this.#loop.tell({ kind });
    if (kind === "leave") this.#ending.finish();
    else this.#machine.timers.after(RELEASE_MS, () => this.#ending.endRelease(false));
  }

  /**
   * By a signal, or the end of stdin. A second one that comes later than a terminal that closes sends its several ends
   * the waiting.
   */
  #askedToEnd(why: string): void {
    const now = this.#machine.clock.now();
    this.#signalledAt ??= now;
    if (now - this.#signalledAt > IMPATIENT_MS) this.#cleanups.hurry();
    this.#leave("leave", why);
  }

  /** Begins to stop when the answer is on its way. With `purge`, that is once the lease has been given back. */
  async #askedToStop(purge: boolean): Promise<Release | null> {
    const view = this.#loop?.view();
    const stop = () => this.#ending.guard(() => this.#leave(purge ? "release" : "leave"));
    if (!this.#leaving || !purge) this.#machine.timers.after(0, stop);
    const subnet = view?.own.subnet?.text ?? null;
    if (!purge || subnet === null) return null;
    const heard = await this.#ending.released;
    const { second } = view!.own;
    const lease = { subnet, ...(second === undefined ? {} : { subnet6: second.text }) };
    return { ...lease, outcome: heard ? "heard" : view!.peers.length === 0 ? "alone" : "unheard" };
  }

  /** Takes away what `run` made, also when it failed half-way. */
  close(): Promise<void> {
    this.#closing = true;
    this.#loop?.close();
    this.#watch?.close();
    return this.#cleanups.run();
  }
}

/** What it takes to give memory back. */
type Releasing = Pick<DaemonParts, "feed" | "workers" | "machine">;

/** Gives memory back after the start, and when so many peers have come, once no more do; to be called every few seconds. */
export function releaserOf({ machine, workers, feed }: Releasing): () => void {
  let before = 0;
  let released = -Infinity;
  return () => {
    const { size } = feed;
    const still = size === before;
    before = size;
    if (released !== -Infinity && (!still || size < released + MANY_PEERS)) return;
    released = size;
    workers.mailbox.post({ kind: "releaseMemory" });
    machine.surroundings.releaseMemory();
  };
}
