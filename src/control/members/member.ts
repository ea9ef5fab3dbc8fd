/** A member of the mesh as we see it, and what comes of that. */

import type { Statement } from "../../wire/gossip_body.ts";
import type { PeerState } from "../paths/view.ts";

export interface Member {
  readonly id: string;
  state: PeerState;
  /** Dead by its own word. */
  stopped: boolean;
  /** The incarnation the state is about; −1 = remembered only. */
  incarnation: number;
  since: number;
  /** First heard of in this run. */
  readonly knownSince: number;
  /** It counted as alive or suspect in this run. */
  seen: boolean;
  /** Our own last probe went unanswered. */
  silent: boolean;
  /** Other members that suspect it, too, while we do. BOUNDED: ≤ CONFIRMATIONS_MAX */
  confirmedBy: readonly string[];
}

/** No other member suspects it: one for all, for there are thousands. */
export const UNCONFIRMED_BY: readonly string[] = [];

/** What membership wants said or done. */
export type MembershipAction =
  | { readonly kind: "ping"; readonly to: string; readonly seq: number }
  | { readonly kind: "ask"; readonly via: string; readonly target: string; readonly seq: number }
  | { readonly kind: "pong"; readonly to: string; readonly seq: number }
  /** A state changed and others should hear of it. */
  | { readonly kind: "changed"; readonly member: Member; readonly before: PeerState; readonly tell: boolean }
  /** Others say that of a node that we hear: it must hear so, for only it can refute. */
  | { readonly kind: "tell"; readonly to: string; readonly statement: Statement }
  /** A node thinks we are not alive: our record needs an incarnation greater than this. */
  | { readonly kind: "refute"; readonly above: number };
