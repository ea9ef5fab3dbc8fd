/** Refuses an overlay network that would hide a network of this host. */
import { ConfigError } from "../config/config_error.ts";
import { describeOverlap, overlappingRoute } from "../host/overlap.ts";
import { ROUTE_PROTOCOL } from "../host/owned.ts";
import type { HostNetwork } from "../ports.ts";

/** What the host is compared with. */
export interface OverlayPlace {
  readonly network: string;
  /** A mesh has that network already: nobody here can choose another. */
  readonly settled: boolean;
  readonly device: string;
  /** A lease of an earlier run, which a bridge may rightly hold. */
  readonly subnet: string | null;
}

/** Throws ConfigError that names the route. */
export function refuseOverlap(net: HostNetwork, { network, settled, device, subnet }: OverlayPlace): void {
  const links = net.links();
  const route = overlappingRoute(net.routes(), net.addresses(), network, {
    protocol: ROUTE_PROTOCOL,
    device: links.find((link) => link.name === device)?.index ?? null,
    subnet,
  });
  if (route !== null) throw new ConfigError("network", describeOverlap(network, route, links, settled));
}
