/** Why no address of an interface is announced, for users of a host that no other can reach. */

import type { HostNetwork, InterfaceAddress, NetworkInterface } from "../ports/host.ts";
import { interfaceRole } from "./interface_roles.ts";
import { isReachable } from "./underlay.ts";

/** Interfaces that one sentence names. */
const LINKS_SHOWN = 8;

/** Each interface without an announced address, and why: "lo (loopback), docker0 (only for guests of this host)". */
export function passedOver(net: HostNetwork, exclude: string | null): string {
  const interfaces = net.interfaces();
  const addresses = net.addresses();
  const held = (iface: NetworkInterface) => addresses.some((a) => a.iface === iface.index);
  // The many ports of guests are of no interest.
  const shown = interfaces.filter((iface) => iface.master === null || held(iface));
  const reasons = shown.map((iface) =>
    `${iface.name} (${whyPassedOver(iface, interfaces, addresses, exclude)})`
  );
  const more = reasons.length - LINKS_SHOWN;
  return reasons.slice(0, LINKS_SHOWN).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function whyPassedOver(
  iface: NetworkInterface,
  interfaces: readonly NetworkInterface[],
  addresses: readonly InterfaceAddress[],
  exclude: string | null,
): string {
  const role = interfaceRole(iface, interfaces, exclude);
  const own = addresses.filter((a) => a.iface === iface.index);
  if (role === "own") return "our own device";
  if (role === "down") return "down";
  if (iface.loopback) return "loopback";
  if (own.length === 0) return "no address";
  if (own.every((a) => a.scope !== 0 || !isReachable(a.address))) return "only a link-local IPv6 address";
  if (role === "guests") return "only for guests of this host";
  return "no usable address yet";
}
