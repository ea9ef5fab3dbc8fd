/**
 * Links on demand in a large mesh: who is wanted is told to the links, a peer that packets wait for is called, and a link
 * that nobody needs any more is let go by agreement:
 *
 *   A ── link-wish: not needed ──▶ B    A has not needed the link for a while
 *   A ◀─ link-wish: not needed ── B     neither does B: both forget it, and their paths are idle again
 *   A ◀─ link-wish: needed ────── B     B does: A keeps it, and asks again in ten minutes
 *
 * A peer that does not answer our calls may be behind a NAT that lets nothing in: it has to call, too, and is told so by its
 * own neighbours. Who they are everybody can tell (links/neighbours.ts). In a sealed mesh they are told under the network's
 * key, in a plain one over a link that is made for it.
 */

import type { GossipBody } from "../../wire/gossip_body.ts";
import type { Core } from "./core.ts";
import { performMembership, wantLink } from "./record_steps.ts";

const LOOK_EVERY_MS = 1000;
/** A link that is up for less is not let go: a joiner may still be asking. */
const LINGER_MS = 30_000;
/** So long after a link is up its peer has said who is not alive. */
const BELIEVE_MS = 3000;
const LET_GO_EVERY_MS = 10_000;
/** So long after a start those who were not heard of yet count as alive. */
const PRESUMED_S = 10;
/** Neighbours of a peer that are asked to tell it that we call. */
const TELLERS = 3;
const TELL_EVERY_MS = 1000;
/** How long a call goes on being told, and how long one that was told of it calls back. */
const CALLING_MS = 10_000;
const CALL_BACK_MS = 60_000;
/** Wishes a second of one node, for itself and to be told on. */
const WISHES_PER_SECOND = 10;

type LinkWish = GossipBody & { readonly kind: "link-wish" };

/** By the clock: how large the mesh is, whose demand has ended, whose links may go. */
export function tickDemand(core: Core, now: number): void {
  if (!core.schedule.due("demand", LOOK_EVERY_MS, now)) return;
  countMembers(core, now);
  if (core.demand.full) return;
  for (const id of core.demand.ended(now)) wantLink(core, id, now);
  for (const id of core.calling.keys()) tellCall(core, id, now);
  letGo(core, now);
  believeOthers(core, now);
}

// Whom we remember from a former run and have no link with lives, unless those that we have met say otherwise: they do so
// when a link comes up (gossip_steps.ts).
function believeOthers(core: Core, now: number): void {
  const remembered = core.membership.remembered();
  if (remembered.length === 0 || !core.life.mayTell) return;
  if (!core.agreed.all().some(({ since }) => now - since >= BELIEVE_MS)) return;
  for (const { id } of remembered) {
    const record = core.demand.wants(id) ? undefined : core.store.get(id);
    if (record === undefined) continue;
    performMembership(core, core.membership.onLink(id, record.incarnation, now), now);
  }
}

/** Before anyone is called: so many have come since the last look that there will not be links with all. */
export function outgrow(core: Core, now: number): void {
  if (core.demand.neighbours.outgrownBy(core.store.size)) countMembers(core, now);
}

/**
 * The mesh is of another size: other nodes may be our neighbours. Those who found it with us count before their records are
 * here: else thousands of hosts would each make a hundred links, to let them go a second later.
 */
export function countMembers(core: Core, now: number): void {
  const crowd = core.joiners.crowd(now);
  const { membership } = core;
  // Whom we knew before a start lives, as far as we know: else we would call four times as many as we need.
  const presumed = core.age < PRESUMED_S ? membership.remembered().length : 0;
  const members = Math.max(membership.size + 1, crowd);
  const living = Math.max(membership.livingSize + presumed + 1, crowd);
  const others = core.demand.neighbours.count(members, living);
  if (others) wantAll(core, now);
}

/** Tells the links of each member whether it is wanted. */
export function wantAll(core: Core, now: number): void {
  for (const { id } of core.membership.all()) {
    const known = core.links.table.wish(id) !== undefined;
    if (known !== core.demand.wants(id)) wantLink(core, id, now);
  }
  core.changed = true;
}

/** Packets wait for this node, or its session has to be renewed. */
export function onSessionWanted(core: Core, id: string, now: number): void {
  if (!core.demand.full && core.store.get(id) !== undefined) call(core, id, now);
  core.sealed?.wanted(id, now);
}

/** Packets have passed between these nodes and us. */
export function onTraffic({ demand }: Core, ids: readonly string[], now: number): void {
  for (const id of ids) demand.used(id, now);
}

