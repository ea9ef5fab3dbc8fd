/**
 * One Worker of the data plane as the main thread sees it: a mailbox reaches it, its counters are read without it. It is
 * stopped by a message.
 */
import { Counters } from "../../dataplane/tables/counters.ts";
import { mailboxMemory, MailboxWriter } from "../../dataplane/mailbox.ts";
import type { MeasuredSuite } from "../../ports/aead.ts";
import type { Lane, Offloads } from "../../ports/devices.ts";
import type { Machine, PlaneThread } from "../../ports/machine.ts";
import type { DataplaneEvent } from "../../ports/planes.ts";
import type { Timers } from "../../ports/time.ts";

/** How long a Worker may take to answer the stop message. */
const STOP_MS = 2000;
const ONE: Lane = { worker: 0, workers: 1 };

export class WorkerHandle {
  readonly counters = new Counters();
  readonly mailbox: MailboxWriter;
  readonly #thread: PlaneThread;
  readonly #timers: Timers;
  readonly #memory = mailboxMemory();
  readonly #lane: Lane;
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
  ) {
    this.#lane = lane;
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
    });
    this.mailbox = new MailboxWriter(this.#memory, () => this.#thread.wake());
  }

  /** Sets the Worker to work, once. `suites` are what sessions may ask for. */
  start({ gso, gro }: Offloads, suites: readonly MeasuredSuite[] = []): void {
    this.#started = true;
    const { memory } = this.counters;
    this.#thread.start({ lane: this.#lane, mailbox: this.#memory, counters: memory, gso, gro, suites });
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
