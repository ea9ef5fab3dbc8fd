// Gossip in and out: every message arrives here, is matched with the validated link it came over, and with the mesh it
// belongs to, and is then given to whoever decides. The rounds that go out by the clock (news, anti-entropy,
// path probes) are at the end. A message from a link that is not validated, or of another mesh, changes nothing.

import { shortId } from "../../crypto/identity.ts";
import { decodeGossip, gossipIndex, gossipVersion } from "../../wire/gossip.ts";
import { WANT_MAX } from "../../wire/gossip_body.ts";
import type { GossipBody, Piggyback } from "../../wire/gossip_body.ts";
import { PROTOCOL_VERSION } from "../../wire/hello.ts";
import type { Core } from "./core.ts";
import { compareDigest, differingBuckets, digestParts, prefixOf } from "../records/digest.ts";
import { FANOUT } from "../members/dissemination.ts";
import { pack, packDirectives } from "../records/packing.ts";
import { pushDirectives, takeDirective, takeOwnDirective } from "./forget_steps.ts";
import { beginSync, onConfig, onJoining, onSynced, otherMesh, tellConfig } from "./join_steps.ts";
import { askAcknowledgement, onClaimAck } from "./lease_steps.ts";
import type { Link } from "../links/link_table.ts";
import { takeSecret } from "./rotation_steps.ts";
import { answerTwin, reportClone, takeAnswer, takeProof } from "./clone_steps.ts";
import type { TwinBody } from "../links/session_clones.ts";
import { performMembership, takeRecord, takeStatement, TELL_STATE_MS, wantLink } from "./record_steps.ts";

const ANTI_ENTROPY_MS = 3000;
const INTRODUCE_MS = 500;
const SILENT_MS = 25_000;
const PUSH_MAX = 256;
/** How long a joiner that has all records waits for directives. */
const DIRECTIVES_MS = 2000;
const MESSAGES_PER_SECOND = 400;

/** Takes in a datagram of type 0x21, in a plain mesh. */
export function receiveGossip(core: Core, bytes: Uint8Array, from: string, now: number): void {
  const link = core.links.byIndex(gossipIndex(bytes));
  if (link === undefined || link.endpoint !== from) {
    core.links.poke(from, link !== undefined, now); // it believes in a link we do not have, or not there
    return core.tally.reject();
  }
  if (core.called.verified(from)) core.changed = true;
  takeGossip(core, link, bytes, from, now);
}

/** Takes in what is known to come from the peer of this link. */
export function takeGossip(core: Core, link: Link, bytes: Uint8Array, from: string, now: number): void {
  if (gossipVersion(bytes) !== PROTOCOL_VERSION) {
    if (core.schedule.due(`version ${from}`, 60_000, now)) {
      core.actions.log(
        "warning",
        `${from} gossips in version ${gossipVersion(bytes)}, we speak ${PROTOCOL_VERSION}`,
      );
    }
    return core.tally.reject();
  }
  if (core.isRevoked(link.id)) return core.tally.reject();
  if (!core.throttle.allows(`gossip ${link.id}`, MESSAGES_PER_SECOND, now)) return core.tally.reject();
  const gossip = decodeGossip(bytes);
  if (gossip === null) return core.tally.reject();
  link.lastHeardAt = now;
  const agreedBefore = core.agreed(link);
  link.mesh = gossip.mesh;
  if (gossip.mesh !== null) core.joiners.forget(link.id);
  else link.informed = false;
  if (gossip.body.kind === "sync") link.informed = gossip.body.informed;
  if (!agreedBefore && core.agreed(link)) onAgreed(core, link, now);
  dispatch(core, link, gossip.body, now);
}

/**
 * Takes in a datagram of type 0x20, of a sealed mesh. The sender is a member by its own word and the network's key
 * alone: only what anybody may say is heard, and an answer is no longer than the question.
 */
