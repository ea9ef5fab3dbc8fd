/**
 * The host's own network under the overlay: which of our addresses others should send to, how large a packet it
 * carries, and who shares a link with us. Reads the host and decides; changes nothing.
 */

import {
  type HostNetwork,
  type InterfaceAddress,
  type NetworkInterface,
  type Route,
  SCOPE_HOST,
  TABLE_MAIN,
} from "../ports/host.ts";
import {
  isIpv4,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  parseAddress,
} from "../wire/address.ts";
import { isPrivate, networkAround, type Prefix } from "../wire/prefix.ts";
import type { RouteFilter } from "../wire/route_filter.ts";
import { type InterfaceRole, interfaceRole } from "./interface_roles.ts";

/** As many endpoints fit into a record and into a token. */
const MAX_ADVERTISED = 8;
const DEFAULT_ROUTES: RouteFilter = { table: TABLE_MAIN, defaults: true };
/** Peers whose way is looked up for the MTU, at most. */
const MAX_LOOKUPS = 32;
/** IFA_F_… of IPv6 addresses (linux/if_addr.h). */
const TEMPORARY = 0x01;
const DAD_FAILED = 0x08;
const DEPRECATED = 0x20;
const TENTATIVE = 0x40;

/** Where to look for our addresses. */
export interface UnderlayChoice {
  /** An interface by its name or by one of its addresses; null to find out. */
  readonly iface: string | null;
  /** Addresses of the configured peers; what is no address is passed over. */
  readonly towards: readonly string[];
  /** Name of our own device, whose addresses must not be sent to. */
  readonly exclude: string | null;
  /** The overlay's networks, in which no address is of the underlay; absent while they are not known. */
  readonly networks?: readonly Prefix[];
}

/** An address that others may use, the interface it is on, and what that is. */
interface Candidate {
  readonly address: string;
  readonly iface: NetworkInterface;
  readonly role: InterfaceRole;
}

/** What to advertise. */
export interface Advertisable {
  /** The best first, at most eight. */
  readonly addresses: readonly string[];
  /** Nothing but what containers and VMs of this host, or tunnels, lead to. */
  readonly onlyGuests: boolean;
}

/**
 * The addresses to advertise. With `iface` those of that interface. Else the sources the kernel picks towards the
 * configured peers, the addresses of the default routes, then of interfaces with a public one, private ones, those of lo and
 * dummy interfaces, and those of VPNs. Only where there is none of all these an IPv4 link-local address, or what guests of
 * this host can reach. Of more than eight, those that differ in interface and family come before their likes. Throws an Error
 * when `iface` is not there or has no usable address.
 */
export function advertisable(net: HostNetwork, choice: UnderlayChoice): Advertisable {
  const [interfaces, addresses] = [net.interfaces(), net.addresses()];
  if (choice.iface !== null) {
    return {
      addresses: namedAddresses(choice.iface, interfaces, addresses, choice),
      onlyGuests: false,
    };
  }
  const usable = candidates(interfaces, addresses, choice);
  const ordinary = usable.filter(({ address }) => !isLinkLocal(parseAddress(address)!));
  const of = (among: readonly Candidate[], wanted: InterfaceRole) =>
    among.filter(({ role }) => role === wanted);
  const lan = of(ordinary, "lan");
  const best = [
    ...choice.towards.flatMap((peer) => sourceTowards(net, peer, usable)),
    ...byDefault(net.routes(DEFAULT_ROUTES), ordinary),
    ...lan.filter(({ iface }) => lan.some((one) => one.iface === iface && isPublic(one))),
    ...lan,
    ...of(ordinary, "host"),
    ...of(ordinary, "vpn"),
  ];
  if (best.length > 0) return { addresses: fewest(best), onlyGuests: false };
  const linkLocal = of(usable, "lan");
  if (linkLocal.length > 0) return { addresses: fewest(linkLocal), onlyGuests: false };
  const guests = [of(ordinary, "guests"), of(ordinary, "tun")].find((some) => some.length > 0) ?? [];
  return { addresses: fewest(guests), onlyGuests: guests.length > 0 };
}

