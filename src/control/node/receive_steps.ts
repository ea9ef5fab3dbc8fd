/**
 * Datagrams on their way in, as the data plane hands them up: told apart by their first byte, and given to who takes them.
 * What came through the mesh itself makes no link, and in a sealed mesh nothing is taken in the clear but hellos, which are
 * refused, and what goes by a direct route. And what becomes of the links that they make.
 */
import {
  decodeProbe,
  PROBE_ANSWER,
  PROBE_KIND_AT,
  PROBE_WAY_ANSWER,
  probeNonceHigh,
  probeNonceLow,
  TYPE_COOKIE,
  TYPE_GOSSIP_PLAIN,
  TYPE_GOSSIP_SEALED,
  TYPE_HANDSHAKE,
  TYPE_HELLO,
  TYPE_PROBE,
} from "../../wire/datagram.ts";
import { decodeGossip } from "../../wire/gossip.ts";
import type { ControlEvent } from "../outbox/events.ts";
import { onClone, takeProof } from "./clone_steps.ts";
import type { Core } from "./core.ts";
import { onLinkWish } from "./demand_steps.ts";
import { takeOwnDirective, tellRevoked, tellRevokedLink } from "./forget_steps.ts";
import { receiveGossip, takeGossip } from "./gossip_steps.ts";
import { performMembership, takePiggyback, wantLink } from "./record_steps.ts";
import { onWayAnswer, onWayQuestion } from "./way_steps.ts";
import { shortId } from "../../crypto/identity.ts";
import type { LinkEvent } from "../links/links.ts";
import { tellJoiner } from "./join_steps.ts";
import { beginSync, introduce, mayCompare } from "./sync_steps.ts";
import { tellConfig } from "./voice.ts";

const GROUP_MESSAGES_PER_SECOND = 400;

type Datagram = ControlEvent & { kind: "datagram" };

export function onDatagram(core: Core, event: Datagram, now: number): void {
  const { bytes, from } = event;
  // By a direct route probes come from overlay addresses; they make no link.
  if (bytes[0] === TYPE_PROBE) return onProbeDatagram(core, event, now);
  // It came through the tunnel, and an answer would go there: no way to a peer.
  if (!core.outside.has(from)) return core.tally.reject();
  switch (bytes[0]) {
    case TYPE_HELLO:
    case TYPE_HANDSHAKE:
    case TYPE_COOKIE:
      return onLinks(core, core.links.receive(bytes, from, now), now);
    case TYPE_GOSSIP_PLAIN:
      return core.sealed === null ? receiveGossip(core, bytes, from, now) : core.tally.reject();
    case TYPE_GOSSIP_SEALED:
      return receiveGroupGossip(core, bytes, from, now);
    default: // none we know
      return core.tally.reject();
  }
}

/** What comes over a session is from its peer, wherever it is by now. */
export function onSessionMessage(
  core: Core,
  event: ControlEvent & { kind: "sessionMessage" },
  now: number,
): void {
  const { receiveIndex, bytes, from, at } = event;
  const link = core.sealed?.bySession(receiveIndex);
  if (link === undefined) return core.tally.reject();
  if (bytes[0] === TYPE_PROBE) return onProbe(core, { bytes, from: link.endpoint ?? from, at }, now);
  if (bytes[0] === TYPE_GOSSIP_PLAIN && link.endpoint !== null) {
    core.sealed?.clones.heard(receiveIndex, now);
    return takeGossip(core, link, bytes, now);
  }
  core.tally.reject();
}

// In the clear: in a sealed mesh only what goes by a direct route, which carries data in the clear.
function onProbeDatagram(core: Core, event: Datagram, now: number): void {
  const { bytes, from } = event;
  if (onWayQuestion(core, bytes, from, now)) return;
  if (core.sealed === null) return onProbe(core, event, now);
  if (bytes[PROBE_KIND_AT] !== PROBE_WAY_ANSWER || !onWayAnswer(core, bytes, now)) core.tally.reject();
}

function onProbe(
  core: Core,
  { bytes, from, at }: Pick<Datagram, "bytes" | "from" | "at">,
  now: number,
): void {
  if (onWayAnswer(core, bytes, now)) return;
  if (core.links.contests.probed(probeNonce(bytes))) return;
  const answer = core.roundTrips.receive(bytes, from, at);
  if (answer === null) return core.tally.reject();
  core.changed ||= answer.first;
  const link = core.links.get(answer.id);
  if (link !== undefined) link.lastHeardAt = now;
}

// Of a path probe, 16 hexadecimal digits; of anything shorter none that matches.
function probeNonce(bytes: Uint8Array): string {
  if (decodeProbe(bytes, 0, bytes.length) !== PROBE_ANSWER) return "";
  const words = [probeNonceHigh(bytes, 0), probeNonceLow(bytes, 0)];
  return words.map((word) => word.toString(16).padStart(8, "0")).join("");
}