export function receiveGroupGossip(core: Core, bytes: Uint8Array, from: string, now: number): void {
  const opened = core.group?.open(bytes, (id) => memberIncarnation(core, id)) ?? null;
  const gossip = opened === null ? null : decodeGossip(opened.gossip);
  if (opened === null || gossip === null) return core.tally.reject();
  // It says who has signed it.
  if (gossip.body.kind === "twin") return takeProof(core, opened.sender, gossip.body, now);
  if (gossip.mesh === null || gossip.mesh !== core.meshHash) return core.tally.reject();
  const { sender } = opened;
  // Not the bucket of the sender's sessions: whoever has the secret says what he likes of who he is.
  if (!core.throttle.allows(`group ${sender}`, MESSAGES_PER_SECOND, now)) return core.tally.reject();
  core.onKeyUsed(opened.keyId);
  // An older secret may be in wrong hands: it lets nobody new in, not by a record, either, and nobody speaks of others by
  // it. Members tell all that over their sessions.
  const newest = opened.keyId === core.ring?.newest.keyId;
  const body = newest ? gossip.body : { ...gossip.body, records: [], directives: [], statements: [] };
  switch (body.kind) {
    case "ping":
      takePiggyback(core, body, null, now);
      return answerByGroup(core, body.seq, from);
    case "pong":
      takePiggyback(core, body, null, now);
      return performMembership(core, core.membership.onPong(sender, body.seq), now);
    case "push":
      takePiggyback(core, body, null, now);
      for (const raw of body.directives ?? []) takeOwnDirective(core, raw, from, now);
      return;
    default:
      return core.tally.reject();
  }
}

// Null for whoever is no member, or revoked: nothing is opened for them. Whom we have a session with has shown who it is,
// though we may never be told its record: it is a member that refuses us.
function memberIncarnation(core: Core, id: string): number | null {
  const record = core.store.get(id);
  if (record === undefined && core.links.isUp(id)) return 0;
  return record === undefined || record.gone || core.isRevoked(id) ? null : record.incarnation;
}

function answerByGroup(core: Core, seq: number, to: string): void {
  const bytes = core.groupMessage({ kind: "pong", seq });
  if (bytes !== null) core.actions.send(to, bytes);
}

function dispatch(core: Core, link: Link, body: GossipBody, now: number): void {
  if (body.kind === "joining") return onJoining(core, link, body.joiners, now);
  if (body.kind === "config") return onConfig(core, link, body.config, now);
  if (body.kind === "twin") return onTwin(core, link, body, now);
  if (core.mesh === null) return; // the configuration comes first; we ask for it with each sync
  if (link.mesh === null) {
    if (core.schedule.due(`config ${link.id}`, 100, now)) tellConfig(core, link);
    return;
  }
  if (!core.agreed(link)) return otherMesh(core, link, null, now);
  const member = core.membership.get(link.id);
  if (member !== undefined && member.state !== "alive") tellItself(core, link, now);
  perform(core, link, body, now);
}

// A member knows of another host with our identity; or one of two hosts that the link may be of knows of the other.
function onTwin(core: Core, link: Link, body: TwinBody, now: number): void {
  const { endpoint } = body;
  if (endpoint !== null) return answerTwin(core, link.id, { ...body, endpoint }, now);
  if (takeAnswer(core, link.id, body, now)) return;
  if (core.sealed !== null) {
    const record = core.store.get(link.id);
    const proved = core.sealed.twins.proved(link.id, body, now);
    if (proved && record !== undefined) reportClone(core, record, body.life, now);
  } else core.tally.reject();
}

function perform(core: Core, link: Link, body: GossipBody, now: number): void {
  switch (body.kind) {
    case "ping":
      takePiggyback(core, body, link.id, now);
      return performMembership(core, [{ kind: "pong", to: link.id, seq: body.seq }], now);
    case "pong":
      takePiggyback(core, body, link.id, now);
      return performMembership(core, core.membership.onPong(link.id, body.seq), now);
    case "ping-request":
      return performMembership(core, core.membership.onPingRequest(link.id, body.target, body.seq, now), now);
    case "push":
      takePiggyback(core, body, link.id, now);
      for (const raw of body.directives ?? []) takeDirective(core, raw, link.id, now);
      if (core.ended) return;
      checkSynced(core, link, now);
      if (body.ack) acknowledge(core, link);
      return;
    case "sync":
      return answerSync(core, link, body);
    case "digest":
      return onDigest(core, link, body, now);
    case "want":
      return push(core, link, idsOf(core, body.prefixes));
    case "claim-ack":
      return onClaimAck(core, link.id, body.incarnation, body.epoch);
    case "secret":
      return takeSecret(core, link, body, now);
  }
}

