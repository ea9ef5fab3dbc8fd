/**
 * Names among the endpoints of records, "home.example:8473": which are worth looking up, and when. A node is looked for
 * where its names lead as long as there is no link to it, so that an address that changed while either side was off is
 * found. Names are texts of others: few of each node, few a minute in all. What came of them is in name_table.ts.
 */

import type { Core } from "./core.ts";
import { namesOf } from "../records/name_table.ts";
import { wantLink } from "./record_steps.ts";

/** So long after the start addresses may do. */
const GRACE_MS = 1000;
const LOOK_EVERY_MS = 500;
const LOOKUPS_A_SECOND = 0.5;
const LOOKUPS_AT_ONCE = 16;

/** Asks for the names of the nodes that there is no link to. Where there are more than may be asked, chance decides. */
export function tickNames(core: Core, now: number): void {
  if (now - core.startedAt < GRACE_MS || !core.schedule.due("look at names", LOOK_EVERY_MS, now)) return;
  const due = dueNames(core, now);
  while (due.length > 0 && core.throttle.allows("names", LOOKUPS_A_SECOND, now, LOOKUPS_AT_ONCE)) {
    const [name] = due.splice(core.random.below(due.length), 1);
    core.names.asked(name!, now);
    core.actions.push({ kind: "resolve", name: name! });
  }
}

function dueNames(core: Core, now: number): string[] {
  const due = new Set<string>();
  for (const record of core.store.named()) {
    if (record.id === core.identity.id || !core.demand.wants(record.id)) continue;
    if (core.links.isUp(record.id) || core.directives.isForgotten(record)) continue;
    for (const name of namesOf(record)) if (core.names.due(name, now)) due.add(name);
  }
  return [...due];
}

/** A lookup has ended. */
export function onResolved(core: Core, name: string, endpoints: readonly string[], now: number): void {
  if (!core.names.learn(name, endpoints, now)) return;
  for (const record of core.store.named()) {
    if (namesOf(record).includes(name)) wantLink(core, record.id, now);
  }
}
