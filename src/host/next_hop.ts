/**
 * Whether a peer's address can be the gateway of a route: a neighbour of ours, on an interface whose neighbours have addresses
 * of their own. Through a device without (tun, WireGuard, ppp) the kernel takes a gateway and ignores it: the packet goes
 * to the other end, which knows nothing of the overlay's addresses and drops it. Reads the host, changes
 * nothing.
 */

import type { HostNetwork, NetworkInterface, NextHop } from "../ports/host.ts";
import { isOnLink } from "./underlay.ts";

export function nextHop(net: HostNetwork, address: string, interfaces: readonly NetworkInterface[]): NextHop {
  const hop = isOnLink(net, address);
  if (hop === null) return { why: `${address} is behind a gateway` };
  const iface = interfaces.find((candidate) => candidate.index === hop.iface);
  if (iface?.noNeighbours !== true) return hop;
  return {
    why: `${address} is behind ${iface.name}, a device without link-layer addresses (tun, WireGuard, ppp)`,
  };
}
