/**
 * How knowledge spreads: news to three random peers, and, with one of them every few seconds for what was lost on the way,
 * a synchronisation: two nodes compare what they know by hashes and digests, and tell each other what the other lacks. A
 * node that joins is a member once one round with a member is complete.
 */

import { shortId } from "../../crypto/identity.ts";
import { equalBytes } from "../../wire/bytes.ts";
import { type GossipBody, TABLE_RECORDS } from "../../wire/gossip_body.ts";
import type { Link } from "../links/link_table.ts";
import { FANOUT, ROUND_BYTES, ROUND_BYTES_LATE } from "../members/dissemination.ts";
import { answerExpand, answerList, answerRoots } from "../records/digest.ts";
import { pack, packDirectives } from "../records/packing.ts";
import type { Core } from "./core.ts";
import { countMembers, wantAll } from "./demand_steps.ts";
import { pushDirectives } from "./forget_steps.ts";
import { tellFull } from "./full_steps.ts";
import { tellConfig } from "./voice.ts";

const ANTI_ENTROPY_MS = 3000;
/** The same while there is much news. */
const MUCH_NEWS_MS = 1000;
/** A host that is late itself, as members/health.ts finds: most are as it is, and take in less. */
const LATE_CAUTION = 2;
/** Synchronisations with the peers of new links: the first few at once, then so many a second. */
const MEETINGS_AT_ONCE = 8;
const MEETINGS_PER_SECOND = 2;
/** Of the dead so many are told in an answer to a node that holds others for dead, the first of them the latest. */
const LATEST_DEAD = 16;
const TOLD_DEAD = 24;
/** The number of a ping that is no probe. */
export const INTRODUCTION = 0;

/** Asks a peer what it knows that we do not. */
export function beginSync({ sync, life, voice, membership }: Core, link: Link, now: number): void {
  const begun = sync.begin(link.id, now);
  if (begun === null) return;
  voice.say(link, {
    kind: "sync",
    ...begun,
    informed: life.member,
    ready: life.mayClaim,
    dead: membership.deadHash(),
  });
}

/**
 * Whether a new link is one over which the two nodes compare what they know. When links with all come up at once, in a mesh
 * that is founded or has healed, one peer tells as much as a hundred, and what differs afterwards anti-entropy finds.
 */
export function mayCompare({ throttle }: Core, now: number): boolean {
  return throttle.allows("new links", MEETINGS_PER_SECOND, now, MEETINGS_AT_ONCE);
}

/** Says which mesh we are of, and makes the peer say so. */
export function introduce({ voice }: Core, link: Link): void {
  voice.say(link, { kind: "ping", seq: INTRODUCTION });
}

/** A peer asks what we know that it does not. */
export function answerSync(core: Core, link: Link, asked: GossipBody & { kind: "sync" }, now: number): void {
  const { store, life, lease } = core;
  // A node about to claim must not take our silence about our own claim for the whole truth.
  const hiding = !life.mayTell && lease.claim !== null;
  if (!life.member || (hiding && !asked.ready)) return;
  if (!store.hasRoomFor(link.id)) {
    tellFull(core, link, now);
    if (!asked.informed) return; // it would claim what nobody could know
  }
  for (const answer of answerRoots(core.trees, asked)) core.voice.say(link, answer);
  if (asked.informed && !equalBytes(asked.dead, core.membership.deadHash())) tellDead(core, link);
}

// A rumour of a death may have missed the peer: records do not say who lives. The latest, for those it missed most likely,
// and some of the others.
function tellDead({ membership, random, voice }: Core, link: Link): void {
  const dead = [...membership.dead].reverse();
  const told = dead.splice(0, LATEST_DEAD);
  while (told.length < TOLD_DEAD && dead.length > 0) {
    told.push(...dead.splice(random.below(dead.length), 1));
  }
  const statements = told.map(({ id }) => membership.statement(id)).filter((s) => s !== null);
  for (const parcel of pack([], statements)) voice.say(link, { kind: "push", ack: false, ...parcel });
}

/** A peer asks on: for the leaves of a group, for entries of leaves, for records or directives. */
export function answerQuestion(
  core: Core,
  link: Link,
  asked: GossipBody & { kind: "expand" | "list" | "want" },
): void {
  if (!core.life.member) return;
  if (asked.kind === "expand") return core.voice.say(link, answerExpand(core.trees, asked));
  if (asked.kind === "list") return core.voice.say(link, answerList(core.trees, asked));
  const { table, prefixes } = asked;
  const ids = [...new Set(prefixes)].flatMap((prefix) => core.trees[table]!.idsOf(prefix));
  if (table === TABLE_RECORDS) pushRecords(core, link, ids);
  else pushDirectives(core, link, ids);
}

