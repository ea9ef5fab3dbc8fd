// What a person reads of a copied identity: on the other members, and on the two hosts that run with it. Which of these
// ends says so by itself (clones.ts).

import { shortId } from "../crypto/identity.ts";
import type { Core } from "./core.ts";
import type { NodeRecord } from "./record.ts";
import type { TwinBody } from "./twins.ts";

const LOG_EVERY_MS = 60_000;
const COPIED =
  "a state directory copied, or restored from a backup? Stop ovltun on the copy, and remove its state " +
  "directory (rm -r, not down --purge: the lease is the original's)";

/** To everybody in the mesh: the life of this node with that boot nonce gives a sign of another. */
export function reportClone(core: Core, record: NodeRecord, life: string, now: number): void {
  const until = core.twinSigns.note(record.id, life, now);
  if (until === null) return;
  const message = `Two hosts run with the identity ${shortId(record.id)} (${record.name}): was ${COPIED}`;
  core.warnings.set(`clone ${record.id}`, message, until);
  if (core.out.due(`clone ${record.id}`, LOG_EVERY_MS, now)) {
    core.out.log("error", message, { peer: shortId(record.id) });
  }
}

/** To one of the two: a member hears another host with our identity. Logged once, whoever says it, and of whom. */
export function reportTwin(core: Core, member: string, { endpoint }: TwinBody): void {
  const message = `${member} hears another host with the identity of this one, at ${endpoint}: was ${COPIED}`;
  const told = core.warnings.has("twin");
  core.warn("twin", message);
  if (!told && core.out.due("twin", LOG_EVERY_MS, core.now)) {
    core.out.log("error", message, { from: endpoint });
  }
}
