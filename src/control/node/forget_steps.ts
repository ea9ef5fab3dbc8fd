/**
 * Directives on their way in and out, and what those about nodes do here (about subnets: reserve_steps.ts): a forgotten node
 * is no member any more and its subnet is free; a revoked one has no link besides; and when it is we who were forgotten, we
 * let go of the lease and claim anew.
 */

import { shortId } from "../../crypto/identity.ts";
import { aboutOf, decodeDirective, type Directive, FORGET_LIMIT } from "../../wire/directive.ts";
import { type GossipBody, TABLE_DIRECTIVES, TABLE_RECORDS } from "../../wire/gossip_body.ts";
import type { Core } from "./core.ts";
import { compareDirectives, openDirective, signDirective } from "../forget/directives.ts";
import { performLease } from "./lease_steps.ts";
import type { Link } from "../links/link_table.ts";
import type { LinkEvent } from "../links/links.ts";
import { LOG_EVERY_MS } from "../links/refusals.ts";
import { fitTogether, packDirectives } from "../records/packing.ts";
import { mayBeReserved, tellReservation } from "./reserve_steps.ts";

/** Directives whose signature is checked, from one peer. */
const CHECKED_PER_SECOND = 200;
/** How often a revoked node is told so at one address. */
const TELL_REVOKED_MS = 1000;

/**
 * A user forgets a node: what its record tells, or with `revoke` its key. Telling again changes nothing. It is obeyed and
 * told once it is on disk (start_steps.ts).
 */
export function forget(core: Core, target: string, revoke: boolean): void {
  if (!core.life.member || target === core.identity.id) return;
  const record = core.store.get(target);
  const incarnation = Math.min(record?.incarnation ?? 0, FORGET_LIMIT - 1);
  const about = core.directives.about(target);
  const name = record?.name ?? about?.name;
  if (about !== undefined && (about.revoke || (!revoke && about.incarnation >= incarnation))) return;
  const directive = signDirective({
    issuer: core.identity.id,
    networkId: core.networkId,
    seq: core.ownState.nextSeq,
    kind: "forget",
    target,
    incarnation,
    revoke,
    ...(name === undefined ? {} : { name }),
  }, core.identity);
  core.ownState.issue(directive);
}

/** Takes in a directive that this peer pushed. */
export function takeDirective(core: Core, raw: Uint8Array, from: string, now: number): void {
  const decoded = decodeDirective(raw);
  if (decoded === null || decoded.networkId !== core.networkId) return core.tally.reject();
  const key = aboutOf(decoded);
  const known = core.directives.get(key);
  if (known !== undefined && compareDirectives(decoded, known) <= 0) return;
  // Only members decide; a directive of one we have not heard of yet comes again with the next synchronisation.
  if (core.store.get(decoded.issuer) === undefined && core.directives.about(decoded.issuer) === undefined) {
    return core.sync.learned(TABLE_DIRECTIVES, key, true);
  }
  if (!core.throttle.allows(`directives ${from}`, CHECKED_PER_SECOND, now)) return core.tally.reject();
  const may = decoded.kind !== "reserve" || mayBeReserved(core, decoded);
  const directive = may ? openDirective(raw, core.reader.verify) : null;
  if (directive !== null) return obey(core, directive, now);
  core.sync.learned(TABLE_DIRECTIVES, key, true);
  core.tally.reject();
}

/**
 * Takes in a directive that came without a session, under the newest secret: that we were revoked. Any holder of the
 * secret can send it, so it does not count if its issuer is revoked: a stolen key must not stop a node.
 */
export function takeOwnDirective(core: Core, raw: Uint8Array, from: string, now: number): void {
  const decoded = core.life.ended ? null : decodeDirective(raw);
  if (decoded?.kind !== "forget") return core.tally.reject();
  if (decoded.target !== core.identity.id || !decoded.revoke) return core.tally.reject();
  if (core.directives.isRevoked(decoded.issuer)) return core.tally.reject();
  takeDirective(core, raw, from, now);
}

/** Directives from the disk; nothing is told of them. False: it is damaged. */
export function rememberDirective(core: Core, raw: Uint8Array): boolean {
  const { directives, memory, networkId, reader } = core;
  const directive = openDirective(raw, reader.verify);
  if (directive === null || directive.networkId !== networkId) return false;
  directives.insert(directive);
  memory.restoredDirective(aboutOf(directive));
  return true;
}

/**
 * A revoked node has shown itself in a handshake: it was away when that was decided. It gets the directive, under the key
 * that it came with, and nothing else.
 */
export function tellRevoked(core: Core, to: LinkEvent & { kind: "revoked" }, now: number): void {
  if (!mayTell(core, to.id, to.endpoint, now)) return;
  for (const words of revocations(core, to.id)) {
    const datagrams = words.map((body) => core.messages.groupDatagram(body, to.keyId)).filter((b) =>
      b !== null
    );
    const length = datagrams.reduce((sum, bytes) => sum + bytes.length, 0);
    if (datagrams.length < words.length || length > to.room) continue;
    for (const bytes of datagrams) core.actions.send(to.endpoint, bytes);
    return;
  }
}

