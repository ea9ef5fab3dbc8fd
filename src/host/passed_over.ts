/** Why no address of a link is announced, for users of a host that no other can reach. */

import type { HostNetwork, Link, LinkAddress } from "../ports/host.ts";
import { linkRole } from "./link_roles.ts";
import { isReachable } from "./underlay.ts";

/** Links that one sentence names. */
const LINKS_SHOWN = 8;

/** Each link without an announced address, and why: "lo (loopback), docker0 (only for guests of this host)". */
export function passedOver(net: HostNetwork, exclude: string | null): string {
  const links = net.links();
  const addresses = net.addresses();
  const held = (link: Link) => addresses.some((a) => a.link === link.index);
  // The many ports of guests are of no interest.
  const shown = links.filter((link) => link.master === null || held(link));
  const reasons = shown.map((link) => `${link.name} (${whyPassedOver(link, links, addresses, exclude)})`);
  const more = reasons.length - LINKS_SHOWN;
  return reasons.slice(0, LINKS_SHOWN).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function whyPassedOver(
  link: Link,
  links: readonly Link[],
  addresses: readonly LinkAddress[],
  exclude: string | null,
): string {
  const role = linkRole(link, links, exclude);
  const own = addresses.filter((a) => a.link === link.index);
  if (role === "own") return "our own device";
  if (role === "down") return "down";
  if (link.loopback) return "loopback";
  if (own.length === 0) return "no address";
  if (own.every((a) => a.scope !== 0 || !isReachable(a.address))) return "only a link-local IPv6 address";
  if (role === "guests") return "only for guests of this host";
  return "no usable address yet";
}
