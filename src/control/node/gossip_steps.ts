/**
 * Gossip over a link: every message arrives here, is matched with the validated link it came over, and with the mesh it
 * belongs to, and is then passed to the part that decides. A message from a link that is not validated, or of another mesh,
 * changes nothing. What goes out unasked is in sync_steps.ts, what comes under the network's key in
 * receive_steps.ts.
 */

import { decodeGossip, gossipIndex, gossipVersion } from "../../wire/gossip.ts";
import type { GossipBody } from "../../wire/gossip_body.ts";
import { PROTOCOL_VERSION } from "../../wire/hello.ts";
import { reservationKey } from "../../wire/directive.ts";
import type { Loss } from "../lease/claims.ts";
import type { Link } from "../links/link_table.ts";
import type { CloneBody } from "../links/session_clones.ts";
import { pack } from "../records/packing.ts";
import { answerClone, reportClone, takeAnswer } from "./clone_steps.ts";
import { onConfig, onJoining, otherMesh } from "./join_steps.ts";
import type { Core } from "./core.ts";
import { onLinkWish } from "./demand_steps.ts";
import { pushDirectives, takeDirective } from "./forget_steps.ts";
import { askAcknowledgement, onClaimAck } from "./lease_steps.ts";
import { performMembership, takePiggyback, TELL_STATE_MS } from "./record_steps.ts";
import { takeSecret } from "./rotation_steps.ts";
import { onFull, tellFull } from "./full_steps.ts";
import {
  answerQuestion,
  answerSync,
  beginSync,
  checkSynced,
  INTRODUCTION,
  mayCompare,
  onSyncAnswer,
  pushRecords,
} from "./sync_steps.ts";
import { tellConfig } from "./voice.ts";

/** Nodes that a new peer is told are not well. */
const PUSH_MAX = 256;
/** What a peer may say unasked. */
const MESSAGES_PER_SECOND = 400;

/** Takes in a datagram of type 0x21, in a plain mesh. */
export function receiveGossip(core: Core, bytes: Uint8Array, from: string, now: number): void {
  const link = core.links.byIndex(gossipIndex(bytes));
  if (link === undefined || link.endpoint !== from) {
    core.links.poke(from, link !== undefined, now); // it believes in a link we do not have, or not there
    return core.tally.reject();
  }
  if (core.called.verified(from)) core.changed = true;
  takeGossip(core, link, bytes, now);
}

/** Takes in what is known to come from the peer of this link. */
export function takeGossip(core: Core, link: Link, bytes: Uint8Array, now: number): void {
  const from = link.endpoint;
  if (gossipVersion(bytes) !== PROTOCOL_VERSION) {
    if (core.schedule.due(`version ${from}`, 60_000, now)) {
      core.actions.log(
        "warning",
        `${from} gossips in version ${gossipVersion(bytes)}, we speak ${PROTOCOL_VERSION}`,
      );
    }
    return core.tally.reject();
  }
  if (core.directives.isRevoked(link.id)) return core.tally.reject();
  const mayCome = core.throttle.allows(`gossip ${link.id}`, MESSAGES_PER_SECOND, now) ||
    core.sync.takeAnswer(link.id);
  if (!mayCome) return core.tally.reject();
  const gossip = decodeGossip(bytes);
  if (gossip === null) return core.tally.reject();
  link.lastHeardAt = now;
  const agreedBefore = core.agreed.has(link);
  link.mesh = gossip.mesh;
  if (gossip.mesh !== null) core.joiners.forget(link.id);
  else {
    link.informed = false;
    core.unnamed.add(link);
  }
  if (gossip.body.kind === "sync") link.informed = gossip.body.informed;
  if (!agreedBefore && core.agreed.has(link)) onAgreed(core, link, now);
  dispatch(core, link, gossip.body, now);
}

function dispatch(core: Core, link: Link, body: GossipBody, now: number): void {
  if (body.kind === "joining") return onJoining(core, link, body, now);
  if (body.kind === "config") return onConfig(core, link, body.config, now);
  if (body.kind === "clone") return onCloneMessage(core, link, body, now);
  if (core.life.mesh === null) return; // the configuration comes first; we ask for it with each sync
  if (link.mesh === null) {
    if (core.schedule.due(`config ${link.id}`, 100, now)) tellConfig(core, link);
    return;
  }
  if (!core.agreed.has(link)) return otherMesh(core, link, null, now);
  const member = core.membership.get(link.id);
  if (member !== undefined && member.state !== "alive") tellItself(core, link, now);
  perform(core, link, body, now);
}

