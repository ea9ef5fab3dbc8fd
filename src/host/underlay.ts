// The host's own network under the overlay: which of our addresses others should send to, how large a packet it
// carries, and who shares a link with us. Reads the host and decides; changes nothing.

import type { HostNetwork, Link, LinkAddress, Route } from "../ports.ts";
import { isLinkLocal, isLoopback, isMulticast, parseAddress } from "../wire/address.ts";

const MAX_ADVERTISED = 8;
const TABLE_MAIN = 254;
const SCOPE_HOST = 254;

/** Where to look for our addresses. */
export interface UnderlayChoice {
  /** An interface by its name or by one of its addresses; null to find out. */
  readonly iface: string | null;
  /** Addresses of the configured peers; what is no address is passed over. */
  readonly towards: readonly string[];
  /** Name of our own device, whose addresses nobody should send to. */
  readonly exclude: string | null;
}

/**
 * The addresses to advertise, the best first, at most eight. With `iface` those of that interface. Else the
 * sources the kernel picks towards the configured peers, then the addresses of the interfaces of the default
 * routes. Where neither gives one, those of every link that is up and neither loopback, TUN nor a bridge.
 * Throws an Error when `iface` is unknown or has no usable address.
 */
export function advertisedAddresses(net: HostNetwork, choice: UnderlayChoice): string[] {
  const links = net.links();
  const addresses = net.addresses();
  if (choice.iface !== null) return namedAddresses(choice.iface, links, addresses);
  const excluded = links.find((link) => link.name === choice.exclude)?.index ?? null;
  const usable = addresses.filter((a) => a.link !== excluded && isGlobal(a));
  const holders = (indices: readonly number[]) => indices.flatMap((i) => usable.filter((a) => a.link === i));
  const found = [
    ...choice.towards.flatMap((peer) => sourceTowards(net, peer, usable)),
    ...holders(defaultLinks(net.routes())),
  ];
  if (found.length === 0) found.push(...holders(links.filter(isOrdinary).map((link) => link.index)));
  return distinct(found);
}

function namedAddresses(iface: string, links: readonly Link[], addresses: readonly LinkAddress[]): string[] {
  const held = addresses.find((a) => a.address === iface);
  if (held !== undefined) return [held.address];
  if (parseAddress(iface) !== null) throw new Error(`Address "${iface}" is on no interface of this host`);
  const link = links.find((candidate) => candidate.name === iface);
  if (link === undefined) {
    const names = links.map((candidate) => candidate.name).join(", ");
    throw new Error(`Interface "${iface}" does not exist (there are ${names})`);
  }
  const own = addresses.filter((a) => a.link === link.index && isReachable(a.address));
  if (own.length === 0) throw new Error(`Interface "${iface}" has no address that others could reach`);
  return distinct(own);
}

function sourceTowards(net: HostNetwork, peer: string, usable: readonly LinkAddress[]): LinkAddress[] {
  if (parseAddress(peer) === null) return [];
  const source = net.routeTo(peer)?.source;
  return usable.filter((a) => a.address === source);
}

// Links of the default routes, the lowest metric first.
function defaultLinks(routes: readonly Route[]): number[] {
  return routes
    .filter((r) =>
      r.type === "unicast" && r.table === TABLE_MAIN && /^(0\.0\.0\.0|::)\/0$/.test(r.destination)
    )
    .sort((a, b) => a.metric - b.metric)
    .flatMap((r) => r.link === null ? [] : [r.link]);
}

function isOrdinary(link: Link): boolean {
  return link.up && !link.loopback && link.kind !== "tun" && link.kind !== "bridge";
}

function isGlobal(a: LinkAddress): boolean {
  const address = parseAddress(a.address);
  if (address === null || a.scope >= SCOPE_HOST) return false;
  return !isLinkLocal(address) && !isLoopback(address) && !isMulticast(address);
}

// An IPv4 link-local address is one that others on the link can use; an IPv6 one would need a zone.
function isReachable(text: string): boolean {
  const address = parseAddress(text);
  return address !== null && !isLoopback(address) && !(text.includes(":") && isLinkLocal(address));
}

function distinct(addresses: readonly LinkAddress[]): string[] {
  return [...new Set(addresses.map((a) => a.address))].slice(0, MAX_ADVERTISED);
}

/** The smallest MTU of the links that hold these addresses; null when none does. */
export function underlayMtu(net: HostNetwork, addresses: readonly string[]): number | null {
  const holders = new Set(net.addresses().filter((a) => addresses.includes(a.address)).map((a) => a.link));
  const mtus = net.links().filter((link) => holders.has(link.index)).map((link) => link.mtu);
  return mtus.length === 0 ? null : Math.min(...mtus);
}

/**
 * The link by which an address is reached without a gateway, or null: flannel's test for a direct route.
 * Our own addresses are not on a link.
 */
export function isOnLink(net: HostNetwork, address: string): { link: number } | null {
  if (parseAddress(address) === null) return null;
  const route = net.routeTo(address);
  return route !== null && route.type === "unicast" && route.gateway === null ? { link: route.link } : null;
}
