/** What the main thread hands the data-plane Worker when it starts: shared memory and the eventfd that wakes it. */
import type { MeasuredSuite } from "../../ports/aead.ts";
import type { Lane } from "../../ports/devices.ts";

export interface WorkerStart {
  readonly lane: Lane;
  readonly mailbox: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly wakeFd: number;
  /** Trains of datagrams: wanted in sends, in receives. */
  readonly gso: boolean;
  readonly gro: boolean;
  /** Who seals what best on this host; the main thread has measured it. */
  readonly suites: readonly MeasuredSuite[];
}