/** The same over a link that came up just now, before it is given up. */
export function tellRevokedLink(core: Core, link: Link, now: number): void {
  if (link.endpoint === null || !mayTell(core, link.id, link.endpoint, now)) return;
  for (const body of revocations(core, link.id)[0]!) core.voice.say(link, body);
}

function mayTell(
  core: Core,
  id: string,
  endpoint: string,
  now: number,
): boolean {
  const { actions, directives, schedule } = core;
  if (!schedule.due(`revoked ${endpoint}`, TELL_REVOKED_MS, now)) return false;
  const about = directives.about(id);
  // By the node, not the address: its keys can be used from any number of addresses.
  if (about !== undefined && schedule.due(`refuse revoked ${id}`, LOG_EVERY_MS, now)) {
    const words = `${core.nameOf(id)} was revoked by ${core.nameOf(about.issuer)}`;
    actions.log("warning", `Refused ${endpoint}: ${words}`, { peer: shortId(id), from: endpoint });
  }
  return about !== undefined;
}

// With the issuer's record, because it may have joined while the node was away: a node obeys no one it does not
// know. Where both are too long for one message, the record goes before it. Second best, without.
function revocations({ directives, messages }: Core, id: string): GossipBody[][] {
  const about = directives.about(id)!;
  const push = { kind: "push", ack: false } as const;
  const told = { ...push, directives: [about.raw] };
  const records = messages.records([about.issuer]);
  const whole = fitTogether(records, about.raw) ? [{ ...told, records }] : [{ ...push, records }, told];
  return [whole, [told]];
}

/** What is decided about these nodes and subnets, to a peer that has not heard of it. */
export function pushDirectives(core: Core, link: Link, keys: readonly string[]): void {
  const about = keys.map((key) => core.directives.get(key)).filter((one) => one !== undefined);
  for (const directives of packDirectives(about.map(({ raw }) => raw))) {
    core.voice.say(link, { kind: "push", ack: false, directives });
  }
}

/** What a forgotten node, or a revoked one, leaves behind: nothing but the directive. */
function dropMember(core: Core, id: string, now: number): void {
  core.store.drop(id);
  core.sync.learned(TABLE_RECORDS, id, true);
  core.membership.remove(id);
  core.demand.forget(id);
  core.links.want(id, null, now);
  if (!core.directives.isRevoked(id)) return; // a node that was only forgotten comes back by its link, if it lives
  core.links.down(id, now);
  core.roundTrips.forget(id);
  core.sync.forget(id);
}

/** What was decided about ourselves. */
export function obeyOwn(core: Core): void {
  const about = core.directives.about(core.identity.id);
  if (about === undefined || core.life.ended) return;
  const by = core.nameOf(about.issuer);
  if (about.revoke) {
    return core.refuse(
      `${by} revoked this node's key (ovltun forget --revoke): the mesh refuses it for good. To rejoin as ` +
        "a new node: ovltun down --purge, then ovltun join with a token",
    );
  }
  const { claim } = core.lease;
  const lost = claim !== null && core.directives.isClaimForgotten(core.identity.id, claim);
  if (core.own.incarnation > about.incarnation && !lost) return;
  core.own.incarnateAbove(about.incarnation);
  if (!lost) return core.ownState.rewrite("epoch");
  performLease(core, core.lease.forgotten(`${by} had the mesh forget this node (ovltun forget)`));
}

/** Does what a directive says, and passes it on. */
export function obey(core: Core, directive: Directive, now: number): void {
  const key = aboutOf(directive);
  const before = core.directives.reservation(key);
  if (core.directives.insert(directive) === null) return;
  core.sync.learned(TABLE_DIRECTIVES, key);
  core.changed = true;
  core.memory.noteDirective(key);
  if (core.life.mayTell) core.news.add({ kind: "directive", id: key }, core.store.size);
  if (directive.kind === "reserve") return tellReservation(core, directive, before);
  if (directive.target === core.identity.id) {
    core.ownState.keep(directive); // a restart must not ask the mesh again
    return obeyOwn(core);
  }
  const record = core.store.get(directive.target);
  if (record !== undefined && !core.directives.isForgotten(record)) return; // it has come back since
  const words = directive.revoke ? "was revoked" : "was forgotten";
  const lease = record === undefined || record.gone ? null : record.claims[0]?.subnet.text ?? null;
  const freed = lease === null ? "" : `; ${lease} is free`;
  const name = record?.name ?? directive.name ?? shortId(directive.target);
  // A joiner learns of many that it never knew.
  core.actions.log(
    record === undefined ? "debug" : "warning",
    `${name} ${words} by ${core.nameOf(directive.issuer)}${freed}`,
    {
      peer: shortId(directive.target),
      lease,
    },
  );
  // It hears so itself, before its link is cut.
  core.voice.say(core.links.get(directive.target), { kind: "push", ack: false, directives: [directive.raw] });
  dropMember(core, directive.target, now);
}
