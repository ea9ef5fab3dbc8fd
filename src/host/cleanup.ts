/**
 * Takes away the routes that are marked ours. Used when the lease goes, by `down`, and by `down --purge` after a
 * crash, when there is no memory of what was installed: the marks on the host are all that counts. The device needs
 * nothing of the kind: it lives as long as its daemon.
 */

import type { HostNetwork } from "../ports/host.ts";
import { describeRoute } from "./describe.ts";
import { isInside, type Prefix, samePrefix } from "../wire/prefix.ts";
import { addressAlone, isOwned, OWN_ROUTES, UNREACHABLE_METRIC } from "./owned.ts";
import { attempt, type Reconciliation } from "./reconcile_host.ts";

/**
 * Removes our routes into `network`. Throws what reading the host throws.
 */
export function removeOwned(net: HostNetwork, network: Prefix): Reconciliation {
  const report: Reconciliation = { repaired: [], failed: [] };
  const interfaces = net.interfaces();
  for (const route of net.routes(OWN_ROUTES)) {
    if (!isOwned(route, network)) continue;
    attempt(report, `Removed route ${describeRoute(route, interfaces)}`, () => net.deleteRoute(route));
  }
  return report;
}

/**
 * Removes what a daemon that died left of its own subnet when its network is not known any more: the unreachable route,
 * which outlives the device. Of a living daemon the address in that subnet is there, too. `but` are subnets to leave
 * alone.
 */
export function removeOrphans(net: HostNetwork, but: readonly Prefix[]): Reconciliation {
  const report: Reconciliation = { repaired: [], failed: [] };
  const interfaces = net.interfaces();
  const held = net.addresses().map(addressAlone);
  for (const route of net.routes(OWN_ROUTES)) {
    const { type, metric, destination } = route;
    if (!isOwned(route, null) || type !== "unreachable" || metric !== UNREACHABLE_METRIC) continue;
    if (
      but.some((one) => samePrefix(destination, one)) ||
      held.some((address) => isInside(address, destination))
    ) continue;
    attempt(report, `Removed route ${describeRoute(route, interfaces)}`, () => net.deleteRoute(route));
  }
  return report;
}
