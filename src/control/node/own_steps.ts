/**
 * Our own record on its way out: a new version of it is on disk first, and told only once nothing holds it back.
 */

import type { Core } from "./core.ts";

/** Writes a new version of our record: on disk, into the store, and to the others. */
export function rewriteOwn(
  core: Core,
  change: "epoch" | { readonly above: number; readonly epoch?: number },
): void {
  if (change === "epoch") core.own.nextEpoch();
  else core.own.incarnateAbove(change.above, change.epoch);
  core.store.insert(core.own.sign(Math.floor((core.now - core.startedAt) / 1000)));
  core.persistence.persist();
  if (core.life.mayTell) tellOwn(core);
  core.changed = true;
}

/** From now on our own record is told. */
export function speak(core: Core): void {
  if (core.life.mayTell) return;
  core.life.speak();
  if (core.store.get(core.identity.id) === undefined) rewriteOwn(core, "epoch");
  else tellOwn(core);
}

function tellOwn({ news, store, identity }: Core): void {
  news.add({ kind: "record", id: identity.id }, store.size);
}