// A link turned out to be that of a member of our own mesh.
function onAgreed(core: Core, link: Link, now: number): void {
  core.changed = true;
  const record = core.store.get(link.id);
  if (record !== undefined) {
    performMembership(core, core.membership.onLink(link.id, record.incarnation, now), now);
  }
  beginSync(core, link, now);
  const dead = [...core.membership.all()].filter((m) => m.state !== "alive").slice(0, PUSH_MAX);
  const statements = dead.map((m) => core.membership.statement(m.id)).filter((s) => s !== null);
  for (const parcel of pack(core.recordItems([core.identity.id]), statements)) {
    core.say(link, { kind: "push", ack: false, ...parcel });
  }
  pushDirectives(core, link);
  if (core.lease.onProbation) askAcknowledgement(core);
}

// We hold it for suspect or dead, and it speaks: it must hear so, for only it can refute.
function tellItself(core: Core, link: Link, now: number): void {
  const about = core.membership.statement(link.id);
  if (about === null || !core.schedule.due(`state ${link.id}`, TELL_STATE_MS, now)) return;
  core.say(link, { kind: "push", ack: false, statements: [about] });
}

// `by`: whose link it came over; null: nobody's.
function takePiggyback(core: Core, body: Piggyback, by: string | null, now: number): void {
  for (const item of body.records ?? []) takeRecord(core, item, now);
  for (const statement of body.statements ?? []) takeStatement(core, statement, by, now);
}

// A claim that somebody contests is not acknowledged: who comes first should not use it before the other has let go,
// and who comes second hears of the first from us at once.
function acknowledge(core: Core, link: Link): void {
  const record = core.store.get(link.id);
  if (record === undefined) return;
  if (core.isForgotten(record)) return pushDirectives(core, link); // it has not heard so
  const rivals = core.holdings().lost
    .filter(({ claim, to }) => claim.nodeId === link.id || to.nodeId === link.id)
    .map(({ claim, to }) => (claim.nodeId === link.id ? to.nodeId : claim.nodeId))
    .filter((id) => id !== link.id);
  if (rivals.length > 0) return push(core, link, rivals.slice(0, 3));
  core.say(link, { kind: "claim-ack", incarnation: record.incarnation, epoch: record.epoch });
}

// ------------------------------------------------------------------------------------ synchronisation

function answerSync(core: Core, link: Link, asked: GossipBody & { kind: "sync" }): void {
  if (asked.directives !== core.directives.hash) pushDirectives(core, link);
  // Whoever is about to claim must not take our silence about our own claim for the whole truth.
  const hiding = !core.spoken && core.lease.claim !== null;
  if (!core.informed || (hiding && !asked.ready)) return;
  const buckets = differingBuckets(asked.hashes, core.store.bucketHashes(core.unspoken()));
  for (const part of digestParts(core.store, buckets, core.unspoken())) {
    core.say(link, { kind: "digest", round: asked.round, ...part, directives: core.directives.hash });
  }
}

function onDigest(core: Core, link: Link, body: GossipBody & { kind: "digest" }, now: number): void {
  const comparison = compareDigest(core.store, body, core.unspoken());
  core.sync.onPart(link.id, body.round, body, comparison);
  push(core, link, comparison.push.slice(0, PUSH_MAX));
  const prefixes = comparison.want.map((w) => w.prefix);
  for (let at = 0; at < prefixes.length; at += WANT_MAX) {
    core.say(link, { kind: "want", prefixes: prefixes.slice(at, at + WANT_MAX) });
  }
  checkSynced(core, link, now);
}

