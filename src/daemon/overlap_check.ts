/** Refuses an overlay network that would hide a network of this host. */
import { ConfigError } from "../config/config_error.ts";
import { describeOverlap, overlappingRoute } from "../host/overlap.ts";
import { ROUTE_PROTOCOL } from "../host/owned.ts";
import type { HostNetwork } from "../ports.ts";

/** Throws ConfigError that names the route. `subnet` is a lease of an earlier run, which a bridge may rightly hold. */
export function refuseOverlap(
  net: HostNetwork,
  network: string,
  device: string,
  subnet: string | null,
): void {
  const links = net.links();
  const route = overlappingRoute(net.routes(), net.addresses(), network, {
    protocol: ROUTE_PROTOCOL,
    device: links.find((link) => link.name === device)?.index ?? null,
    subnet,
  });
  if (route !== null) throw new ConfigError("network", describeOverlap(network, route, links));
}
