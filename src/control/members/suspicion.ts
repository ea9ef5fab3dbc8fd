/** How long a member is suspect before it counts as dead, and who else has found the same: Lifeguard (health.ts). */

import type { Member } from "./member.ts";

const SUSPICION_BASE_MS = 2000;
const SUSPICION_STEP_MS = 250;
const SUSPICION_MAX_MS = 4500;
/** A suspicion that nobody shares lasts that many times as long. */
const UNCONFIRMED = 3;
const CONFIRMATIONS_MAX = 3;

/** Another member suspects it, too. */
export function confirm(member: Member, by: string): void {
  const { confirmedBy } = member;
  if (by === "" || confirmedBy.length >= CONFIRMATIONS_MAX || confirmedBy.includes(by)) return;
  member.confirmedBy = [...confirmedBy, by];
}

/**
 * How long a suspect has for its refutation: long while it is one node's opinion, which may be that node's fault, and the
 * shorter the more members have found the same by themselves (who hears a node does not repeat what is said of it) of
 * those who are `able` to; a little longer in a large mesh, where news travels further.
 */
export function suspicionMs(
  { members, able, confirmations }: {
    readonly members: number;
    readonly able: number;
    readonly confirmations: number;
  },
): number {
  const least = Math.min(SUSPICION_MAX_MS, SUSPICION_BASE_MS + SUSPICION_STEP_MS * Math.log2(members + 1));
  const possible = Math.min(CONFIRMATIONS_MAX, able);
  if (possible === 0) return least;
  const share = Math.min(1, Math.log(confirmations + 1) / Math.log(possible + 1));
  return least * (UNCONFIRMED - (UNCONFIRMED - 1) * share);
}