function checkSynced(core: Core, link: Link, now: number): void {
  if (core.sync.complete(link.id, core.store) && !awaitsDirectives(core, link, now)) {
    onSynced(core, link);
  }
}

// Whoever is about to claim must know what is forgotten. Ours may be more than theirs, so it is not waited for long; with
// each round until then we are told again.
function awaitsDirectives(core: Core, link: Link, now: number): boolean {
  const theirs = core.sync.directivesOf(link.id);
  if (core.ready || theirs === null || theirs === core.directives.hash) return false;
  core.directivesAwaited ??= now;
  return now - core.directivesAwaited < DIRECTIVES_MS;
}

// That a node was stopped is said with its record: a statement about a node that is not known would be lost.
function push(core: Core, link: Link, ids: Iterable<string>): void {
  const told = [...ids];
  const stopped = told.filter((id) => core.membership.get(id)?.stopped === true);
  const statements = stopped.map((id) => core.membership.statement(id)).filter((s) => s !== null);
  for (const parcel of pack(core.recordItems(told), statements)) {
    core.say(link, { kind: "push", ack: false, ...parcel });
  }
}

function idsOf(core: Core, prefixes: readonly string[]): string[] {
  const wanted = new Set(prefixes);
  const ids: string[] = [];
  for (const { id } of core.store.records()) if (wanted.has(prefixOf(id))) ids.push(id);
  return ids;
}

// ------------------------------------------------------------------------------------- by the clock

/** News to three random peers, when a round is due. */
export function spreadNews(core: Core, now: number): void {
  const links = core.agreedLinks();
  if (links.length === 0) return;
  const news = core.news.round(now);
  if (news.length === 0) return;
  const items = core.itemsOf(news);
  const parcels = pack(items.records, items.statements);
  const decided = news.filter((n) => n.kind === "directive").map((n) => core.directives.about(n.id));
  const told = packDirectives(decided.filter((d) => d !== undefined).map(({ raw }) => raw));
  for (let n = 0; n < FANOUT && links.length > 0; n++) {
    const link = links.splice(core.random.below(links.length), 1)[0]!;
    for (const parcel of parcels) core.say(link, { kind: "push", ack: false, ...parcel });
    for (const directives of told) core.say(link, { kind: "push", ack: false, directives });
  }
}

/** Path probes, links given up, and a synchronisation with somebody every few seconds. */
export function tickLinks(core: Core, now: number): void {
  for (const link of [...core.links.up()]) {
    const { probe, silent } = core.roundTrips.tick(link.id, link.sendIndex, now);
    if (probe !== null) core.links.send(link, probe);
    if (!silent || now - link.lastHeardAt < SILENT_MS) continue;
    if (core.store.get(link.id)?.gone !== true) {
      core.actions.log("info", `No answer from ${link.endpoint} any more`, { peer: shortId(link.id) });
    }
    core.links.down(link.id, now);
    core.roundTrips.forget(link.id);
    wantLink(core, link.id, now);
    core.changed = true;
  }
  introduce(core, now);
  for (const sentence of core.schedule.due("unsent", 1000, now) ? core.links.refusedHere() : []) {
    if (core.schedule.due(sentence, 60_000, now)) core.actions.log("warning", sentence);
  }
  if (!core.informed || !core.schedule.due("anti-entropy", ANTI_ENTROPY_MS, now)) return;
  const links = core.agreedLinks();
  if (links.length > 0) beginSync(core, links[core.random.below(links.length)]!, now);
}

// A link whose peer has not named a mesh since it came up (it was joining, or its words were lost): ask until it does.
function introduce(core: Core, now: number): void {
  if (core.mesh === null) return;
  for (const link of core.links.up()) {
    if (typeof link.mesh !== "string" && core.schedule.due(`introduce ${link.id}`, INTRODUCE_MS, now)) {
      beginSync(core, link, now);
    }
  }
}
