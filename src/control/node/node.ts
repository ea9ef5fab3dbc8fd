// The control plane of one node, and the one class the daemon uses: events in, actions out, a view on demand. It holds
// no clock, no socket and no file; the same class runs in the daemon and, by the dozen, in the tests' simulated
// networks. What happens in which order on each event can be read here; the decisions are in the files it calls.

import { type Identity, shortId } from "../../crypto/identity.ts";
import type { NetworkSecret } from "../../crypto/network_secret.ts";
import type { Random } from "../../ports/time.ts";
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
import { onClone } from "./clone_steps.ts";
import { Core } from "./core.ts";
import type { Action, ControlEvent } from "../outbox/events.ts";
import type { Settings } from "../mesh/settings.ts";
import { tellAlone } from "./alone_steps.ts";
import type { HostSight } from "./host_sight.ts";
import { tellInside } from "./inside_steps.ts";
import { forget, tellRevoked, tellRevokedLink } from "./forget_steps.ts";
import { receiveGossip, receiveGroupGossip, spreadNews, takeGossip, tickLinks } from "./gossip_steps.ts";
import { beginSync, start, tellConfig, tickJoining } from "./join_steps.ts";
import { askAcknowledgement, performLease, rewriteOwn, stepLease } from "./lease_steps.ts";
import type { LinkEvent } from "../links/links.ts";
import { onResolved, tickNames } from "./name_steps.ts";
import { buildView } from "./view_steps.ts";
import { performMembership, wantLink } from "./record_steps.ts";
import { rotate, rotationProblem, tickRotation } from "./rotation_steps.ts";
import type { SealedSetup } from "../links/sealed_links.ts";
import type { StoredState } from "../records/state.ts";
import type { NodeView } from "../paths/view.ts";
import { logWaiting } from "./waiting_steps.ts";
import { onWayAnswer, onWayQuestion, tickWays } from "./way_steps.ts";

const RELEASE_MS = 1500;
const RELEASE_AGAIN_MS = 200;
const STORE_EVERY_MS = 1000;

export class ControlPlane {
  readonly #core: Core;
  readonly #stored: StoredState | null;
  #started = false;
  #releasingSince: number | null = null;
  #meetUntil = 0;

  /**
   * `stored` is what the last `persist` action carried, or null. `sealed`: keys and ciphers of a sealed mesh; null: it
   * is plain. Nothing happens before the first event.
   */
  constructor(
    settings: Settings,
    identity: Identity,
    stored: StoredState | null,
    random: Random,
    now: number,
    sealed: SealedSetup | null = null,
    host?: HostSight,
  ) {
    this.#core = new Core(settings, identity, random, now, sealed, host);
    this.#stored = stored;
  }

