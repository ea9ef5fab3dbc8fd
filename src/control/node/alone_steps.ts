/**
 * A member that reaches no other node: it has its lease and its routes, and looks healthy from inside. Said in the log
 * once it has lasted, from time to time after that, and when it is over; and in `status` for as long as it lasts.
 */

import { shortId } from "../../crypto/identity.ts";
import type { Core } from "./core.ts";
import type { Link } from "../links/link_table.ts";
import type { Targets } from "../links/targets.ts";
import { type Outcome, outcomeText } from "../paths/outcome.ts";
import type { NodeRecord } from "../records/record.ts";

const LOOK_EVERY_MS = 1000;
const AFTER_MS = 10_000;
const AGAIN_MS = 600_000;
const HOLDS_MS = 3000;
/** So long a link has lasted before it ends that. */
const COMPANY_MS = 2000;
/** Others that one line names. */
const NAMED_MAX = 3;
const ENDPOINTS_EACH = 2;

/** Logs when no node has been reached for a while, and when one is again. */
export function tellAlone(core: Core, now: number): void {
  if (!core.schedule.due("look for company", LOOK_EVERY_MS, now)) return;
  const { alone } = core;
  const reached = core.agreed.all()[0];
  if (reached !== undefined && !alone.said) {
    alone.since = null;
    return;
  }
  const others = core.life.member && core.life.mayClaim ? awaited(core) : [];
  if (others.length === 0) {
    alone.since = null;
    alone.said = false;
    return;
  }
  if (reached !== undefined) return tellCompany(core, reached, now);
  alone.since ??= now;
  if (now - alone.since < AFTER_MS) return;
  const sentence = `No other node of the mesh can be reached: ${others.slice(0, NAMED_MAX).join("; ")}` +
    `${others.length > NAMED_MAX ? `; and ${others.length - NAMED_MAX} more` : ""}. ` +
    "Is this host's network up, are they running, and is UDP open to these ports?";
  core.warnings.set("alone", sentence, now + HOLDS_MS);
  if (alone.said && !core.schedule.due("alone", AGAIN_MS, now)) return;
  core.schedule.done("alone", now);
  alone.said = true;
  core.actions.log("warning", `${sentence} (for ${Math.floor((now - alone.since) / 1000)} s)`);
}

// A node that only comes to take its leave is no company.
function tellCompany(core: Core, link: Link, now: number): void {
  const { alone } = core;
  if (now - link.since < COMPANY_MS) return;
  const name = core.store.nameOf(link.id);
  const seconds = Math.round((now - (alone.since ?? now)) / 1000);
  core.actions.log("info", `Reached ${name} again after ${seconds} s without any other node`, {
    peer: shortId(link.id),
  });
  alone.since = null;
  alone.said = false;
}

// Members that ought to be there, and where each was tried; without any the `--peers` entries.
function awaited(core: Core): string[] {
  const records = [...core.store.records()].filter((record) =>
    record.id !== core.identity.id && !record.gone && !core.directives.isForgotten(record)
  );
  const missed = records.filter(({ id }) => !(core.membership.get(id)?.stopped ?? false));
  if (records.length > 0) return missed.map((record) => `${record.name} (${triedOf(core, record)})`);
  return core.seeds.map(({ text, endpoints }) => {
    const outcome = endpoints.length === 0 ? "does not resolve" : outcomeOf(core.links.targets, endpoints);
    return `${text} (${outcome})`;
  });
}

function triedOf(core: Core, { endpoints }: NodeRecord): string {
  const unresolved = endpoints.filter((one) => core.names.known(one)?.failed ?? false);
  const tried = core.names.expand(endpoints).slice(0, ENDPOINTS_EACH);
  const parts = [
    ...unresolved.slice(0, 1).map((name) => `${name} does not resolve`),
    ...tried.map((endpoint) => `${endpoint}: ${outcomeOf(core.links.targets, [endpoint])}`),
  ];
  return parts.length === 0 ? "no endpoint known" : parts.join(", ");
}

const UNTRIED: Outcome = { kind: "untried" };

function outcomeOf(targets: Targets, endpoints: readonly string[]): string {
  const outcomes = endpoints.map((endpoint) => targets.get(endpoint)?.outcome ?? UNTRIED);
  return outcomeText(outcomes.find(({ kind }) => kind !== "untried") ?? UNTRIED);
}
