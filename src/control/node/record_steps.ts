/**
 * Records and statements on their way in and our own on its way out. A record is verified once, when it is about to be
 * inserted. One that bears our own id and is not ours is a later life of ourselves (this disk was restored from a
 * backup): we catch up with it; or, when it answers what we did since, another host that runs with our identity now.
 */

import { shortId } from "../../crypto/identity.ts";
import { type Piggyback, type RecordItem, type Statement, TABLE_RECORDS } from "../../wire/gossip_body.ts";
import { endAsClone, reportClone } from "./clone_steps.ts";
import type { Core } from "./core.ts";
import { obeyOwn } from "./forget_steps.ts";
import { performLease } from "./lease_steps.ts";
import { noteInside } from "./inside_steps.ts";
import type { MembershipAction } from "../members/member.ts";
import { fill } from "../records/packing.ts";
import { type NodeRecord, translatedOf } from "../records/record.ts";
import { compareRecords, compareVersions } from "../records/store.ts";
import { type Prefix, samePrefix } from "../../wire/prefix.ts";

/** How often one node is told what others say of it. */
export const TELL_STATE_MS = 500;

const REFUTE_MS = 200;
/** Nodes of the mesh that a joiner calls before it has all records: whom else it may ask for them. */
const EARLY_LINKS = 8;
/** Who says what comes under the network's key. */
const NOBODY = "";

/** Takes in a record that a peer pushed. */
function takeRecord(core: Core, item: RecordItem, by: string | null, now: number): void {
  const decoded = core.reader.decode(item.raw);
  if (decoded === null || decoded.networkId !== core.networkId) return;
  const own = decoded.id === core.identity.id;
  if (!own && core.directives.isForgotten(decoded)) return core.sync.learned(TABLE_RECORDS, decoded.id, true);
  const known = core.store.get(decoded.id);
  if (by !== null && known !== undefined && compareRecords(decoded, known) === 0) {
    core.news.heard({ kind: "record", id: decoded.id }, by);
  }
  takeVersion(core, decoded, item, now);
  core.sync.learned(TABLE_RECORDS, decoded.id, own || core.store.get(decoded.id) === undefined);
}

function takeVersion(core: Core, decoded: NodeRecord, item: RecordItem, now: number): void {
  const known = core.store.get(decoded.id);
  const own = decoded.id === core.identity.id;
  if (known !== undefined) {
    const order = compareRecords(decoded, known);
    if (order === 0 || (order < 0 && compareVersions(decoded, known) !== 0)) {
      if (own) catchUp(core, decoded, item);
      else if (!known.gone) {
        performMembership(
          core,
          core.membership.onRecord(decoded.id, known.incarnation, item.state, now),
          now,
        );
      }
      return;
    }
  }
  const record = core.reader.open(item.raw, decoded);
  if (record === null) return;
  if (own) takeOwn(core, record, now);
  else insertRecord(core, record, item, now);
}

/** Takes in what came with a message. `by`: whose link it came over; null: no link's. */
export function takePiggyback(core: Core, body: Piggyback, by: string | null, now: number): void {
  for (const item of body.records ?? []) takeRecord(core, item, by, now);
  for (const statement of body.statements ?? []) takeStatement(core, statement, by, now);
}

/** A record from the disk: known, but not heard of yet. */
export function rememberRecord(core: Core, record: NodeRecord, endpoint: string | null, now: number): void {
  if (record.id === core.identity.id || record.networkId !== core.networkId) return;
  if (core.directives.isForgotten(record)) return;
  const { delta } = core.store.insert(record);
  core.memory.restored(record, endpoint);
  if (delta === null || record.gone) return;
  core.membership.remember(record.id, now);
  if (endpoint !== null) core.links.remember(record.id, endpoint, now);
}