  /** Takes in one event; returns what to do, in order. Empty after a refusal, a release or a leave. */
  handle(event: ControlEvent, now: number): Action[] {
    const core = this.#core;
    if (core.ended) return [];
    core.now = now;
    if ("from" in event) core.called.hears(event.from, event.kind === "sessionMessage" ? "" : event.to);
    else core.called.hears();
    if (!this.#started) {
      this.#started = true;
      start(core, this.#stored, now);
    }
    if (!core.ended) this.#on(event, now);
    if (!core.ended) this.#settle(event.kind === "tick", now);
    return core.actions.drain();
  }

  /** Why `rotate` would do nothing, a sentence, or null. */
  rotationProblem(secret: NetworkSecret): string | null {
    return rotationProblem(this.#core, secret);
  }

  /** By which of our addresses whoever is at `endpoint` calls us; undefined: not known. */
  called(endpoint: string): string | undefined {
    return this.#core.called.get(endpoint);
  }

  /** Everything known, as plain data. */
  view(now: number): NodeView {
    return buildView(this.#core, now);
  }

  #on(event: ControlEvent, now: number): void {
    const core = this.#core;
    switch (event.kind) {
      case "tick":
        return this.#tick(now);
      case "datagram":
        return this.#receive(event.bytes, event.from, event.at, now);
      case "unknownIndex":
        return core.links.poke(event.from, false, now);
      case "badMac":
        return core.sealed?.badMac(event.from, event.question, now);
      case "sessionConfirmed":
        return this.#onLinks(core.sealed?.confirmed(event.receiveIndex, now), now);
      case "sessionMessage":
        return this.#onSessionMessage(event, now);
      case "sessionWanted":
        return core.sealed?.wanted(event.id, now);
      case "roamed":
        if (!core.usable(event.endpoint)) return core.tally.reject();
        if (event.to !== undefined && core.called.set(event.endpoint, event.to)) core.changed = true;
        return this.#onLinks(core.sealed?.roamed(event.id, event.endpoint, now), now);
      case "sendRefused":
        return core.links.refused(event.to, event.refusal);
      case "seeds":
        for (const { text } of core.seeds) core.links.targets.name("seeds", text, [], now);
        core.seeds = event.seeds;
        for (const { text, endpoints } of event.seeds) core.links.targets.name("seeds", text, endpoints, now);
        return core.links.tick(now);
      case "ownEndpoints":
        if (core.own.setEndpoints(event.endpoints) && core.mesh !== null && core.informed) {
          rewriteOwn(core, "epoch");
        }
        return;
      case "resolved":
        return onResolved(core, event.name, event.endpoints, now);
      case "ways":
        return core.ways.set(event.ways, now);
      case "checkWays":
        return core.ways.check(event.id, now);
      case "release":
        return this.#release(event.meetMs ?? 0, now);
      case "forget":
        return forget(core, event.target, event.revoke, now);
      case "rotate":
        return rotate(core, event.secret, event.dropOld, now);
      case "leave":
        return this.#leave();
    }
  }

  #receive(bytes: Uint8Array, from: string, at: number, now: number): void {
    const core = this.#core;
    // By a direct route probes come from overlay addresses; they make no link.
    if (bytes[0] === TYPE_PROBE) return this.#onProbeDatagram(bytes, from, at, now);
    // It came through the tunnel, and an answer would go there: no way to a peer.
    if (!core.usable(from)) return core.tally.reject();
    switch (bytes[0]) {
      case TYPE_HELLO:
        return this.#onLinks(core.links.receive(bytes, from, now), now);
      case TYPE_HANDSHAKE:
      case TYPE_COOKIE:
        if (core.sealed === null) return core.tally.reject();
        return this.#onLinks(core.sealed.receive(bytes, from, now), now);
      case TYPE_GOSSIP_PLAIN:
        return core.sealed === null ? receiveGossip(core, bytes, from, now) : core.tally.reject();
      case TYPE_GOSSIP_SEALED:
        return receiveGroupGossip(core, bytes, from, now);
      default: // none we know
        return core.tally.reject();
    }
  }

  // In the clear: in a sealed mesh only what goes by a direct route, which carries data in the clear.
  #onProbeDatagram(bytes: Uint8Array, from: string, at: number, now: number): void {
    const core = this.#core;
    if (onWayQuestion(core, bytes, from, now)) return;
    if (core.sealed === null) return this.#onProbe(bytes, from, at, now);
    if (bytes[PROBE_KIND_AT] !== PROBE_WAY_ANSWER || !onWayAnswer(core, bytes, now)) core.tally.reject();
  }

