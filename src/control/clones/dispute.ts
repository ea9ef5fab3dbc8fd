/** The dispute of a node with another host that runs with its identity, from the first sign of it on. */

import { type Clone, judge, type Judgement } from "./clones.ts";

export class Dispute {
  #since: number | null = null;

  /** Which of the two ends, by what is known at `now`; `fresh`: the other said just now how long it has been running. */
  judge(we: Clone, other: Clone, now: number, fresh: boolean): Judgement {
    this.#since ??= now;
    return judge(we, other, now - this.#since, fresh);
  }
}
