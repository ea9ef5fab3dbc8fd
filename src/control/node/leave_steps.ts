/**
 * How a node goes: with its lease given back (`down --purge`), which ends when a member has heard it or when it has waited
 * long enough; or by its own word that it stops (`down`), with the lease kept.
 */

import type { Core, Releasing } from "./core.ts";
import { askAcknowledgement, performLease } from "./lease_steps.ts";

const RELEASE_MS = 1500;
const RELEASE_AGAIN_MS = 200;

/** Gives the lease back; `meetMs`: for how long a member is looked for first. */
export function release(core: Core, meetMs: number, now: number): void {
  if (core.releasing !== null) return;
  core.releasing = { since: now, meetUntil: now + meetMs };
  if (!core.life.member) return;
  core.own.gone = true;
  core.own.left = core.store.greatestStamp;
  core.life.speak();
  performLease(core, core.lease.release());
}

/** Goes on with it until it is over. */
export function continueRelease(core: Core, releasing: Releasing, now: number): void {
  const { lease, membership, agreed, own } = core;
  const others = membership.living().filter((m) => agreed.get(m.id) !== null);
  const heard = others.some((m) => lease.hasAck(m.id));
  if (others.length === 0 && now < releasing.meetUntil) {
    releasing.since = now;
    return;
  }
  if (heard || others.length === 0 || now - releasing.since >= RELEASE_MS) {
    core.life.end();
    core.actions.push({ kind: "released", heard: own.gone && heard });
  } else if (core.schedule.due("release", RELEASE_AGAIN_MS, now)) askAcknowledgement(core);
}

/** Says that we are dead by our own word: no node waits for the suspicion to run out. */
export function leave(core: Core): void {
  const { identity, own, agreed, membership, messages, voice } = core;
  const statement = { id: identity.id, incarnation: own.incarnation, state: 2, stopped: true } as const;
  const records = messages.records([identity.id]);
  const goodbye = { kind: "push", ack: false, records, statements: [statement] } as const;
  for (const link of agreed.all()) voice.say(link, goodbye);
  for (const { id } of membership.living()) if (agreed.get(id) === null) voice.sayTo(id, goodbye);
  if (core.life.member) core.ownState.persist();
  core.life.end();
}