  #onProbe(bytes: Uint8Array, from: string, at: number, now: number): void {
    const core = this.#core;
    if (onWayAnswer(core, bytes, now)) return;
    if (core.links.contests.probed(probeNonce(bytes))) return;
    const answer = core.roundTrips.receive(bytes, from, at);
    if (answer === null) return core.tally.reject();
    core.changed ||= answer.first;
    const link = core.links.get(answer.id);
    if (link !== undefined) link.lastHeardAt = now;
  }

  // What comes over a session is from its peer, wherever it is by now.
  #onSessionMessage(event: ControlEvent & { kind: "sessionMessage" }, now: number): void {
    const core = this.#core;
    const { receiveIndex, bytes, from, at } = event;
    const link = core.sealed?.bySession(receiveIndex);
    if (link === undefined) return core.tally.reject();
    if (bytes[0] === TYPE_PROBE) return this.#onProbe(bytes, link.endpoint ?? from, at, now);
    if (bytes[0] === TYPE_GOSSIP_PLAIN && link.endpoint !== null) {
      core.sealed?.twins.heard(receiveIndex, now);
      return takeGossip(core, link, bytes, link.endpoint, now);
    }
    core.tally.reject();
  }

  #onLinks(events: readonly LinkEvent[] | undefined, now: number): void {
    for (const event of events ?? []) this.#onLink(event, now);
  }

  #onLink(event: LinkEvent, now: number): void {
    const core = this.#core;
    switch (event.kind) {
      case "up": {
        const { link } = event;
        if (core.isRevoked(link.id)) {
          tellRevokedLink(core, link, now);
          return core.links.down(link.id, now);
        }
        core.changed = core.stale = true;
        core.sync.forget(link.id);
        core.roundTrips.start(link.id, link.endpoint!, now);
        core.ways.restart(link.id, now);
        core.actions.log("debug", `Link to ${link.endpoint} is up`, { peer: shortId(link.id) });
        wantLink(core, link.id, now);
        if (!link.member) tellConfig(core, link);
        return beginSync(core, link, now);
      }
      case "revoked":
        return tellRevoked(core, event, now);
      case "seen":
        if (core.isRevoked(event.by) || !core.usable(event.endpoint)) return;
        if (core.own.observe(event.endpoint, event.by) && core.mesh !== null && core.informed) {
          rewriteOwn(core, "epoch");
        }
        return;
      case "clone":
        return onClone(core, event, now);
    }
  }

  #tick(now: number): void {
    const core = this.#core;
    core.links.tick(now);
    this.#onLinks(core.links.settle(now), now);
    if (core.ended) return;
    tickJoining(core, now);
    if (core.ended) return;
    if (core.mesh !== null && core.informed) {
      performMembership(core, core.membership.tick(now), now);
    }
    tickLinks(core, now);
    tickWays(core, now);
    tickRotation(core, now);
    tellInside(core, now);
    tickNames(core, now);
    tellAlone(core, now);
    logWaiting(core, now);
    if (core.stale && core.member && core.schedule.due("store", STORE_EVERY_MS, now)) core.persist();
  }

  // What may follow from any event.
  #settle(tick: boolean, now: number): void {
    const core = this.#core;
    if (this.#releasingSince !== null) this.#continueRelease(now);
    else stepLease(core, now);
    if (core.ended) return;
    if (core.informed && (tick || core.changed)) spreadNews(core, now);
    if (core.changed) core.actions.push({ kind: "reconcile" });
    core.changed = false;
  }

  #release(meetMs: number, now: number): void {
    const core = this.#core;
    if (this.#releasingSince !== null) return;
    this.#releasingSince = now;
    this.#meetUntil = now + meetMs;
    if (core.mesh === null || !core.informed) return;
    core.own.gone = true;
    core.spoken = true;
    performLease(core, core.lease.release(), now);
  }

  #continueRelease(now: number): void {
    const core = this.#core;
    const others = core.membership.living().filter((m) => core.agreedLink(m.id) !== null);
    const heard = others.some((m) => core.lease.hasAck(m.id));
    if (others.length === 0 && now < this.#meetUntil) {
      this.#releasingSince = now;
      return;
    }
    if (heard || others.length === 0 || now - this.#releasingSince! >= RELEASE_MS) {
      core.ended = true;
      core.actions.push({ kind: "released", heard: core.own.gone && heard });
    } else if (core.schedule.due("release", RELEASE_AGAIN_MS, now)) askAcknowledgement(core);
  }

  // By our own word dead: nobody need wait for the suspicion to run out. Our lease stays ours.
  #leave(): void {
    const core = this.#core;
    const statement = {
      id: core.identity.id,
      incarnation: core.own.incarnation,
      state: 2,
      stopped: true,
    } as const;
    const records = core.recordItems([core.identity.id]);
    const goodbye = { kind: "push", ack: false, records, statements: [statement] } as const;
    for (const link of core.agreedLinks()) core.say(link, goodbye);
    for (const { id } of core.membership.living()) if (core.agreedLink(id) === null) core.sayTo(id, goodbye);
    if (core.mesh !== null && core.informed) core.persist();
    core.ended = true;
  }
}

// Of a path probe, 16 hexadecimal digits; of anything shorter none that anybody waits for.
function probeNonce(bytes: Uint8Array): string {
  if (decodeProbe(bytes, 0, bytes.length) !== PROBE_ANSWER) return "";
  const words = [probeNonceHigh(bytes, 0), probeNonceLow(bytes, 0)];
  return words.map((word) => word.toString(16).padStart(8, "0")).join("");
}
