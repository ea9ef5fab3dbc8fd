/**
 * The data plane as the main thread sees it: one Worker or several, told the same, heard as one, counted together.
 * The end of any of them is the end of all.
 */
import { availableParallelism } from "node:os";
import { type CounterReader, CounterSum } from "../../dataplane/tables/counters.ts";
import { MailboxToAll } from "../../dataplane/mailbox.ts";
import type { MeasuredSuite } from "../../ports/aead.ts";
import type { Offloads } from "../../ports/devices.ts";
import type { Machine } from "../../ports/machine.ts";
import type { DataplaneEvent } from "../../ports/planes.ts";
import { WorkerHandle } from "./worker_handle.ts";

export class Workers {
  readonly counters: CounterReader;
  readonly mailbox: MailboxToAll;
  readonly #handles: readonly WorkerHandle[];

  /** All work, or one never will. */
  readonly ready: Promise<unknown>;

  /** Loads `count` Workers; `start` sets them to work. `onEvent` gets everything they hand up. */
  constructor(
    machine: Pick<Machine, "planes" | "timers">,
    count: number,
    onEvent: (event: DataplaneEvent) => void,
  ) {
    this.#handles = Array.from(
      { length: count },
      (_, worker) =>
        new WorkerHandle(machine, (event) => onEvent(named(event, worker, count)), {
          worker,
          workers: count,
        }),
    );
    this.ready = Promise.all(this.#handles.map((handle) => handle.ready));
    this.counters = new CounterSum(this.#handles.map((handle) => handle.counters));
    this.mailbox = new MailboxToAll(this.#handles.map((handle) => handle.mailbox));
  }

  /** Sets all to work, once. `suites` are what sessions may ask for. */
  start(offloads: Offloads, suites: readonly MeasuredSuite[] = []): void {
    for (const handle of this.#handles) handle.start(offloads, suites);
  }

  get count(): number {
    return this.#handles.length;
  }

  /** Asks all to end and waits until they have, or for two seconds. */
  async stop(): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.stop()));
  }
}

/** Which of several failed. */
function named(event: DataplaneEvent, worker: number, count: number): DataplaneEvent {
  if (event.kind !== "failed" || count === 1) return event;
  return { kind: "failed", message: `worker ${worker} of ${count}: ${event.message}` };
}

/** A sentence when more Workers are asked for than run at once, else null. */
export function tooManyWorkers(count: number, processors = availableParallelism()): string | null {
  if (count <= processors) return null;
  const have = processors === 1 ? "one processor" : `${processors} processors`;
  return `--workers ${count} on ${have}: they compete for them and packets wait; use ${processors} or fewer`;
}
