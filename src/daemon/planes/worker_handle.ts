/**
 * One Worker of the data plane as the main thread sees it: it blocks in epoll; a mailbox and an eventfd
 * reach it, its counters are read without it. It is stopped by a message, never by terminate(), which can hang on a blocked Worker.
 */
import { Counters } from "../../dataplane/counters.ts";
import { mailboxMemory, MailboxWriter } from "../../dataplane/mailbox.ts";
import type { MeasuredSuite } from "../../ports/aead.ts";
import type { Lane, Offloads } from "../../ports/devices.ts";
import type { DataplaneEvent } from "../../ports/planes.ts";
import { EventFd } from "../../sys/epoll.ts";
import type { WorkerStart } from "./worker_start.ts";

/** How long a Worker may take to answer the stop message. */
const STOP_MS = 2000;
const ONE: Lane = { worker: 0, workers: 1 };

export class WorkerHandle {
  readonly counters = new Counters();
  readonly mailbox: MailboxWriter;
  readonly #wake = new EventFd();
  readonly #worker: Worker;
  readonly #memory = mailboxMemory();
  readonly #lane: Lane;
  readonly #stopped: Promise<void>;
  /** It reads its mailbox and its sockets from now on, or never will. */
  readonly ready: Promise<void>;
  #started = false;
  #stopping = false;

  /** The thread loads its code, which takes longer than anything else at a start; `start` sets it to work. */
  constructor(onEvent: (event: DataplaneEvent) => void, lane = ONE) {
    this.#lane = lane;
    this.mailbox = new MailboxWriter(this.#memory, () => this.#wake.signal());
    // Beside this file in the source; the build flattens the entry points of the binary (scripts/compile).
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    let stopped = (): void => {};
    let ready = (): void => {};
    this.#stopped = new Promise((resolve) => stopped = resolve);
    this.ready = new Promise((resolve) => ready = resolve);
    this.#worker.onmessage = (event: MessageEvent<DataplaneEvent>) => {
      const { kind } = event.data;
      if (kind === "stopped" || kind === "failed") stopped();
      if (kind === "ready" || kind === "stopped" || kind === "failed") ready();
      if (kind !== "stopped") onEvent(event.data);
      else if (!this.#stopping) {
        onEvent({ kind: "failed", message: "It ended, and nobody had asked it to" });
      }
    };
    this.#worker.onerror = (event) => {
      ready();
      onEvent({ kind: "failed", message: event.message });
    };
  }

  /** Sets the Worker to work, once. `suites` are what sessions may ask for. */
  start({ gso, gro }: Offloads, suites: readonly MeasuredSuite[] = []): void {
    this.#started = true;
    const start: WorkerStart = {
      lane: this.#lane,
      mailbox: this.#memory,
      counters: this.counters.memory,
      wakeFd: this.#wake.fd,
      gso,
      gro,
      suites,
    };
    this.#worker.postMessage(start);
  }

  /** Asks the Worker to end and waits until it has, or for two seconds. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#started) await this.#end();
    this.#worker.terminate();
    this.#wake.close();
  }

  async #end(): Promise<void> {
    this.mailbox.post({ kind: "stop" });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, STOP_MS));
    await Promise.race([this.#stopped, late]);
    clearTimeout(timer);
  }
}
