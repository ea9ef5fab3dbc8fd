/**
 * How knowledge spreads: news to three random peers, and, with one of them every few seconds for what was lost on the way,
 * a synchronisation: two nodes compare what they know by hashes and digests, and tell each other what the other lacks. A
 * node that joins is a member once one round with a member is complete.
 */

import { shortId } from "../../crypto/identity.ts";
import { type GossipBody, WANT_MAX } from "../../wire/gossip_body.ts";
import type { Link } from "../links/link_table.ts";
import { FANOUT } from "../members/dissemination.ts";
import { compareDigest, differingBuckets, digestParts, idPrefix } from "../records/digest.ts";
import { pack, packDirectives } from "../records/packing.ts";
import type { Core } from "./core.ts";
import { pushDirectives } from "./forget_steps.ts";

const ANTI_ENTROPY_MS = 3000;
const PUSH_MAX = 256;
/** How long a joiner that has all records waits for directives. */
const DIRECTIVES_MS = 2000;

/** Asks a peer what it knows that we do not. */
export function beginSync(
  { sync, store, directives, life, messages, voice }: Core,
  link: Link,
  now: number,
): void {
  const round = sync.begin(link.id, now);
  if (round === null) return;
  const hashes = store.bucketHashes(messages.unspoken());
  const state = { informed: life.member, ready: life.mayClaim };
  voice.say(link, { kind: "sync", round, hashes, ...state, directives: directives.hash });
}

/** A peer asks what we know that it does not. */
export function answerSync(core: Core, link: Link, asked: GossipBody & { kind: "sync" }): void {
  const { store, directives, life, lease } = core;
  if (asked.directives !== directives.hash) pushDirectives(core, link);
  // A node about to claim must not take our silence about our own claim for the whole truth.
  const hiding = !life.mayTell && lease.claim !== null;
  if (!life.member || (hiding && !asked.ready)) return;
  const unspoken = core.messages.unspoken();
  const buckets = differingBuckets(asked.hashes, store.bucketHashes(unspoken));
  for (const part of digestParts(store, buckets, unspoken)) {
    core.voice.say(link, { kind: "digest", round: asked.round, ...part, directives: directives.hash });
  }
}

/** Part of what a peer knows: it is told what it lacks, and asked for what we lack. */
export function onDigest(core: Core, link: Link, body: GossipBody & { kind: "digest" }, now: number): void {
  const comparison = compareDigest(core.store, body, core.messages.unspoken());
  core.sync.onPart(link.id, body.round, body, comparison);
  pushRecords(core, link, comparison.push.slice(0, PUSH_MAX));
  const prefixes = comparison.want.map((w) => w.prefix);
  for (let at = 0; at < prefixes.length; at += WANT_MAX) {
    core.voice.say(link, { kind: "want", prefixes: prefixes.slice(at, at + WANT_MAX) });
  }
  checkSynced(core, link, now);
}

/** A peer asks for the records whose ids begin so. */
export function onWant(core: Core, link: Link, prefixes: readonly string[]): void {
  const wanted = new Set(prefixes);
  const ids: string[] = [];
  for (const { id } of core.store.records()) if (wanted.has(idPrefix(id))) ids.push(id);
  pushRecords(core, link, ids);
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

/** Looks whether a round with this peer is complete by now. */
export function checkSynced(core: Core, link: Link, now: number): void {
  if (core.sync.complete(link.id, core.store) && !awaitsDirectives(core, link, now)) onSynced(core, link);
}

// A node that is about to claim must know what is forgotten. Ours may be more than theirs, so it is not waited for long; with
// each round until then we are told again.
function awaitsDirectives({ life, sync, directives }: Core, link: Link, now: number): boolean {
  const theirs = sync.directivesOf(link.id);
  if (life.mayClaim || theirs === null || theirs === directives.hash) return false;
  return life.awaitsDirectives(DIRECTIVES_MS, now);
}

function onSynced(core: Core, link: Link): void {
  const { life } = core;
  if (!life.mayClaim) tellSynced(core, link);
  if (life.member) core.ownState.speak();
  else {
    life.synchronised();
    core.ownState.rewrite("epoch");
  }
  core.sync.forget(link.id);
}

function tellSynced({ store, identity, actions }: Core, link: Link): void {
  const name = store.nameOf(link.id);
  const known = [...store.records()].filter((r) => !r.gone && r.id !== identity.id).length;
  const nodes = known === 1 ? "1 other node" : `${known} other nodes`;
  actions.log("info", `Synchronised with ${name}: ${nodes} known`, { peer: shortId(link.id) });
}

/** News to three random peers, when a round is due. */
export function spreadNews({ agreed, news, messages, directives, random, voice }: Core, now: number): void {
  if (!news.isDue(now)) return;
  const links = agreed.all();
  if (links.length === 0) return;
  const round = news.round(now);
  const items = messages.itemsOf(round);
  const parcels = pack(items.records, items.statements);
  const decided = round.filter((n) => n.kind === "directive").map((n) => directives.about(n.id));
  const told = packDirectives(decided.filter((d) => d !== undefined).map(({ raw }) => raw));
  for (let n = 0; n < FANOUT && links.length > 0; n++) {
    const link = links.splice(random.below(links.length), 1)[0]!;
    for (const parcel of parcels) voice.say(link, { kind: "push", ack: false, ...parcel });
    for (const directives of told) voice.say(link, { kind: "push", ack: false, directives });
  }
}

/** A synchronisation with one random member (anti-entropy), when it is due. */
export function tickSync(core: Core, now: number): void {
  if (!core.life.member || !core.schedule.due("anti-entropy", ANTI_ENTROPY_MS, now)) return;
  const links = core.agreed.all();
  if (links.length > 0) beginSync(core, links[core.random.below(links.length)]!, now);
}
