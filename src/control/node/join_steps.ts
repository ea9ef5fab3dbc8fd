/**
 * A node on its way into a mesh, by the clock: joiners tell one another of one another until a member is heard of or one of
 * them founds; a member whose record is still kept back waits for those who may know a later one.
 */

import type { JoinerEntry } from "../../wire/gossip_body.ts";
import type { Link } from "../links/link_table.ts";
import type { Links } from "../links/links.ts";
import type { Life } from "../mesh/life.ts";
import { packJoiners } from "../records/packing.ts";
import { tellConfig } from "./config_steps.ts";
import type { Core } from "./core.ts";
import { found } from "./start_steps.ts";
import { beginSync } from "./sync_steps.ts";

const TELL_JOINERS_MS = 200;
const SPEAK_ALONE_MS = 2000;
const SPEAK_ANYWAY_MS = 4000;
const UNLEARN_MS = 4000;
const CONFIG_EVERY_MS = 100;

/** What joining, or being new, asks for from time to time. */
export function tickJoining(core: Core, now: number): void {
  if (core.life.mesh === null) {
    if (core.schedule.due("joiners", TELL_JOINERS_MS, now)) tellJoiners(core, now);
    if (core.joiners.shouldFound(allHeard(core, now), now) && !memberHeard(core.links)) {
      found(core, `smallest id of ${core.joiners.size + 1} joiners`);
    }
  }
  if (!core.life.mayTell) {
    for (const link of core.links.up()) if (mayInform(core.life, link)) beginSync(core, link, now);
  }
  if (maySpeakAlone(core, now)) core.ownState.speak();
  const { learnedAt } = core.life;
  if (learnedAt !== null && now - learnedAt >= UNLEARN_MS) unlearn(core, now);
}

// Who has a stored lease keeps it to itself until a member has told what it knows of us: it may be of a later life than
// this disk. So we wait for those who can tell. Links to others (joiners, who in turn wait for us) delay nothing, and
// no peer delays us for ever.
function maySpeakAlone(core: Core, now: number): boolean {
  const waited = now - core.startedAt;
  if (!core.life.mayClaim || core.life.mayTell || waited < SPEAK_ALONE_MS) return false;
  return waited >= SPEAK_ANYWAY_MS || !core.agreed.all().some((link) => mayInform(core.life, link));
}

// The node that told us the configuration is gone, and no node here knows more than we do: then we are joiners again,
// who may found, with this configuration.
function unlearn(core: Core, now: number): void {
  for (const link of core.links.up()) {
    if (mayInform(core.life, link) && now - link.lastHeardAt < UNLEARN_MS) return;
  }
  core.actions.log("info", "The member that sent the mesh configuration is gone; joining again");
  core.life.unlearn();
  core.changed = true;
}

// Also who has learned a configuration and nothing else: it knows of a member.
function memberHeard(links: Links): boolean {
  for (const link of links.up()) if (link.member || typeof link.mesh === "string") return true;
  return false;
}

// By its gossip or, before that, by its hello a member who can answer a sync.
function mayInform({ meshHash }: Life, link: Link): boolean {
  if (meshHash !== null && typeof link.mesh === "string" && link.mesh !== meshHash) return false;
  return link.informed ?? (link.member || typeof link.mesh === "string");
}

// Whether every `--peers` entry has answered on one of its endpoints, no caller is unanswered, and everybody
// we have a link with has said who it is.
function allHeard({ links, joiners, seeds }: Core, now: number): boolean {
  for (const link of links.up()) if (!joiners.has(link.id)) return false;
  return !links.halfOpen(now) &&
    seeds.every((seed) => seed.endpoints.some((e) => links.targets.get(e)?.answeredBy));
}

function tellJoiners(core: Core, now: number): void {
  const entries = core.joiners.entries(allHeard(core, now), now);
  for (const joiners of packJoiners(entries)) {
    for (const link of core.links.up()) core.voice.say(link, { kind: "joining", joiners });
  }
}

/** A joiner told us whom it has heard of. */
export function onJoining(core: Core, link: Link, joiners: readonly JoinerEntry[], now: number): void {
  if (core.life.mesh !== null) {
    if (core.schedule.due(`config ${link.id}`, CONFIG_EVERY_MS, now)) tellConfig(core, link);
    return;
  }
  if (core.joiners.merge(joiners, now, link.id)) tellJoiners(core, now);
}
