// What the machines of one control plane share on their way out, each a small class of its own. A machine takes those of
// them that it uses.

import { Actions } from "./actions.ts";
import { Called } from "./called.ts";
import { Schedule } from "./schedule.ts";
import { Tally } from "./tally.ts";
import { Throttle } from "./throttle.ts";

export interface Outlets {
  readonly actions: Actions;
  readonly schedule: Schedule;
  readonly throttle: Throttle;
  readonly tally: Tally;
  readonly called: Called;
}

/** The outlets of a node that has said nothing yet. */
export function newOutlets(): Outlets {
  const called = new Called();
  const actions = new Actions(called);
  return { actions, schedule: new Schedule(), throttle: new Throttle(), tally: new Tally(), called };
}
