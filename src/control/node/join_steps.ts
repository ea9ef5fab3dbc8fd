/**
 * A node on its way into a mesh, by the clock: joiners tell one another of one another until one of them founds, or a member
 * tells the configuration of the mesh; a member whose record is still kept back waits for those who may know a later one.
 */

import type { JoinerWord } from "../../wire/gossip_body.ts";
import type { Link } from "../links/link_table.ts";
import type { Links } from "../links/links.ts";
import type { Life } from "../mesh/life.ts";
import type { Core } from "./core.ts";
import { found } from "./start_steps.ts";
import { beginSync } from "./sync_steps.ts";
import { tellConfig } from "./voice.ts";
import { shortId } from "../../crypto/identity.ts";
import { contradiction, meshDifference, noPathAllowed, publicNetwork, readMesh } from "../mesh/mesh.ts";
import { type MeshConfig, networksOf } from "../mesh/mesh_config.ts";

const SPEAK_ALONE_MS = 2000;
const SPEAK_ANYWAY_MS = 4000;
const UNLEARN_MS = 4000;
const CONFIG_EVERY_MS = 100;
/** Members that a node without the mesh's records asks for them, and how often others. */
const ASKED = 3;
const ASK_AGAIN_MS = 400;

/** What joining, or being new, asks for from time to time. */
export function tickJoining(core: Core, now: number): void {
  if (core.life.mesh === null) {
    core.joiners.complete = allHeard(core, now);
    const wave = core.joiners.tick(now);
    for (const link of core.links.up()) {
      if (wave || core.joiners.misses(link.id, now)) tellJoiner(core, link, now);
    }
    if (core.joiners.shouldFound(now) && !memberHeard(core.links)) {
      found(core, `smallest id of ${core.joiners.size + 1} joiners`);
    }
  }
  if (!core.life.mayTell) {
    askForRecords(core, now);
  }
  if (maySpeakAlone(core, now)) core.ownState.speak();
  const { learnedAt } = core.life;
  if (learnedAt !== null && now - learnedAt >= UNLEARN_MS) unlearn(core, now);
}

// One member tells all there is; a few are asked, for an answer may be lost or long in coming.
function askForRecords(core: Core, now: number): void {
  const able = [...core.links.up()].filter((link) => mayInform(core.life, link));
  const asked = able.length <= ASKED || core.schedule.due("records", ASK_AGAIN_MS, now) ? ASKED : 0;
  for (let n = 0; n < asked && able.length > 0; n++) {
    beginSync(core, able.splice(core.random.below(able.length), 1)[0]!, now);
  }
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

/** Tells a peer what we know of joiners. */
export function tellJoiner({ joiners, voice }: Core, link: Link, now: number): void {
  voice.say(link, { kind: "joining", ...joiners.wordTo(link.id, now) });
}

/** A joiner told us what it knows of joiners. */
export function onJoining(core: Core, link: Link, word: JoinerWord, now: number): void {
  if (core.life.mesh !== null) {
    if (core.schedule.due(`config ${link.id}`, CONFIG_EVERY_MS, now)) tellConfig(core, link);
    return;
  }
  const listeners = core.joiners.hear(link.id, word, now);
  if (listeners === "all") { for (const other of core.links.up()) tellJoiner(core, other, now); }
  const one = listeners === "speaker" ? link : core.links.get(core.joiners.way ?? "");
  if ((listeners === "speaker" || listeners === "way") && one !== undefined) tellJoiner(core, one, now);
}

// ----------------------------------------------------------------------------------------------------
// The configuration of the mesh between nodes: a member tells it to a node that has none, a joiner takes it, and two that have
// different ones say so and do not mix.

const REFUSED_CONFIG_EVERY_MS = 5000;
const LOG_EVERY_MS = 60_000;

/** A member told us the configuration of its mesh. */
export function onConfig(core: Core, link: Link, text: string, now: number): void {
  const mesh = parseConfig(text);
  if (mesh === null) return;
  if (core.life.mesh !== null) return otherMesh(core, link, mesh, now);
  const problem = contradiction(core.settings, mesh);
  if (problem !== null) return core.refuse(problem);
  const noPath = noPathAllowed(core.settings, mesh);
  if (noPath !== null) {
    return core.refuse(`${noPath} (start with it, like every node of this mesh)`);
  }
  core.life.learn(mesh, now);
  core.enterMesh(mesh);
  link.informed = true; // only who is tells
  core.actions.log("info", `Learned the mesh from ${link.endpoint}: ${networksOf(mesh).join(" and ")}`, {
    network: mesh.network.text,
  });
  core.warnOf(publicNetwork(mesh), "public network");
  core.sync.forget(link.id); // the round that was answered with this is of no use
  beginSync(core, link, now);
}

/** Our mesh and the peer's are not the same: both say so, and neither listens to the other. */
export function otherMesh(core: Core, link: Link, theirs: MeshConfig | null, now: number): void {
  if (core.schedule.due(`config ${link.id}`, REFUSED_CONFIG_EVERY_MS, now)) tellConfig(core, link);
  const ours = core.life.mesh;
  if (theirs === null || ours === null) return;
  const difference = meshDifference(ours, theirs);
  if (difference === "") return;
  const alone = core.store.size <= 1;
  const remedy = alone
    ? "This node is alone in its mesh: run ovltun down --purge here, then start it with that host in --peers"
    : "Run ovltun down --purge on one of the two, then start it with the other in --peers";
  const message =
    `${link.endpoint} belongs to a different mesh of the same name: ${difference}. The two cannot merge. ` +
    `${remedy}`;
  core.warnings.set(`mesh ${link.id}`, message);
  if (core.schedule.due(`other mesh ${link.id}`, LOG_EVERY_MS, now)) {
    core.actions.log("error", message, { peer: shortId(link.id), from: link.endpoint });
  }
}

function parseConfig(text: string): MeshConfig | null {
  try {
    return readMesh(JSON.parse(text));
  } catch {
    return null;
  }
}
