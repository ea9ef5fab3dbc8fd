/**
 * What becomes of links here: one that comes up is measured and asked what its peer knows, one that is silent is given up,
 * one that leads to no node of our mesh is asked until it says so.
 */

import { shortId } from "../../crypto/identity.ts";
import type { LinkEvent } from "../links/links.ts";
import { onClone } from "./clone_steps.ts";
import type { Core } from "./core.ts";
import { tellRevoked, tellRevokedLink } from "./forget_steps.ts";
import { tellJoiner } from "./join_steps.ts";
import { wantLink } from "./record_steps.ts";
import { beginSync, introduce, mayCompare } from "./sync_steps.ts";
import { tellConfig } from "./voice.ts";

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
