/**
 * The data plane as the main thread sees it: one Worker or several, told the same, heard as one, counted together.
 * The end of any of them is the end of all. What they hand up goes straight to the node at work (event_loop.ts).
 */
import { availableParallelism } from "node:os";
import { Backlog } from "../../dataplane/tables/backlog.ts";
import { mailboxMemory, MailboxToAll, MailboxWriter } from "../../dataplane/mailbox.ts";
import { type CounterReader, Counters, CounterSum } from "../../dataplane/tables/counters.ts";
import type { MeasuredSuite } from "../../ports/aead.ts";
import type { Lane, Offloads } from "../../ports/devices.ts";
import type { Machine, PlaneThread } from "../../ports/machine.ts";
import type { DataplaneEvent } from "../../ports/planes.ts";
import type { Timers } from "../../ports/time.ts";
import type { OffloadState } from "./offloads.ts";

/** How long a Worker may take to answer the stop message. */
const STOP_MS = 2000;
const ONE: Lane = { worker: 0, workers: 1 };

/** What the Workers hand up while they run. */
export type WorkerEvent = Exclude<
  DataplaneEvent,
  { readonly kind: "ready" | "stopped" | "failed" | "offloadLost" }
>;

export interface WorkersSetup {
  readonly count: number;
  /** Those in use; hears of it when the kernel refuses one after all. */
  readonly offloads: OffloadState;
  /** One of them cannot go on. */
  readonly onFailed: (sentence: string) => void;
}

export class Workers {
  readonly counters: CounterReader;
  readonly mailbox: MailboxToAll;
  readonly #handles: readonly WorkerHandle[];

  /** All work, or one never will. */
  readonly ready: Promise<unknown>;

  /** Gets what they hand up while a node is at work. */
  onEvent: (event: WorkerEvent) => void = () => {};
  #watchesHost = false;
  readonly #offloads: OffloadState;
  readonly #onFailed: (sentence: string) => void;

  /** Loads them; `start` sets them to work. */
  constructor(machine: Pick<Machine, "planes" | "timers">, { count, offloads, onFailed }: WorkersSetup) {
    this.#offloads = offloads;
    this.#onFailed = onFailed;
    const backlog = new Backlog();
    this.#handles = Array.from({ length: count }, (_, worker) => {
      const lane = { worker, workers: count };
      return new WorkerHandle(machine, (event) => this.#hear(event, worker), lane, backlog);
    });
    this.ready = Promise.all(this.#handles.map((handle) => handle.ready));
    this.counters = new CounterSum(this.#handles.map((handle) => handle.counters));
    this.mailbox = new MailboxToAll(this.#handles.map((handle) => handle.mailbox));
  }

  #hear(event: DataplaneEvent, worker: number): void {
    switch (event.kind) {
      case "ready":
      case "stopped":
        return;
      case "failed": {
        const which = this.count === 1 ? "" : `worker ${worker} of ${this.count}: `;
        return this.#onFailed(`The data plane failed: ${which}${event.message}`);
      }
      case "offloadLost":
        return this.#offloads.refused(event.offload, event.errno);
      default:
        return this.onEvent(event);
    }
  }

  /**
   * Sets all to work with the offloads in use, once. `suites` are what sessions may ask for; one of them also watches
   * `hostEvents`, a descriptor, and says when more comes there.
   */
  start(suites: readonly MeasuredSuite[] = [], hostEvents: number | null = null): void {
    this.#watchesHost = hostEvents !== null;
    for (const [i, handle] of this.#handles.entries()) {
      handle.start(this.#offloads.inUse, suites, i === 0 ? hostEvents : null);
    }
  }

  /** Whether one of them says when something happens on the host. */
  get watchesHost(): boolean {
    return this.#watchesHost;
  }

  get count(): number {
    return this.#handles.length;
  }

  /** Asks all to end and waits until they have, or for two seconds. */
  async stop(): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.stop()));
  }
}

/** One Worker: a mailbox reaches it, its counters are read without it, and it is stopped by a message. */
export class WorkerHandle {
  readonly counters = new Counters();
  readonly mailbox: MailboxWriter;
  readonly #thread: PlaneThread;
  readonly #timers: Timers;
  readonly #memory = mailboxMemory();
  readonly #lane: Lane;
  readonly #backlog: Backlog;
  readonly #stopped: Promise<void>;
  /** It reads its mailbox and its sockets from now on, or never will. */
  readonly ready: Promise<void>;
  #started = false;
  #stopping = false;

  /** The thread loads its code, which takes longer than anything else at a start; `start` sets it to work. */
  constructor(
    { planes, timers }: Pick<Machine, "planes" | "timers">,
    onEvent: (event: DataplaneEvent) => void,
    lane = ONE,
    backlog = new Backlog(),
  ) {
    this.#lane = lane;
    this.#backlog = backlog;
    this.#timers = timers;
    let stopped = (): void => {};
    let ready = (): void => {};
    this.#stopped = new Promise((resolve) => stopped = resolve);
    this.ready = new Promise((resolve) => ready = resolve);
    this.#thread = planes.load((event) => {
      const { kind } = event;
      if (kind === "stopped" || kind === "failed") stopped();
      if (kind === "ready" || kind === "stopped" || kind === "failed") ready();
      if (kind !== "stopped") onEvent(event);
      else if (!this.#stopping) {
        onEvent({ kind: "failed", message: "It exited unexpectedly" });
      }
      if (kind === "datagram" || kind === "sessionMessage") backlog.handled();
    });
    this.mailbox = new MailboxWriter(this.#memory, () => this.#thread.wake());
  }

  /** Sets the Worker to work, once. `suites` are what sessions may ask for. */
  start(
    { gso, gro }: Offloads,
    suites: readonly MeasuredSuite[] = [],
    hostEvents: number | null = null,
  ): void {
    this.#started = true;
    const { memory: counters } = this.counters;
    const { memory: backlog } = this.#backlog;
    const start = { lane: this.#lane, mailbox: this.#memory, counters, backlog, gso, gro, suites };
    this.#thread.start(hostEvents === null ? start : { ...start, hostEvents });
  }

  /** Asks the Worker to end and waits until it has, or for two seconds. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#started) await this.#end();
    this.#thread.end();
  }

  async #end(): Promise<void> {
    this.mailbox.post({ kind: "stop" });
    let callOff = (): void => {};
    const late = new Promise<void>((resolve) => callOff = this.#timers.after(STOP_MS, resolve));
    await Promise.race([this.#stopped, late]);
    callOff();
  }
}

/** A sentence when more Workers are asked for than run at once, else null. */
export function tooManyWorkers(count: number, processors = availableParallelism()): string | null {
  if (count <= processors) return null;
  const have = processors === 1 ? "one processor" : `${processors} processors`;
  return `--workers ${count} on ${have}: they compete for them and packets wait; use ${processors} or fewer`;
}
