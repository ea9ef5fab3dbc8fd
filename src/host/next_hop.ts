// Whether a peer's address can be the gateway of a route: a neighbour of ours, on a link whose neighbours have addresses
// of their own. Through a device without (tun, WireGuard, ppp) the kernel takes a gateway and ignores it: the packet goes
// to whoever is at the other end, who knows nothing of the overlay's addresses and drops it. Reads the host, changes
// nothing.

import type { HostNetwork, Link } from "../ports/host.ts";
import { isOnLink } from "./underlay.ts";

/** The link of a next hop; null: the address is behind a gateway; a text: why it is none all the same. */
export function nextHopLink(
  net: HostNetwork,
  address: string,
  links: readonly Link[],
): number | string | null {
  const hop = isOnLink(net, address);
  if (hop === null) return null;
  const link = links.find((candidate) => candidate.index === hop.link);
  if (link?.noNeighbours !== true) return hop.link;
  return `${address} is reached by ${link.name}, a device without link addresses (tun, WireGuard, ppp)`;
}