// A member knows of another host with our identity; or one of two hosts that the link may be of knows of the other.
function onCloneMessage(core: Core, link: Link, body: CloneBody, now: number): void {
  const { endpoint } = body;
  if (endpoint !== null) return answerClone(core, link.id, { ...body, endpoint }, now);
  if (takeAnswer(core, link.id, body, now)) return;
  if (core.sealed !== null) {
    const record = core.store.get(link.id);
    const proved = core.sealed.clones.proved(link.id, body, now);
    if (proved && record !== undefined) reportClone(core, record, body.life, now);
  } else core.tally.reject();
}

function perform(core: Core, link: Link, body: GossipBody, now: number): void {
  switch (body.kind) {
    case "ping":
      takePiggyback(core, body, link.id, now);
      if (body.seq === INTRODUCTION) return core.voice.say(link, { kind: "pong", seq: INTRODUCTION });
      return performMembership(core, [{ kind: "pong", to: link.id, seq: body.seq }], now);
    case "pong":
      takePiggyback(core, body, link.id, now);
      return performMembership(core, core.membership.onPong(link.id, body.seq), now);
    case "ping-request":
      return performMembership(core, core.membership.onPingRequest(link.id, body.target, body.seq, now), now);
    case "push":
      takePiggyback(core, body, link.id, now);
      for (const raw of body.directives ?? []) takeDirective(core, raw, link.id, now);
      if (core.life.ended) return;
      checkSynced(core, link, now);
      if (body.ack) acknowledge(core, link, now);
      return;
    case "sync":
      return answerSync(core, link, body, now);
    case "expand":
    case "list":
    case "want":
      return answerQuestion(core, link, body);
    case "same":
    case "tree":
    case "digest":
      return onSyncAnswer(core, link, body, now);
    case "full":
      return onFull(core, link, body.capacity, now);
    case "claim-ack":
      return onClaimAck(core, link.id, body.incarnation, body.epoch);
    case "link-wish":
      return onLinkWish(core, link.id, body, now);
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
  if (core.lease.onProbation) askAcknowledgement(core, link);
  if (!mayCompare(core, now)) return;
  beginSync(core, link, now);
  const dead = [...core.membership.all()].filter((m) => m.state !== "alive").slice(0, PUSH_MAX);
  const statements = dead.map((m) => core.membership.statement(m.id)).filter((s) => s !== null);
  for (const parcel of pack(core.messages.records([core.identity.id]), statements)) {
    core.voice.say(link, { kind: "push", ack: false, ...parcel });
  }
}

// We hold it for suspect or dead, and it speaks: it must hear so, for only it can refute.
function tellItself({ membership, schedule, voice }: Core, link: Link, now: number): void {
  const about = membership.statement(link.id);
  if (about === null || !schedule.due(`state ${link.id}`, TELL_STATE_MS, now)) return;
  voice.say(link, { kind: "push", ack: false, statements: [about] });
}

// A contested claim is not acknowledged: who comes first should not use it before the other has let go,
// and who comes second hears at once of the first, or of the reservation, from us.
function acknowledge(core: Core, link: Link, now: number): void {
  const record = core.store.get(link.id);
  if (record === undefined) {
    if (!core.store.hasRoomFor(link.id)) tellFull(core, link, now);
    return pushDirectives(core, link, [link.id]); // it may not have heard that it was forgotten
  }
  const losses = [...core.holders.lossesOf(link.id)].filter((loss) => isContest(core, loss, link.id));
  if (losses.length > 0) {
    const lostTo = losses.map(({ to }) => to).filter(({ nodeId }) => nodeId !== link.id);
    const reserved = lostTo.filter((one) => one.reserved === "directive");
    pushDirectives(core, link, reserved.slice(0, 3).map(({ subnet }) => reservationKey(subnet)));
    const rivals = losses.map(({ claim, to }) => claim.nodeId === link.id ? to.nodeId : claim.nodeId);
    return pushRecords(core, link, rivals.slice(0, 3));
  }
  core.voice.say(link, { kind: "claim-ack", incarnation: record.incarnation, epoch: record.epoch });
}

// Who has lost to a reservation and is dead keeps nobody waiting: it hears of it when it comes back, before anybody routes to it.
function isContest({ membership }: Core, { claim, to }: Loss, id: string): boolean {
  if (claim.nodeId === to.nodeId) return false;
  const beaten = to.nodeId === id && to.reserved === "directive";
  return !beaten || membership.get(claim.nodeId)?.state !== "dead";
}