function insertRecord(core: Core, record: NodeRecord, item: RecordItem, now: number): void {
  const before = core.store.get(record.id);
  const { delta, clone } = core.store.insert(record);
  if (clone) reportClone(core, record, record.bootNonce, now);
  if (delta === null) return;
  core.memory.note(record.id);
  core.changed = true;
  // What a node that comes to a mesh is told there is news to itself alone.
  if (core.life.mayTell) core.news.add({ kind: "record", id: record.id }, core.store.size);
  noteYielded(core, record, before?.yielded?.subnet ?? null);
  if (record.gone) {
    if (before !== undefined && !before.gone) {
      const subnet = before.claims[0]?.subnet.text;
      const words = subnet === undefined ? "left the mesh" : `released ${subnet} and left the mesh`;
      core.actions.log("info", `${record.name} ${words}`, {
        peer: shortId(record.id),
        lease: subnet ?? null,
      });
    }
    core.membership.remove(record.id);
    core.roundTrips.forget(record.id);
    core.demand.forget(record.id);
    core.links.want(record.id, null, now);
    return;
  }
  performMembership(core, core.membership.onRecord(record.id, record.incarnation, item.state, now), now);
  wantLink(core, record.id, now);
}

// The loser of a double claim says so when it gives way; here is the other side of it.
function noteYielded({ actions, identity }: Core, record: NodeRecord, known: Prefix | null): void {
  const { yielded } = record;
  if (yielded === undefined || yielded.to !== identity.id || samePrefix(yielded.subnet, known)) return;
  actions.log(
    "warning",
    `${record.name} also claimed ${yielded.subnet} while we were apart; our claim is earlier, so it yields`,
    { peer: shortId(record.id), lease: yielded.subnet.text },
  );
}

function isDead({ membership }: Core, id: string): boolean {
  return membership.get(id)?.state === "dead";
}

/** Tells the links where a node may be found, or that no link with it is wanted. `dead`: it is not called as often. */
export function wantLink(core: Core, id: string, now: number, dead = isDead(core, id)): void {
  const record = core.store.get(id);
  if (record === undefined || record.gone || core.directives.isForgotten(record) || id === core.identity.id) {
    return;
  }
  if (!core.demand.wants(id) || isEarly(core, id)) return core.links.want(id, null, now);
  const last = core.links.lastAt(id);
  // Of what it answered at once, the latest: there may be more than are tried.
  const remembered = core.links.targets.answeredBy(id).map(({ endpoint }) => endpoint).reverse();
  const endpoints = [
    ...new Set([...(last === null ? [] : [last]), ...core.names.expand(record.endpoints), ...remembered]),
  ];
  core.links.want(id, { endpoints, translated: translatedOf(record), dead }, now);
  noteInside(core, record, now);
}

// Who has not heard all there is does not know yet whether its mesh is one of links with all: it makes do with a few.
function isEarly({ life, links: { table } }: Core, id: string): boolean {
  return !life.member && table.wanted >= EARLY_LINKS && table.wish(id) === undefined;
}

/**
 * Takes in what is said about a node's life. It counts up to the incarnation of the node's signed record: of a greater
 * one nothing can be known yet. `by`: the node whose link it came over; null: it came under the network's key.
 */
function takeStatement(core: Core, said: Statement, by: string | null, now: number): void {
  const hearsay = said.id !== by;
  const known = core.store.get(said.id)?.incarnation ?? -1;
  if (said.incarnation > known && hearsay) return;
  // Of itself a node speaks in its present life, whether or not its newest record has come.
  const statement = said.incarnation > known ? { ...said, incarnation: known } : said;
  const ours = by === null ? null : core.membership.statement(said.id);
  if (
    ours !== null && ours.incarnation === statement.incarnation && ours.state === statement.state &&
    ours.stopped === statement.stopped
  ) {
    core.news.heard({ kind: "statement", id: said.id }, by!);
  }
  performMembership(
    core,
    core.membership.onStatement(statement, core.own.incarnation, now, by ?? NOBODY),
    now,
  );
}

