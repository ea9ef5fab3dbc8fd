/**
 * The data plane as the main thread sees it: a Worker that blocks in epoll, a mailbox and an eventfd to reach
 * it, counters to read it. It is stopped by a message, never by terminate(), which can hang on a blocked Worker.
 */
import { Counters } from "../dataplane/counters.ts";
import { mailboxMemory, MailboxWriter } from "../dataplane/mailbox.ts";
import type { DataplaneEvent, MeasuredSuite, Offloads } from "../ports.ts";
import { EventFd } from "../sys/epoll.ts";
import type { WorkerStart } from "./worker_start.ts";

/** How long a Worker may take to answer the stop message. */
const STOP_MS = 2000;

export class WorkerHandle {
  readonly counters = new Counters();
  readonly mailbox: MailboxWriter;
  readonly #wake = new EventFd();
  readonly #worker: Worker;
  readonly #stopped: Promise<void>;

  /** Starts the Worker. `onEvent` gets everything it hands up; `suites` are what sessions may ask for. */
  constructor(
    offloads: Offloads,
    onEvent: (event: DataplaneEvent) => void,
    suites: readonly MeasuredSuite[] = [],
  ) {
    const memory = mailboxMemory();
    this.mailbox = new MailboxWriter(memory, () => this.#wake.signal());
    // Beside this file in the source; the build flattens the entry points of the binary (scripts/compile).
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.#stopped = new Promise((resolve) => {
      this.#worker.onmessage = (event: MessageEvent<DataplaneEvent>) => {
        if (event.data.kind === "stopped") resolve();
        else onEvent(event.data);
      };
    });
    this.#worker.onerror = (event) => onEvent({ kind: "failed", message: event.message });
    const { gso, gro } = offloads;
    const start: WorkerStart = {
      mailbox: memory,
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
    this.mailbox.post({ kind: "stop" });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, STOP_MS));
    await Promise.race([this.#stopped, late]);
    clearTimeout(timer);
    this.#worker.terminate();
    this.#wake.close();
  }
}
