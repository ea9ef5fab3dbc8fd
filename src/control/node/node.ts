/**
 * The control plane of one node, and the one class the daemon uses: events in, actions out, a view on demand. It holds
 * no clock, no socket and no file; the same class runs in the daemon and, by the dozen, in the tests' simulated
 * networks. What happens in which order on each event can be read here; the decisions are in the files it calls.
 */

import type { NetworkSecret } from "../../crypto/network_secret.ts";
import type { Seed } from "../mesh/mesh_config.ts";
import type { Action, ControlEvent } from "../outbox/events.ts";
import type { NodeView, OwnView, PeerView } from "../paths/view.ts";
import type { StoredState } from "../records/state.ts";
import { tellAlone } from "./alone_steps.ts";
import { Core, type NodeSetup } from "./core.ts";
import { onSessionWanted, onTraffic, outgrow, tickDemand } from "./demand_steps.ts";
import { expectTick, nextTickAt } from "./due_steps.ts";
import { forget } from "./forget_steps.ts";
import { tellFullness } from "./full_steps.ts";
import { tellInside } from "./inside_steps.ts";
import { tickJoining } from "./join_steps.ts";
import { leaseMayChange, stepLease } from "./lease_steps.ts";
import { continueRelease, leave, release } from "./leave_steps.ts";
import { onDatagram, onLinks, onSessionMessage, tickLinks } from "./receive_steps.ts";
import { onResolved, tickNames } from "./name_steps.ts";
import { performMembership } from "./record_steps.ts";
import { reserve } from "./reserve_steps.ts";
import { rotate, rotationProblem, tickRotation } from "./rotation_steps.ts";
import { spreadNews, tickSync } from "./sync_steps.ts";
import { onStored, start } from "./start_steps.ts";
import { buildView, leasedSize, ownView, viewOfPeer } from "./view_steps.ts";
import { logWaiting } from "./waiting_steps.ts";
import { tickWays } from "./way_steps.ts";

/** While much changes host and data plane follow so often. */
const STORM_MS = 250;

export class ControlPlane {
  readonly #core: Core;
  readonly #stored: StoredState | null;
  #started = false;

  /** `stored` is what the last actions `persist` and `remember` left, or null. Nothing happens before the first event. */
  constructor({ stored, ...setup }: NodeSetup & { readonly stored: StoredState | null }) {
    this.#core = new Core(setup);
    this.#stored = stored;
  }

