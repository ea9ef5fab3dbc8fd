// Directives on their way in and out, and what they do here: a forgotten node is no member any more and its subnet is
// free; a revoked one has no link besides; and when it is we who were forgotten, we let go of the lease and claim anew.

import { shortId } from "../crypto/identity.ts";
import { decodeDirective, type Directive } from "../wire/directive.ts";
import { DIRECTIVES_IN_PUSH } from "../wire/gossip_body.ts";
import type { Core } from "./core.ts";
import { compareDirectives, isVoid, openDirective, signDirective } from "./directives.ts";
import { performLease, rewriteOwn } from "./lease_steps.ts";
import type { Link } from "./link_table.ts";

/** Directives whose signature is checked, from one peer. */
const CHECKED_PER_SECOND = 50;
/** How many a peer is told whose set is another, from a random place on. */
const TOLD_AT_ONCE = 64;

/** A user forgets a node: fences what is known of it, or with `revoke` its key. Telling again changes nothing. */
export function forget(core: Core, target: string, revoke: boolean, now: number): void {
  if (!core.member || target === core.identity.id) return;
  const known = core.store.get(target)?.incarnation ?? 0;
  const incarnation = Math.max(known, core.membership.get(target)?.incarnation ?? 0);
  const about = core.directives.about(target);
  if (about !== undefined && (about.revoke || (!revoke && about.incarnation >= incarnation))) return;
  const directive = signDirective({
    issuer: core.identity.id,
    networkId: core.networkId,
    seq: core.directives.nextSeq,
    kind: "fence",
    target,
    incarnation,
    revoke,
  }, core.identity);
  obey(core, directive, now);
  core.persist();
}

/** Takes in a directive that somebody pushed. */
export function takeDirective(core: Core, raw: Uint8Array, link: Link, now: number): void {
  const decoded = decodeDirective(raw);
  if (decoded === null || decoded.networkId !== core.networkId) return core.out.reject();
  const about = core.directives.about(decoded.target);
  if (about !== undefined && compareDirectives(decoded, about) <= 0) return;
  // Whoever is no member decides nothing; one we have not heard of yet is told again with the next synchronisation.
  if (core.store.get(decoded.issuer) === undefined) return;
  if (!core.out.spend(`directives ${link.id}`, CHECKED_PER_SECOND, now)) return core.out.reject();
  const directive = openDirective(raw);
  if (directive === null) return core.out.reject();
  obey(core, directive, now);
}

/** Directives from the disk; nothing is told of them. */
export function rememberDirective(core: Core, raw: Uint8Array): boolean {
  const directive = openDirective(raw);
  if (directive === null || directive.networkId !== core.networkId) return false;
  core.directives.insert(directive);
  return true;
}

/** All that we know, a window of it where it is much, to somebody whose set is another. */
export function pushDirectives(core: Core, link: Link): void {
  const all = core.directives.all();
  const from = all.length > TOLD_AT_ONCE ? core.random.below(all.length) : 0;
  const told = [...all.slice(from), ...all.slice(0, from)].slice(0, TOLD_AT_ONCE);
  for (const directives of packDirectives(told)) core.say(link, { kind: "push", ack: false, directives });
}

/** Their bytes, as many together as one message takes. */
export function packDirectives(directives: readonly Directive[]): Uint8Array[][] {
  const parcels: Uint8Array[][] = [];
  for (let at = 0; at < directives.length; at += DIRECTIVES_IN_PUSH) {
    parcels.push(directives.slice(at, at + DIRECTIVES_IN_PUSH).map(({ raw }) => raw));
  }
  return parcels;
}

/** What a record that was fenced, or its node revoked, leaves behind: nothing. */
export function dropMember(core: Core, id: string, now: number): void {
  core.membership.remove(id);
  core.links.unwant(id, now);
  if (!core.isRevoked(id)) return; // a node that was only forgotten comes back by its link, if it lives
  core.links.down(id, now);
  core.roundTrips.forget(id);
  core.sync.forget(id);
}

/** What was decided about ourselves. */
export function obeyOwn(core: Core, now: number): void {
  const about = core.directives.about(core.identity.id);
  if (about === undefined || core.ended) return;
  const by = nameOf(core, about.issuer);
  if (about.revoke) {
    return core.refuse(
      `${by} revoked the key of this node (ovltun forget --revoke): the mesh refuses it for good. To join again as a ` +
        "new node, with a token: ovltun down --purge, then ovltun join",
    );
  }
  const { claim } = core.lease;
  const void_ = claim !== null && isVoid(core.directives, core.identity.id, claim, core.own.incarnation);
  if (core.own.incarnation > about.incarnation && !void_) return;
  core.own.incarnateAbove(about.incarnation);
  if (!void_) return rewriteOwn(core, "epoch");
  performLease(core, core.lease.fenced(`${by} made the mesh forget this node (ovltun forget)`), now);
}

function obey(core: Core, directive: Directive, now: number): void {
  if (core.directives.insert(directive) === null) return;
  core.stale = core.changed = true;
  core.news.add({ kind: "directive", id: directive.target }, core.store.size);
  if (directive.target === core.identity.id) {
    core.persist(); // a restart must not ask the mesh again
    return obeyOwn(core, now);
  }
  const record = core.store.get(directive.target);
  if (record !== undefined && !core.isFenced(record)) return; // it has come back since
  const words = directive.revoke ? "was revoked" : "was forgotten";
  const lease = record === undefined || record.gone ? null : record.claims[0]?.subnet ?? null;
  const freed = lease === null ? "" : `; ${lease} is free`;
  const name = record?.name ?? shortId(directive.target);
  core.out.log("warning", `${name} ${words} by ${nameOf(core, directive.issuer)}${freed}`, {
    peer: shortId(directive.target),
    lease,
  });
  // It hears so itself, before its link is cut.
  core.say(core.links.get(directive.target), { kind: "push", ack: false, directives: [directive.raw] });
  dropMember(core, directive.target, now);
}

function nameOf(core: Core, id: string): string {
  if (id === core.identity.id) return core.settings.name;
  return core.store.get(id)?.name ?? shortId(id);
}
