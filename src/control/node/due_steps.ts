/**
 * When the next tick is to come. At rest that is when something is due: a probe, a handshake, news; a node of a mesh at rest then
 * works once a second. What joins, waits for others, or has just seen something change ticks ten times a second, so that what
 * follows from it need not say when. Every deadline that is shorter than REST_MS is either asked for here or falls under
 * `isStirred`; longer ones (rounds, sweeps, warnings) go with the ticks that come.
 */

import type { Core } from "./core.ts";

/** From one tick to the next at the soonest, … */
const TICK_MS = 100;
/** … and at the latest. */
const REST_MS = 1000;
/** How long after a change it ticks as often as it may. */
const STIRRED_MS = 3000;

export function nextTickAt(core: Core): number {
  const last = core.tickedAt ?? core.startedAt;
  if (isStirred(core, last)) return last + TICK_MS;
  const { links, membership, roundTrips, ways, news } = core;
  const due = Math.min(links.dueAt, membership.dueAt, roundTrips.dueAt, ways.dueAt, news.dueAt);
  return Math.max(last + TICK_MS, Math.min(last + REST_MS, due));
}

function isStirred(core: Core, last: number): boolean {
  const { life, lease, ring, sync, calling } = core;
  if (!life.member || !life.mayTell || core.releasing !== null) return true;
  if (lease.state !== "confirmed" && lease.state !== "exhausted") return true;
  if (core.changed || last - core.stirredAt < STIRRED_MS) return true;
  return sync.fetches || calling.size > 0 || (ring !== null && ring.used !== ring.newest);
}
