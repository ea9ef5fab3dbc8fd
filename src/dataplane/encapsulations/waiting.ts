/**
 * The tunnel to a peer that there is no link with: packets wait, as they do for a session, and leave when the peer has a
 * tunnel by which they can (dataplane.ts).
 */
import { NO_PATH, type Verdict } from "../tables/counters.ts";
import type { Encapsulator } from "../plane/plane.ts";

class Waiting implements Encapsulator {
  readonly role = "own";
  readonly partial = false;
  readonly needsSession = true;
  readonly takesPlain = false;

  /** A session without a link: the control plane is about to say which. */
  send(): Verdict {
    return NO_PATH;
  }

  sendSegments(): Verdict {
    return NO_PATH;
  }
}

export const waiting: Encapsulator = new Waiting();