/** Performs what membership decided. */
export function performMembership(core: Core, actions: readonly MembershipAction[], now: number): void {
  for (const action of actions) {
    switch (action.kind) {
      case "ping":
      case "pong": {
        const items = core.messages.itemsOf(core.news.piggyback());
        const about = core.membership.statement(action.to);
        const statements = about !== null && about.state !== 0
          ? [about, ...items.statements]
          : items.statements;
        core.voice.sayTo(action.to, {
          kind: action.kind,
          seq: action.seq,
          ...fill({ ...items, statements }),
        });
        break;
      }
      case "ask":
        core.voice.sayTo(action.via, {
          kind: "ping-request",
          seq: action.seq,
          target: action.target,
        });
        break;
      case "tell":
        if (!core.schedule.due(`state ${action.to}`, TELL_STATE_MS, now)) break;
        core.voice.sayTo(action.to, { kind: "push", ack: false, statements: [action.statement] });
        break;
      case "refute":
        // What is said again and again is refuted now and then: each time is a record for everybody.
        if (core.schedule.due("refute", REFUTE_MS, now)) core.ownState.rewrite({ above: action.above });
        break;
      case "changed":
        stateChanged(core, action, now);
    }
  }
}

function stateChanged(core: Core, action: MembershipAction & { kind: "changed" }, now: number): void {
  const { member, before, tell } = action;
  core.changed = true;
  if (tell) core.news.add({ kind: "statement", id: member.id }, core.store.size);
  const name = core.store.nameOf(member.id);
  if (!member.seen || !core.life.member) {
    // A joiner learns of many that lived, or were gone, before it came: no news, and it says how many once it knows them all.
    core.actions.log("debug", `${name} is ${member.stopped ? "stopped" : member.state}`, {
      peer: shortId(member.id),
    });
  } else if (member.stopped) {
    core.actions.log("info", `${name} was stopped`, { peer: shortId(member.id) });
  } else if (member.state !== "suspect" && !(before === "suspect" && member.state === "alive")) {
    const level = member.state === "dead" ? "warning" : "info";
    core.actions.log(level, `${name} is ${member.state}`, { peer: shortId(member.id) });
  }
  if (member.state === "dead") {
    core.links.down(member.id, now);
    core.roundTrips.forget(member.id);
    core.sync.forget(member.id);
  }
  wantLink(core, member.id, now);
}

// What we did in the life that the disk is of, after the disk was copied: this start is above it, and knows less. Once we
// have spoken, no node has it any more.
function catchUp(core: Core, former: NodeRecord, { raw }: RecordItem): void {
  const { onDisk } = core.life;
  if (onDisk === null || former.bootNonce === core.own.bootNonce) return;
  if (compareVersions(former, onDisk) <= 0 || core.reader.open(raw, former) === null) return;
  core.life.supersede(former);
  performLease(core, core.lease.adopt(former.claims[0] ?? null));
  core.own.claim = core.lease.claim;
  core.ownState.rewrite("epoch");
}

// A record of our own that we did not write in this run.
function takeOwn(core: Core, record: NodeRecord, now: number): void {
  const { incarnation, epoch, bootNonce } = core.own;
  if (record.bootNonce === bootNonce) return; // our own words come back
  const order = compareVersions(record, { incarnation, epoch });
  if (order < 0) return;
  const answered = core.own.sawForeign(record);
  if (order === 0 || answered) reportClone(core, record, record.bootNonce, now);
  const clone = { bootNonce: record.bootNonce, age: record.age };
  if (answered && endAsClone(core, clone, "Another host of this mesh")) return;
  if (!answered && !core.own.gone) performLease(core, core.lease.adopt(record.claims[0] ?? null));
  core.own.claim = core.lease.claim;
  core.ownState.rewrite({ above: record.incarnation, epoch: record.epoch });
  obeyOwn(core);
}