// Gossip under the network's key, in a sealed mesh (type 0x20): what must not wait for a session. The sender is a member by
// its own word and that key alone: only what any member may say is heard, and an answer is no longer than the question.
function receiveGroupGossip(core: Core, bytes: Uint8Array, from: string, now: number): void {
  const opened = core.group?.open(bytes, (id) => memberIncarnation(core, id)) ?? null;
  const gossip = opened === null ? null : decodeGossip(opened.gossip);
  if (opened === null || gossip === null) return core.tally.reject();
  // It says who has signed it.
  if (gossip.body.kind === "clone") return takeProof(core, opened.sender, gossip.body, now);
  if (gossip.mesh === null || gossip.mesh !== core.life.meshHash) return core.tally.reject();
  const { sender } = opened;
  // Not the bucket of the sender's sessions: with the secret alone anyone can claim to be it.
  if (!core.throttle.allows(`group ${sender}`, GROUP_MESSAGES_PER_SECOND, now)) return core.tally.reject();
  core.keyUsed(opened.keyId);
  // An older secret may have leaked: it admits no new node, not by a record either, and no one speaks of others by
  // it. Members tell all that over their sessions.
  const newest = opened.keyId === core.ring?.newest.keyId;
  const body = newest ? gossip.body : { ...gossip.body, records: [], directives: [], statements: [] };
  switch (body.kind) {
    case "ping":
      takePiggyback(core, body, null, now);
      return core.voice.sayByGroup(from, { kind: "pong", seq: body.seq });
    case "pong":
      takePiggyback(core, body, null, now);
      return performMembership(core, core.membership.onPong(sender, body.seq), now);
    case "ping-request":
      return performMembership(core, core.membership.onPingRequest(sender, body.target, body.seq, now), now);
    case "link-wish":
      return onLinkWish(core, sender, body, now);
    case "push":
      takePiggyback(core, body, null, now);
      for (const raw of body.directives ?? []) takeOwnDirective(core, raw, from, now);
      return;
    default:
      return core.tally.reject();
  }
}

// Null for non-members and revoked nodes: nothing is opened for them. Whom we have a session with has shown who it is,
// though we may never be told its record: it is a member that refuses us.
function memberIncarnation({ directives, links, store }: Core, id: string): number | null {
  const record = store.get(id);
  if (record === undefined && links.isUp(id)) return 0;
  return record === undefined || record.gone || directives.isRevoked(id) ? null : record.incarnation;
}

// ----------------------------------------------------------------------------------------------------
// What becomes of links here: one that comes up is measured and asked what its peer knows, one that is silent is given up,
// one that leads to no node of our mesh is asked until it says so.

const INTRODUCE_MS = 500;
const SILENT_MS = 25_000;

/** What datagrams, or time, did to the links. */
export function onLinks(core: Core, events: readonly LinkEvent[] | undefined, now: number): void {
  for (const event of events ?? []) onLink(core, event, now);
}

function onLink(core: Core, event: LinkEvent, now: number): void {
  switch (event.kind) {
    case "up":
      return onUp(core, event, now);
    case "revoked":
      return tellRevoked(core, event, now);
    case "seen":
      if (core.directives.isRevoked(event.by) || !core.outside.has(event.endpoint)) return;
      if (core.own.observe(event.endpoint, event.by, now) && core.life.member) core.ownState.rewrite("epoch");
      return;
    case "clone":
      return onClone(core, event, now);
  }
}

function onUp(core: Core, { link }: LinkEvent & { kind: "up" }, now: number): void {
  if (core.directives.isRevoked(link.id)) {
    tellRevokedLink(core, link, now);
    return core.links.down(link.id, now);
  }
  core.changed = true;
  core.unnamed.add(link);
  core.memory.note(link.id);
  core.sync.forget(link.id);
  core.roundTrips.start(link.id, link.endpoint!, now);
  core.ways.restart(link.id, now);
  core.actions.log("debug", `Link to ${link.endpoint} is up`, { peer: shortId(link.id) });
  wantLink(core, link.id, now);
  if (!link.member) tellConfig(core, link);
  if (core.life.mesh === null) tellJoiner(core, link, now);
  // A joiner asks for the configuration so.
  if (core.life.mesh === null || mayCompare(core, now)) beginSync(core, link, now);
  else introduce(core, link);
}

/** Path probes, links given up, and what this host does not send. */
export function tickLinks(core: Core, now: number): void {
  for (const id of core.roundTrips.due(now)) {
    const link = core.links.get(id);
    if (link === undefined || link.endpoint === null) {
      core.roundTrips.forget(id);
      continue;
    }
    const { probe, silent } = core.roundTrips.tick(link.id, link.sendIndex, now);
    if (probe !== null) core.links.send(link, probe);
    if (!silent || now - link.lastHeardAt < SILENT_MS) continue;
    if (core.store.get(link.id)?.gone !== true && core.demand.wants(link.id)) {
      core.actions.log("info", `No longer any answer from ${link.endpoint}`, { peer: shortId(link.id) });
    }
    core.links.down(link.id, now);
    core.roundTrips.forget(link.id);
    wantLink(core, link.id, now);
    core.changed = true;
  }
  introduceAgain(core, now);
  for (const sentence of core.schedule.due("unsent", 1000, now) ? core.links.refusedHere.sentences() : []) {
    if (core.schedule.due(sentence, 60_000, now)) core.actions.log("warning", sentence);
  }
}

// A link whose peer has not named a mesh since it came up (it was joining, or its words were lost): ask until it does.
function introduceAgain(core: Core, now: number): void {
  if (core.life.mesh === null) return;
  for (const link of core.unnamed) {
    if (link.endpoint === null || typeof link.mesh === "string") core.unnamed.delete(link);
    else if (core.schedule.due(`introduce ${link.id}`, INTRODUCE_MS, now)) {
      introduce(core, link);
    }
  }
}
