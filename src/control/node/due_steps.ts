/**
 * When the next tick is to come. At rest that is when something is due: a probe, a handshake, news; a node of a mesh at rest then
 * works once a second. What joins or waits for others ticks ten times a second, so that what follows from it need not say when;
 * a member that has just seen something change does four times: while a mesh forms, it does all the time. Every deadline that is
 * shorter than REST_MS is either asked for here or falls under `isBusy`; longer ones (rounds, sweeps, warnings) go with the ticks
 * that come.
 */

import type { Core } from "./core.ts";

/** From one tick to the next at the soonest, … */
const TICK_MS = 100;
/** … and at the latest. */
const REST_MS = 1000;
/** How long after a change it ticks more often than at rest, … */
const STIRRED_MS = 3000;
/** … from one tick to the next at the latest: as often as host and data plane follow in a storm of changes. */
const STIRRED_TICK_MS = 250;

export function nextTickAt(core: Core): number {
  const last = core.tickedAt ?? core.startedAt;
  if (isBusy(core)) return last + TICK_MS;
  const stirred = core.changed || last - core.stirredAt < STIRRED_MS;
  const { links, membership, roundTrips, ways, news } = core;
  const due = Math.min(links.dueAt, membership.dueAt, roundTrips.dueAt, ways.dueAt, news.dueAt);
  return Math.max(last + TICK_MS, Math.min(last + (stirred ? STIRRED_TICK_MS : REST_MS), due));
}

/**
 * To be called after each event: it may have brought the next tick nearer, or put it off. One that it brought nearer could not come
 * before the event itself: how late it is then says something of this host (members/health.ts).
 */
export function expectTick(core: Core, now: number): void {
  const before = core.tickDueAt;
  const due = nextTickAt(core);
  core.tickDueAt = before === null || due >= before ? due : Math.max(due, Math.min(before, now));
}

/** Whether it joins, or waits for others. */
function isBusy({ life, lease, ring, sync, calling, releasing }: Core): boolean {
  if (!life.member || !life.mayTell || releasing !== null) return true;
  if (lease.state !== "confirmed" && lease.state !== "exhausted") return true;
  return sync.fetches || calling.size > 0 || (ring !== null && ring.used !== ring.newest);
}
