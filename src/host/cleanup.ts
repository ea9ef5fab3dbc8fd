// Takes away the routes that are marked ours. Used when the lease goes, by `down`, and by `down --purge` after a
// crash, when nobody remembers what was installed: the marks on the host are all that counts. The device needs
// nothing of the kind: it lives as long as its daemon.

import type { HostNetwork } from "../ports.ts";
import { describeRoute } from "./describe.ts";
import { isOwned } from "./owned.ts";
import { attempt, type Reconciliation } from "./reconcile_host.ts";

/**
 * Removes our routes into `network`. Returns what was removed, then what could not be ("Cannot …"). Throws what
 * reading the host throws.
 */
export function removeOwned(net: HostNetwork, network: string): string[] {
  const report: Reconciliation = { repaired: [], failed: [] };
  const links = net.links();
  for (const route of net.routes()) {
    if (!isOwned(route, network)) continue;
    attempt(report, `Removed route ${describeRoute(route, links)}`, () => net.deleteRoute(route));
  }
  return [...report.repaired, ...report.failed];
}
