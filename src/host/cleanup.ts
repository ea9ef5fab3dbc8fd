// Takes away what we own: the routes marked ours and the device. Used by `down`, by `down --purge`, and at start
// after a crash, when nobody remembers what was installed: the marks on the host are all that counts.

import type { HostNetwork } from "../ports.ts";
import { describeRoute } from "./describe.ts";
import { isOwned } from "./owned.ts";
import { attempt, type Reconciliation } from "./reconcile_host.ts";

/** Whose traces to remove. */
export interface Owner {
  /** Name of the TUN device. */
  readonly device: string;
  /** Only routes into this network; null for every route that is marked ours. */
  readonly network: string | null;
}

/**
 * Removes our routes, then the device, if it is a TUN device of that name and not somebody else's link.
 * Returns what was removed, then what could not be ("Cannot …"). Throws what reading the host throws.
 */
export function removeOwned(net: HostNetwork, owner: Owner): string[] {
  const report: Reconciliation = { repaired: [], failed: [] };
  const links = net.links();
  for (const route of net.routes()) {
    if (!isOwned(route, owner.network)) continue;
    attempt(report, `Removed route ${describeRoute(route, links)}`, () => net.deleteRoute(route));
  }
  const device = links.find((link) => link.name === owner.device && link.kind === "tun");
  if (device !== undefined) {
    attempt(report, `Removed device ${device.name}`, () => net.deleteLink(device.index));
  }
  return [...report.repaired, ...report.failed];
}