/** Part of what a peer knows: it is told what it lacks, and asked for what we lack. */
export function onSyncAnswer(
  core: Core,
  link: Link,
  body: GossipBody & { kind: "same" | "tree" | "digest" },
  now: number,
): void {
  const { sync } = core;
  if (body.kind === "same") sync.onSame(link.id, body);
  else {
    const next = body.kind === "tree" ? sync.onTree(link.id, body, now) : sync.onDigest(link.id, body, now);
    for (const words of next.say) core.voice.say(link, words);
    const [records, directives] = next.push;
    pushRecords(core, link, records ?? []);
    pushDirectives(core, link, directives ?? []);
  }
  checkSynced(core, link, now);
}

/** Pushes records. That a node was stopped is said with its record: a statement about one not known would be lost. */
export function pushRecords(
  { membership, messages, voice }: Core,
  link: Link,
  ids: readonly string[],
): void {
  const stopped = ids.filter((id) => membership.get(id)?.stopped === true);
  const statements = stopped.map((id) => membership.statement(id)).filter((s) => s !== null);
  for (const parcel of pack(messages.records(ids), statements)) {
    voice.say(link, { kind: "push", ack: false, ...parcel });
  }
}

/** Goes on with the round with this peer, which may be complete by now. */
export function checkSynced(core: Core, link: Link, now: number): void {
  for (const words of core.sync.next(link.id, now)) core.voice.say(link, words);
  if (core.sync.complete(link.id)) onSynced(core, link);
}

function onSynced(core: Core, link: Link): void {
  const { life } = core;
  if (!life.mayClaim) tellSynced(core, link);
  if (life.member) core.ownState.speak();
  else {
    life.synchronised();
    countMembers(core, core.now);
    wantAll(core, core.now);
    core.ownState.rewrite("epoch");
    // Those who wait as we did: the mesh is theirs, too.
    for (const other of core.links.up()) if (typeof other.mesh !== "string") tellConfig(core, other);
  }
  core.sync.forget(link.id);
}

function tellSynced({ store, identity, actions }: Core, link: Link): void {
  const name = store.nameOf(link.id);
  const known = store.size - (store.get(identity.id) === undefined ? 0 : 1);
  const nodes = known === 1 ? "1 other node" : `${known} other nodes`;
  actions.log("info", `Synchronised with ${name}: ${nodes} known`, { peer: shortId(link.id) });
}

/** News to three random peers, when a round is due. */
export function spreadNews(core: Core, now: number): void {
  const { agreed, news, messages, directives, random, voice } = core;
  if (!news.isDue(now)) return;
  const links = agreed.all();
  if (links.length === 0) return;
  const round = news.round(now, isLate(core) ? ROUND_BYTES_LATE : ROUND_BYTES);
  const items = messages.itemsOf(round);
  const parcels = pack(items.records, items.statements);
  const decided = round.filter((n) => n.kind === "directive").map((n) => directives.get(n.id));
  const told = packDirectives(decided.filter((d) => d !== undefined).map(({ raw }) => raw));
  const to: Link[] = [];
  while (to.length < FANOUT && links.length > 0) to.push(...links.splice(random.below(links.length), 1));
  for (const parcel of parcels) voice.sayAll(to, { kind: "push", ack: false, ...parcel });
  for (const directives of told) voice.sayAll(to, { kind: "push", ack: false, directives });
}

function isLate({ membership }: Core): boolean {
  return membership.health.caution > LATE_CAUTION;
}

/** Asks again for what was lost; and a synchronisation with one random member (anti-entropy), when it is due. */
export function tickSync(core: Core, now: number): void {
  for (const { peer, say } of core.sync.tick(now, core.membership.health.caution)) {
    const link = core.links.get(peer);
    if (link !== undefined) { for (const words of say) core.voice.say(link, words); }
  }
  const everyMs = core.news.overflows && !isLate(core) ? MUCH_NEWS_MS : ANTI_ENTROPY_MS;
  if (!core.life.member || !core.schedule.due("anti-entropy", everyMs, now)) return;
  const links = core.agreed.all();
  if (links.length > 0) beginSync(core, links[core.random.below(links.length)]!, now);
}
