/** Sentences for a person whose host is joining: whom it waits for, since when, and what to check. */

import type { Core } from "./core.ts";
import type { Seed } from "../mesh/mesh_config.ts";
import type { Target } from "../links/target.ts";
import { outcomeText } from "../paths/outcome.ts";
import type { WaitingFor } from "../paths/view.ts";

const FIRST_AGAIN_MS = 2000;
const AGAIN_MS = 10_000;
/** Endpoints of a seed that a message shows. */
const SEED_ENDPOINTS = 2;

/** Whom we wait for. Empty once we may claim. */
export function waitingFor(core: Core, now: number): WaitingFor[] {
  if (core.life.mayClaim || core.life.ended) return [];
  const list = core.seeds.map((seed) => {
    const targets = seed.endpoints.map((e) => core.links.targets.get(e));
    const since = Math.min(now, ...targets.map((t) => t?.firstTriedAt ?? now));
    const seconds = Math.floor((now - since) / 1000);
    const refused = targets.find((t) => t?.outcome.kind === "refused")?.outcome;
    // What does not leave this host is not the peer's fault.
    const notSent = targets.find((t) => t !== undefined && core.links.refusedHere.has(t))?.outcome;
    const own = targets.length > 0 && targets.every((t) => t?.answeredBy === core.identity.id);
    const inside = seed.endpoints.length > 0 &&
      !seed.endpoints.some((endpoint) => core.outside.has(endpoint));
    const answered = targets.some((t) => t?.answeredBy);
    const what = seed.endpoints.length === 0
      ? "the name does not resolve (DNS? a typo?)"
      : inside
      ? "that address is inside the mesh (use an address of the host itself)"
      : own
      ? "this is our own address"
      : refused !== undefined
      ? outcomeText(refused)
      : notSent !== undefined
      ? outcomeText(notSent)
      : answered
      ? answers(core, targets)
      : null;
    const hint = what ?? "firewall? wrong network name? not started?";
    const whom = seedText(seed);
    const message = what === null
      ? `waiting for ${whom}: no answer for ${seconds} s (${hint})`
      : `waiting for ${whom}: ${what}`;
    return { peer: seed.text, endpoints: seed.endpoints, since, message, hint, own };
  });
  if (list.length > 0 || core.life.mesh === null) return forOthers(list);
  return waitingForKnown(core, now);
}

// An address that this host has as well says nothing where there are others to wait for: every VM of one kind has it.
function forOthers(list: readonly (WaitingFor & { readonly own: boolean })[]): WaitingFor[] {
  const others = list.filter(({ own }) => !own);
  const hint = "the intended host must announce another address of its own (there: --iface or --advertise)";
  return (others.length > 0 ? others : list).map(({ own, ...waiting }) =>
    own ? { ...waiting, message: `${waiting.message}; ${hint}`, hint } : waiting
  );
}

// The user's word, and what became of it where that tells more: the port above all.
function seedText({ text, endpoints }: Seed): string {
  if (endpoints.length === 0 || endpoints.includes(text)) return text;
  const more = endpoints.length > SEED_ENDPOINTS ? ", …" : "";
  return `${text} (${endpoints.slice(0, SEED_ENDPOINTS).join(", ")}${more})`;
}

// It answers hellos: whether as a member, who has not told us everything yet, or as a joiner.
function answers(core: Core, targets: readonly (Target | undefined)[]): string {
  const links = targets.map((t) => (t?.answeredBy ? core.links.get(t.answeredBy) : undefined));
  if (links.some((link) => link?.member || typeof link?.mesh === "string")) {
    return "it answers, but has not sent us the state of the mesh yet";
  }
  const others = core.joiners.size === 1 ? "1 other joiner" : `${core.joiners.size} other joiners`;
  return `it answers but is joining too; ${others} seen`;
}

// Started from a stored mesh without a lease: any member we knew would do.
function waitingForKnown({ identity, startedAt, store }: Core, now: number): WaitingFor[] {
  const list: WaitingFor[] = [];
  for (const record of store.records()) {
    if (record.id === identity.id || record.gone || list.length >= 8) continue;
    const seconds = Math.floor((now - startedAt) / 1000);
    const where = record.endpoints[0] ?? "no endpoint known";
    const hint = "not running there? or start this node with --found";
    const message = `waiting for ${record.name} (${where}): no answer for ${seconds} s (${hint})`;
    list.push({ peer: record.name, endpoints: record.endpoints, since: startedAt, message, hint });
  }
  return list;
}

/** Logs whom we wait for: at 2 s, and every 10 s. */
export function logWaiting(core: Core, now: number): void {
  if (
    core.life.mayClaim || now - core.startedAt < FIRST_AGAIN_MS ||
    !core.schedule.due("waiting", AGAIN_MS, now)
  ) return;
  for (const { message, peer } of waitingFor(core, now)) {
    core.actions.log("warning", message[0]!.toUpperCase() + message.slice(1), { peer });
  }
}