  /** Takes in one event; returns what to do, in order. Empty after a refusal, a release or a leave. */
  handle(event: ControlEvent, now: number): Action[] {
    const core = this.#core;
    if (core.life.ended) return [];
    core.now = now;
    if ("at" in event) core.membership.health.reads(event.at, now);
    if ("from" in event) core.called.hears(event.from, event.kind === "sessionMessage" ? "" : event.to);
    else core.called.hears();
    if (!this.#started) {
      this.#started = true;
      start(core, this.#stored, now);
    }
    if (!core.life.ended) this.#on(event, now);
    if (!core.life.ended) settle(core, event.kind === "tick", now);
    core.ownState.flush();
    expectTick(core, now);
    return core.actions.drain();
  }

  /** When the next tick is to come, as things are; each event may change that. Infinity: this life has ended. */
  get dueAt(): number {
    const core = this.#core;
    return core.life.ended ? Infinity : core.tickDueAt ?? nextTickAt(core);
  }

  /** Why `rotate` would do nothing, a sentence, or null. */
  rotationProblem(secret: NetworkSecret): string | null {
    return rotationProblem(this.#core, secret);
  }

  /** Which of our addresses the node at `endpoint` uses; undefined: not known. */
  called(endpoint: string): string | undefined {
    return this.#core.called.get(endpoint);
  }

  /** Everything known, as plain data. */
  view(now: number): NodeView {
    return buildView(this.#core, now);
  }

  /** This node alone, as in the view. */
  own(now: number): OwnView {
    return ownView(this.#core, now);
  }

  /** One other node, as in the view; null: it is not there. */
  peer(id: string): PeerView | null {
    return viewOfPeer(this.#core, id);
  }

  /** How many other nodes are alive and hold a lease. */
  get leasedSize(): number {
    return leasedSize(this.#core);
  }

  #on(event: ControlEvent, now: number): void {
    const core = this.#core;
    switch (event.kind) {
      case "tick":
        return tick(core, now);
      case "datagram":
        return onDatagram(core, event, now);
      case "unknownIndex":
        return core.links.poke(event.from, false, now);
      case "badMac":
        return core.sealed?.failures.badMac(event.from, event.question, now);
      case "sessionConfirmed":
        return onLinks(core, core.sealed?.sessions.confirm(event.receiveIndex, now), now);
      case "sessionMessage":
        return onSessionMessage(core, event, now);
      case "sessionWanted":
        return onSessionWanted(core, event.id, now);
      case "traffic":
        return onTraffic(core, event.ids, now);
      case "roamed":
        if (!core.outside.has(event.endpoint)) return core.tally.reject();
        if (event.to !== undefined && core.called.set(event.endpoint, event.to)) core.changed = true;
        return onLinks(core, core.sealed?.sessions.roamed(event.id, event.endpoint, now), now);
      case "sendRefused":
        return core.links.targets.noteRefusal(event.to, event.refusal);
      case "seeds":
        return setSeeds(core, event.seeds, now);
      case "ownEndpoints":
        if (core.own.setEndpoints(event.endpoints) && core.life.member) core.ownState.rewrite("epoch");
        return;
      case "resolved":
        return onResolved(core, event.name, event.endpoints, now);
      case "ways":
        return core.ways.set(event.ways, now);
      case "checkWays":
        return core.ways.check(event.id, now);
      case "release":
        return release(core, event.meetMs ?? 0, now);
      case "forget":
        return forget(core, event.target, event.revoke);
      case "reserve":
        return reserve(core, event);
      case "rotate":
        return rotate(core, event.secret, event.dropOld, now);
      case "stored":
        return onStored(core, event.ticket, now);
      case "unremembered":
        return core.memory.lost();
      case "leave":
        return leave(core);
    }
  }
}

function setSeeds(core: Core, seeds: readonly Seed[], now: number): void {
  const { targets } = core.links;
  for (const { text } of core.seeds) targets.name("seeds", text, [], now);
  core.seeds = seeds;
  for (const { text, endpoints } of seeds) targets.name("seeds", text, endpoints, now);
  core.links.tick(now);
}

function tick(core: Core, now: number): void {
  const dueAt = core.tickDueAt ?? nextTickAt(core);
  core.tickedAt = now;
  outgrow(core, now);
  core.links.tick(now);
  onLinks(core, core.links.settle(now), now);
  if (core.life.ended) return;
  tickJoining(core, now);
  if (core.life.ended) return;
  if (core.life.member) performMembership(core, core.membership.tick(now, dueAt), now);
  tickLinks(core, now);
  tickDemand(core, now);
  tickSync(core, now);
  tickWays(core, now);
  tickRotation(core, now);
  tellInside(core, now);
  tickNames(core, now);
  tellAlone(core, now);
  tellFullness(core, now);
  logWaiting(core, now);
  if (core.life.member) core.memory.tick(now);
}

// What may follow from any event.
function settle(core: Core, ticked: boolean, now: number): void {
  if (core.releasing !== null) continueRelease(core, core.releasing, now);
  else if (ticked || leaseMayChange(core)) stepLease(core, now);
  if (core.life.ended) return;
  if (core.life.member) spreadNews(core, now);
  if (
    !core.changedNow &&
    !(core.changed && (core.mayReconcile(now) || (ticked && core.stirredAt + STORM_MS <= now)))
  ) {
    return;
  }
  core.actions.push(core.changedNow ? { kind: "reconcile" } : { kind: "reconcile", soon: true });
  core.changed = core.changedNow = false;
  core.stirredAt = now;
}
