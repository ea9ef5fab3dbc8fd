import type { Lane } from "../ports.ts";

/** What the main thread hands the data-plane Worker when it starts: shared memory and the eventfd that wakes it. */
export interface WorkerStart {
  readonly lane: Lane;
  readonly mailbox: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly wakeFd: number;
  /** Trains of datagrams: wanted in sends, in receives. */
  readonly gso: boolean;
  readonly gro: boolean;
}