/** Usable addresses of all interfaces but our own device, as the kernel lists them, stable IPv6 ones before temporary. */
function candidates(
  interfaces: readonly NetworkInterface[],
  addresses: readonly InterfaceAddress[],
  choice: UnderlayChoice,
): Candidate[] {
  const byIndex = new Map(interfaces.map((iface) => [iface.index, iface])); // BOUNDED: by the host's interfaces
  const found: Candidate[] = [];
  for (const a of settled(addresses)) {
    const iface = byIndex.get(a.iface);
    if (iface === undefined || !isUsable(a, choice.networks)) continue;
    const role = interfaceRole(iface, interfaces, choice.exclude);
    if (role !== "own" && role !== "down") found.push({ address: a.address, iface, role });
  }
  return found;
}

/** Without those that failed or await duplicate detection; temporary and deprecated ones where an interface has no other. */
function settled(addresses: readonly InterfaceAddress[]): InterfaceAddress[] {
  const lasting = (a: InterfaceAddress) =>
    ((a.flags ?? 0) & DEPRECATED) === 0 && (!a.address.includes(":") || ((a.flags ?? 0) & TEMPORARY) === 0);
  const ready = addresses.filter((a) => ((a.flags ?? 0) & (TENTATIVE | DAD_FAILED)) === 0);
  const family = (a: InterfaceAddress) => `${a.iface} ${a.address.includes(":")}`;
  const served = new Set(ready.filter((a) => a.scope === 0 && lasting(a)).map(family));
  return ready.filter((a) => lasting(a) || !served.has(family(a)));
}

function isUsable(a: InterfaceAddress, networks: readonly Prefix[] = []): boolean {
  return a.scope < SCOPE_HOST && isReachable(a.address) && networkAround(networks, a.address) === null;
}

/** An IPv4 link-local address is one that others on the link can use; an IPv6 one would need a zone. */
export function isReachable(text: string): boolean {
  const address = parseAddress(text);
  if (address === null || isLoopback(address) || isMulticast(address) || isUnspecified(address)) return false;
  return isIpv4(address) || !isLinkLocal(address);
}

function namedAddresses(
  named: string,
  interfaces: readonly NetworkInterface[],
  addresses: readonly InterfaceAddress[],
  { exclude, networks = [] }: UnderlayChoice,
): string[] {
  const held = addresses.find((a) => a.address === named);
  const around = networkAround(networks, named);
  if (around !== null) throw new Error(`Address "${named}" is in the mesh's own network ${around}`);
  if (held !== undefined) return [held.address];
  if (parseAddress(named) !== null) throw new Error(`Address "${named}" is on no interface of this host`);
  const iface = interfaces.find((candidate) => candidate.name === named);
  if (iface === undefined) {
    const names = interfaces.map(({ name }) => name).filter((name) => name !== exclude).join(", ");
    throw new Error(`Interface "${named}" does not exist (available: ${names})`);
  }
  const own = settled(addresses.filter((a) => a.iface === iface.index)).filter((a) => isUsable(a, networks));
  if (own.length === 0) throw new Error(`Interface "${named}" has no address that others can reach`);
  return fewest(own.map((a) => ({ address: a.address, iface, role: "lan" })));
}

/** What the kernel would send from; nothing where the way there is our own device, or ends on this host. */
function sourceTowards(net: HostNetwork, peer: string, usable: readonly Candidate[]): Candidate[] {
  if (parseAddress(peer) === null) return [];
  const way = net.routeTo(peer);
  return way === null || way.type !== "unicast" ? [] : usable.filter((one) => one.address === way.source);
}

/** The sources that default routes name and the addresses of their interfaces, the lowest metric first. */
function byDefault(routes: readonly Route[], usable: readonly Candidate[]): Candidate[] {
  return defaultRoutes(routes).flatMap(({ iface, source }) => [
    ...usable.filter(({ address }) => address === source),
    ...usable.filter((one) => one.iface.index === iface),
  ]);
}

function defaultRoutes(routes: readonly Route[]): Route[] {
  return routes.filter(({ type }) => type === "unicast").sort((a, b) => a.metric - b.metric);
}

