/**
 * What a person reads of a copied identity, and what comes of it: on the other members, and on the two hosts that run with
 * it. Which of these ends is in clones.ts; who is asked before a second host is let in, in contests.ts.
 */

import { shortId } from "../../crypto/identity.ts";
import { type Clone, cloneMessage, judge, OLDER_FOR_SURE_S } from "../clones/clones.ts";
import type { Challenge } from "../clones/contests.ts";
import type { Core } from "./core.ts";
import type { LinkEvent } from "../links/links.ts";
import type { NodeRecord } from "../records/record.ts";
import { makeProof, openProof } from "../links/clone_proofs.ts";
import type { CloneBody } from "../links/session_clones.ts";

const LOG_EVERY_MS = 60_000;
/** Proofs made or checked: each is a signature. */
const PROOFS_PER_SECOND = 20;
const COPIED =
  "a state directory copied or restored from a backup? Stop ovltun on the copy and remove its state " +
  "directory (rm -r, not down --purge: the lease belongs to the original)";

/** To every member: the life of this node with that boot nonce gives a sign of another. */
export function reportClone(
  { actions, schedule, cloneSigns, warnings }: Core,
  record: NodeRecord,
  life: string,
  now: number,
): void {
  const until = cloneSigns.note(record.id, life, now);
  if (until === null) return;
  const message = `Two hosts are running with the identity ${shortId(record.id)} (${record.name}): was ` +
    `${COPIED}`;
  warnings.set(`clone ${record.id}`, message, until);
  if (schedule.due(`clone ${record.id}`, LOG_EVERY_MS, now)) {
    actions.log("error", message, { peer: shortId(record.id) });
  }
}

/**
 * Another host runs with our identity: ends this one if that is the answer. True when it does. `fresh`: it said just now
 * how long it has been running.
 */
export function endAsClone(core: Core, other: Clone, where: string, fresh = false): boolean {
  const we = { bootNonce: core.own.bootNonce, age: core.age };
  const { weEnd, certain } = core.dispute.judge(we, other, core.now, fresh);
  if (weEnd) core.refuse(cloneMessage(where, certain));
  return weEnd;
}

/** To one of the two: a member hears another host with our identity. Logged once, whichever member says it. */
function reportOwnClone(core: Core, member: string, { endpoint }: CloneBody): void {
  const message = `${member} sees another host with this node's identity, at ${endpoint}: was ${COPIED}`;
  const told = core.warnings.has("clone");
  core.warnings.set("clone", message);
  if (!told && core.schedule.due("clone", LOG_EVERY_MS, core.now)) {
    core.actions.log("error", message, { from: endpoint });
  }
}

// ------------------------------------------------------------------------------------- on one of the two

/** A member hears another host with our identity: says that we live. */
export function answerClone(
  core: Core,
  id: string,
  body: CloneBody & { endpoint: string },
  now: number,
): void {
  const link = core.links.get(id);
  if (core.sealed !== null && (body.life !== core.own.bootNonce || body.other === body.life)) {
    return core.tally.reject();
  }
  const answer = { ...body, endpoint: null };
  // In a plain mesh we may have asked that member ourselves, from another of our addresses.
  if (core.sealed === null && core.links.askedWith(body.other)) return core.voice.say(link, answer);
  if (!core.throttle.allows("clone proofs", PROOFS_PER_SECOND, now)) return core.tally.reject();
  reportOwnClone(core, core.store.nameOf(id), body);
  const proof = makeProof(core.ownNode, { to: body.endpoint, nonce: body.other, relayed: true }, now);
  core.voice.say(link, proof === null ? answer : { ...answer, proof });
}

/** A member passes the proof on that another host runs with our identity (sealed meshes). */
export function takeProof(core: Core, sender: string, body: CloneBody, now: number): void {
  const { other, proof, endpoint } = body;
  if (proof === undefined || other !== core.own.bootNonce) return core.tally.reject();
  if (!core.throttle.allows("clone proofs", PROOFS_PER_SECOND, now)) return core.tally.reject();
  const clone = openProof(proof, core.identity.id, other, core.reader.verify);
  if (clone === null || clone.bootNonce === core.own.bootNonce) return core.tally.reject();
  reportOwnClone(core, core.store.nameOf(sender), body);
  endAsClone(core, clone, `The host at ${endpoint}`, true);
}

/** Another host has our keys. A joiner gives way to a member; else clones.ts knows, on both sides alike. */
export function onClone(core: Core, event: Omit<LinkEvent & { kind: "clone" }, "kind">, now: number): void {
  const { from, clone, member, relayed } = event;
  const where = relayed ? `Another host, seen by ${from},` : `The host at ${from}`;
  const message = `${where} is running with this node's identity (a copied state directory?)`;
  core.warnings.set(`clone ${from}`, message);
  if (core.schedule.due(`clone log ${from}`, LOG_EVERY_MS, now)) core.actions.log("error", message, { from });
  if (core.life.member === member) endAsClone(core, clone, where, true);
  else if (!core.life.member) core.refuse(cloneMessage(where, true));
}

// ------------------------------------------------------------------------------------- on a third

/** A node answers that it lives, while another host bears its identity. False when we have not asked. */
export function takeAnswer(core: Core, id: string, { other, proof }: CloneBody, now: number): boolean {
  const { contests } = core.links;
  const challenge = contests.about(id, other);
  if (challenge === null) return false;
  if (proof === undefined) {
    if (core.sealed === null) contests.admit(challenge); // it has come from there itself
    return true;
  }
  const original = core.throttle.allows("clone proofs", PROOFS_PER_SECOND, now)
    ? openProof(proof, id, other, core.reader.verify)
    : null;
  if (original === null) core.tally.reject();
  else {
    const record = core.store.get(id);
    if (record !== undefined) reportClone(core, record, challenge.life ?? other, now);
    if (givesWay(challenge, original, (now - challenge.startedAt) / 1000)) refuseCopy(core, challenge, now);
    else contests.admit(challenge);
    passOn(core, challenge, original, proof);
  }
  return true;
}

// `waited`: since it said how old it is, seconds.
function givesWay({ life, age }: Challenge, original: Clone, waited: number): boolean {
  if (life !== null && age !== null) {
    return judge({ bootNonce: life, age: age + waited }, original, 0, true).weEnd;
  }
  return original.age !== null && original.age >= OLDER_FOR_SURE_S;
}

function refuseCopy({ actions, links, schedule, store }: Core, challenge: Challenge, now: number): void {
  const { id, from } = challenge;
  links.contests.refuse(challenge);
  if (!schedule.due(`refuse ${from}`, LOG_EVERY_MS, now)) return;
  const name = store.nameOf(id);
  const words = `Refused ${from}: it is running with the identity of ${name}, which is alive elsewhere`;
  actions.log("warning", words, { peer: shortId(id), from });
}

// To the challenger, which is to know what it is.
function passOn(
  { actions, links, messages, sealed }: Core,
  challenge: Challenge,
  original: Clone,
  proof: Uint8Array,
): void {
  const { id, from, keyId, nonce } = challenge;
  if (nonce === null) return;
  const endpoint = links.get(id)?.endpoint ?? null;
  const clone = { kind: "clone", life: original.bootNonce, other: nonce, endpoint, proof } as const;
  const bytes = sealed === null ? proof : messages.groupDatagram(clone, keyId ?? undefined);
  if (bytes !== null) actions.send(from, bytes);
}
