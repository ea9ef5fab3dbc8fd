/**
 * What was waiting for the disk: once it is there, a mesh is founded, directives of our own are obeyed and told, and our
 * record says what it could not say before (own_state.ts).
 */

import type { Core } from "./core.ts";
import { obey } from "./forget_steps.ts";
import { tellClaim } from "./lease_steps.ts";
import { completeFounding } from "./start_steps.ts";

export function onStored(core: Core, ticket: number, now: number): void {
  const waited = !core.ownState.mayInitiate;
  const done = core.ownState.stored(ticket);
  if (done === null) return;
  if (waited && core.ownState.mayInitiate) core.links.tick(now);
  if (done.founded !== null) completeFounding(core, done.founded);
  for (const directive of done.issued) obey(core, directive, now);
  tellClaim(core, now);
}
