/** What the main thread hands the data-plane Worker when it starts, and the eventfd that wakes it. */
import type { PlaneStart } from "../ports/machine.ts";

export interface WorkerStart extends PlaneStart {
  readonly wakeFd: number;
}
