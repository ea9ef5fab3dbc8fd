/**
 * A mesh has places for so many nodes (records/store.ts). A member that has none left for a node says so, to a joiner before it
 * could claim anything; who is refused tells its user what to do about it, and confirms no claim meanwhile (lease/lease.ts).
 * Before it comes to that, from nine tenths on, every member warns.
 */

import { shortId } from "../../crypto/identity.ts";
import type { Link } from "../links/link_table.ts";
import { LOG_EVERY_MS } from "../links/refusals.ts";
import type { Core } from "./core.ts";

const LOOK_EVERY_MS = 5000;
const HOLDS_MS = 15_000;
const LOG_AGAIN_MS = 3_600_000;
const WARN_FROM = 0.9;
const TELL_FULL_MS = 200;
const REMEDY =
  "ovltun forget NODE for hosts that are gone (see: ovltun peers), or ovltun down --purge on one";

/** We have no place for the node of this link. */
export function tellFull(core: Core, link: Link, now: number): void {
  const { capacity } = core.store;
  if (core.schedule.due(`full ${link.id}`, TELL_FULL_MS, now)) {
    core.voice.say(link, { kind: "full", capacity });
  }
  if (!core.schedule.due(`refuse full ${link.id}`, LOG_EVERY_MS, now)) return;
  core.actions.log(
    "warning",
    `Refused ${link.endpoint}: the mesh has all of its ${capacity} nodes; ${REMEDY}`,
    {
      peer: shortId(link.id),
      from: link.endpoint,
    },
  );
}

/** A member has no place for us. */
export function onFull(core: Core, link: Link, capacity: number, now: number): void {
  core.lease.onRefused(link.id);
  const why = `its mesh is full: it has all of its ${capacity} nodes (there: ${REMEDY})`;
  const target = link.endpoint === null ? undefined : core.links.targets.get(link.endpoint);
  if (target !== undefined) target.outcome = { kind: "refused", why };
  const sentence = `${link.endpoint} has no place for this node: ${why}`;
  core.warnings.set(`full ${link.id}`, sentence, now + HOLDS_MS);
  if (!core.schedule.due(`refused full ${link.id}`, LOG_EVERY_MS, now)) return;
  core.actions.log("warning", sentence, { peer: shortId(link.id), from: link.endpoint });
}

/** Warns of a mesh that has few places left, or none. */
export function tellFullness(core: Core, now: number): void {
  if (!core.schedule.due("fullness", LOOK_EVERY_MS, now)) return;
  const { capacity, size } = core.store;
  if (size < WARN_FROM * capacity) return;
  let dead = 0;
  for (const { state } of core.membership.all()) if (state === "dead") dead++;
  const left = size >= capacity ? "no place for another" : `${capacity - size} places left`;
  const sentence =
    `The mesh has ${left}: it has ${size} of the ${capacity} nodes that it can have, ${dead} of them dead; ` +
    REMEDY;
  core.warnings.set("fullness", sentence, now + 2 * LOOK_EVERY_MS);
  if (core.schedule.due("log fullness", LOG_AGAIN_MS, now)) core.actions.log("warning", sentence);
}