function call(core: Core, id: string, now: number): void {
  const wanted = core.demand.wants(id);
  core.demand.ask(id, now);
  if (core.links.isUp(id)) return;
  if (!wanted) {
    wantLink(core, id, now);
    core.changed = true;
  }
  if (core.calling.has(id)) return;
  core.calling.set(id, now + CALLING_MS);
  core.links.tick(now);
  tellCall(core, id, now);
}

// A peer without a NAT has our call by now: those in between hear of it only where that has not made a link.
function tellCall(core: Core, id: string, now: number): void {
  if (core.links.isUp(id) || (core.calling.get(id) ?? 0) <= now) {
    core.calling.delete(id);
    return;
  }
  if (!core.schedule.due(`call ${id}`, TELL_EVERY_MS, now)) return;
  const wish: LinkWish = { kind: "link-wish", from: core.identity.id, to: id, needed: true };
  for (const teller of tellersOf(core, id, now)) core.voice.sayTo(teller, wish);
}

// Its neighbours, those that we have a link with first. In a plain mesh there has to be one.
function tellersOf(core: Core, id: string, now: number): string[] {
  const { agreed, demand, membership, sealed, random, identity } = core;
  const neighbours: string[] = [];
  for (const member of membership.all()) {
    const other = member.id !== id && member.id !== identity.id && member.state === "alive";
    if (other && demand.neighbours.areNeighbours(member.id, id)) neighbours.push(member.id);
  }
  const linked = neighbours.filter((one) => agreed.get(one) !== null).slice(0, TELLERS);
  const others = neighbours.filter((one) => agreed.get(one) === null);
  while (linked.length < TELLERS && others.length > 0) {
    const [one] = others.splice(random.below(others.length), 1);
    if (sealed !== null) linked.push(one!);
    else if (!demand.wants(one!)) {
      demand.keep(one!, now, CALLING_MS);
      wantLink(core, one!, now);
      break; // one more with each second
    }
  }
  return linked;
}

/** Somebody needs a link, or not. `by`: whose link it came over, or who sent it under the network's key. */
export function onLinkWish(core: Core, by: string, { from, to, needed }: LinkWish, now: number): void {
  const { demand, identity, throttle, tally } = core;
  if (!throttle.allows(`wish ${by}`, WISHES_PER_SECOND, now)) return tally.reject();
  if (to !== identity.id) {
    // Told on by a neighbour of it, once.
    if (from === by && needed) core.voice.say(core.agreed.get(to), { kind: "link-wish", from, to, needed });
    return;
  }
  if (from !== by || core.agreed.get(by) === null) return callBack(core, from, needed, now);
  if (needed) {
    demand.takeOffer(from);
    demand.keep(from, now);
    return wantLink(core, from, now);
  }
  demand.release(from);
  const needs = demand.needs(from);
  if (!demand.takeOffer(from)) sayWish(core, from, needs);
  if (!needs) release(core, from, now);
}

// A member calls, and cannot come through, or we would have the link.
function callBack(core: Core, id: string, needed: boolean, now: number): void {
  if (!needed || core.demand.full || core.links.isUp(id)) return;
  if (core.membership.get(id)?.state === undefined || core.store.get(id) === undefined) {
    return core.tally.reject();
  }
  const wanted = core.demand.wants(id);
  core.demand.keep(id, now, CALL_BACK_MS);
  if (!wanted) wantLink(core, id, now);
}

function letGo(core: Core, now: number): void {
  if (!core.life.mayTell || core.lease.onProbation) return;
  for (const link of [...core.links.up()]) {
    if (core.demand.wants(link.id) || now - link.since < LINGER_MS) continue;
    if (!core.agreed.has(link) || core.store.get(link.id) === undefined) continue;
    if (!core.schedule.due(`let go ${link.id}`, LET_GO_EVERY_MS, now)) continue;
    if (core.demand.offer(link.id)) sayWish(core, link.id, false);
    else release(core, link.id, now); // its answer was lost, or it has gone
  }
}

function sayWish({ voice, agreed, identity }: Core, to: string, needed: boolean): void {
  voice.say(agreed.get(to), { kind: "link-wish", from: identity.id, to, needed });
}

// Neither side needs the link: there will be another one with the next packet.
function release(core: Core, id: string, now: number): void {
  core.demand.takeOffer(id);
  wantLink(core, id, now);
  core.links.release(id, now);
  core.roundTrips.forget(id);
  core.sync.forget(id);
  core.changed = true;
}