function isPublic({ address }: Candidate): boolean {
  return !isPrivate(parseAddress(address)!);
}

/** Each address once; of more than fit, one of every interface and family before the second of any. */
function fewest(all: readonly Candidate[]): string[] {
  const distinct = [...new Map(all.map((one) => [one.address, one])).values()];
  const taken = new Map<string, number>(); // BOUNDED: two per interface
  const ranked = distinct.map(({ address, iface }) => {
    const likes = `${iface.index} ${address.includes(":")}`;
    const before = taken.get(likes) ?? 0;
    taken.set(likes, before + 1);
    return { address, before };
  });
  const kept = new Set(
    ranked.toSorted((a, b) => a.before - b.before).slice(0, MAX_ADVERTISED).map(({ address }) => address),
  );
  return distinct.map(({ address }) => address).filter((address) => kept.has(address));
}

/**
 * The MTU of the underlay, bytes: the smallest of the interfaces by which the peers at `towards` are reached; before there
 * are any that of `iface`, of the default route, or the smallest of the interfaces whose addresses may be advertised. An
 * interface that only holds an address, such as lo, says nothing. Null when no interface does.
 */
export function underlayMtu(net: HostNetwork, choice: UnderlayChoice): number | null {
  const interfaces = net.interfaces();
  const carrying = carryingInterfaces(interfaces, choice);
  const smallest = (indices: readonly (number | null)[]) => smallestMtu(carrying, indices);
  const addresses = net.addresses();
  const named = interfaces.filter(({ name, index }) =>
    name === choice.iface || addresses.some((a) => a.iface === index && a.address === choice.iface)
  );
  const isHolder = ({ iface, role }: Candidate) => (role === "lan" || role === "vpn") && !iface.loopback;
  return mtuTowards(net, choice) ??
    smallest(
      named.filter((iface) => interfaceRole(iface, interfaces, choice.exclude) !== "host").map((iface) =>
        iface.index
      ),
    ) ??
    smallest(defaultRoutes(net.routes(DEFAULT_ROUTES)).slice(0, 1).map((route) => route.iface)) ??
    smallest(candidates(interfaces, addresses, choice).filter(isHolder).map(({ iface }) => iface.index)) ??
    smallest(
      carrying.filter((iface) => interfaceRole(iface, interfaces, choice.exclude) === "lan").map((iface) =>
        iface.index
      ),
    );
}

/** The same by the peers at `towards` alone; null while there is no way to any of them. */
export function mtuTowards(net: HostNetwork, choice: UnderlayChoice): number | null {
  const interfaces = interfacesTowards(net, choice.towards);
  return interfaces.length === 0
    ? null
    : smallestMtu(carryingInterfaces(net.interfaces(), choice), interfaces);
}

function carryingInterfaces(
  interfaces: readonly NetworkInterface[],
  { exclude }: UnderlayChoice,
): NetworkInterface[] {
  return interfaces.filter((iface) => iface.up && !iface.loopback && iface.name !== exclude);
}

function smallestMtu(among: readonly NetworkInterface[], indices: readonly (number | null)[]): number | null {
  const mtus = among.filter((iface) => indices.includes(iface.index)).map((iface) => iface.mtu);
  return mtus.length === 0 ? null : Math.min(...mtus);
}

function interfacesTowards(net: HostNetwork, peers: readonly string[]): number[] {
  return [...new Set(peers)].filter((peer) => parseAddress(peer) !== null).slice(0, MAX_LOOKUPS).flatMap(
    (peer) => {
      const way = net.routeTo(peer);
      return way === null || way.type !== "unicast" ? [] : [way.iface];
    },
  );
}

/**
 * The interface by which an address is reached without a gateway, or null: flannel's test for a direct route.
 * Our own addresses are not on an interface.
 */
export function isOnLink(net: HostNetwork, address: string): { iface: number } | null {
  if (parseAddress(address) === null) return null;
  const route = net.routeTo(address);
  return route !== null && route.type === "unicast" && route.gateway === null ? { iface: route.iface } : null;
}
