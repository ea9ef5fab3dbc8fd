// The dispute of a node with another host that runs with its identity, from the first sign of it on.

import { judge, type Twin, type Verdict } from "./clones.ts";

export class Dispute {
  #since: number | null = null;

  /** Which of the two ends, by what is known at `now`; `fresh`: the other said just now how long it has been running. */
  judge(we: Twin, other: Twin, now: number, fresh: boolean): Verdict {
    this.#since ??= now;
    return judge(we, other, now - this.#since, fresh);
  }
}
