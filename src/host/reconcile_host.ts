/**
 * Brings the host to the state we want: 1. the device up, with its MTU, 2. with its address and without one of
 * an earlier lease, 3. our routes. Reads the host, does only what differs, and can be called at any time; the
 * daemon does so at start, when the kernel tells of a change, and every few seconds. One refusal does not
 * keep the rest from being done. What is not ours stays: a foreign route in our place is reported.
 */

import type { HostNetwork, InterfaceAddress, NetworkInterface, Route } from "../ports/host.ts";
import { EACCES, EAFNOSUPPORT, ENOTSUP, SysError } from "../ports/sys_error.ts";
import { isInside, type Prefix, samePrefix } from "../wire/prefix.ts";
import { describeRoute } from "./describe.ts";
import {
  addressAlone,
  byDestination,
  diffRoutes,
  heldPrefix,
  type HostState,
  isOwned,
  OWN_ROUTES,
  samePlace,
  wantedRoutes,
} from "./owned.ts";
import { isSink } from "./overlap.ts";

/** What was done, and what could not be, in sentences. Both are empty when the host was as it should be. */
export interface Reconciliation {
  readonly repaired: string[];
  readonly failed: string[];
}

/** Adds what another step did, and could not do. */
export function addTo(report: Reconciliation, { repaired, failed }: Reconciliation): void {
  report.repaired.push(...repaired);
  report.failed.push(...failed);
}

/** Performs the difference between the host and `state`. Throws what reading the host throws. */
export function reconcileHost(net: HostNetwork, state: HostState): Reconciliation {
  const report: Reconciliation = { repaired: [], failed: [] };
  const interfaces = net.interfaces();
  if (state.device !== null) {
    const { iface: index } = state.device;
    const iface = interfaces.find((candidate) => candidate.index === index);
    if (iface === undefined) {
      report.failed.push(`Cannot find our device, link ${index}: it was deleted (restart ovltun)`);
      return report;
    }
    raiseDevice(net, iface, state.device.mtu, report);
    if (!assignAddress(net, iface, state, report)) return report;
  }
  installRoutes(net, state, interfaces, report);
  return report;
}

function raiseDevice(net: HostNetwork, iface: NetworkInterface, mtu: number, report: Reconciliation): void {
  if (iface.mtu !== mtu) {
    attempt(report, `Set the MTU of ${iface.name} to ${mtu}`, () => net.setInterface(iface.index, { mtu }));
  }
  if (!iface.up) attempt(report, `Set ${iface.name} up`, () => net.setInterface(iface.index, { up: true }));
}

/** False when the host has no IPv6: then no route of it can be there either. */
function assignAddress(
  net: HostNetwork,
  iface: NetworkInterface,
  state: HostState,
  report: Reconciliation,
): boolean {
  const { address: first, probed } = state.device!;
  const ours = probed === undefined ? [first] : [first, probed];
  const prefixLength = hostBits(first);
  const held = net.addresses().filter((a) => a.iface === iface.index);
  const isOurs = (a: InterfaceAddress) => ours.includes(a.address) && a.prefixLength === prefixLength;
  for (const address of ours) {
    if (held.some((a) => isOurs(a) && a.address === address)) continue;
    const wanted = { iface: iface.index, address, prefixLength, scope: 0 };
    try {
      attempt(
        report,
        `Added ${address}/${prefixLength} to ${iface.name}`,
        () => net.addAddress(wanted),
        address.includes(":") ? NO_IPV6 : [],
      );
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      report.failed.push(withoutIpv6(state.subnet, iface.name, error));
      return false;
    }
  }
  for (const old of held) {
    if (isOurs(old) || !isInside(addressAlone(old), state.network)) continue;
    const sentence = `Removed ${heldPrefix(old)}, of an earlier lease, from ${iface.name}`;
    attempt(report, sentence, () => net.deleteAddress(old));
  }
  return true;
}

/** Switched off for the device; not in the kernel at all. */
const NO_IPV6: readonly number[] = [EACCES, EAFNOSUPPORT, ENOTSUP];

function withoutIpv6(subnet: Prefix, device: string, { errno }: SysError): string {
  const remedy = errno === EACCES
    ? `allow it: sysctl -w net.ipv6.conf.${device}.disable_ipv6=0`
    : "boot this host with IPv6 (ipv6.disable=0)";
  return `This host has no IPv6, so its lease ${subnet} is not reachable (${remedy})`;
}

const hostBits = (address: string): number => address.includes(":") ? 128 : 32;

// Routes are read only now: the kernel has dropped those of an address that is gone.
function installRoutes(
  net: HostNetwork,
  state: HostState,
  interfaces: readonly NetworkInterface[],
  report: Reconciliation,
): void {
  const current = net.routes(OWN_ROUTES);
  const wanted = wantedRoutes(state);
  const there = byDestination(among(wanted, net.routes({ overlapping: state.network })));
  // BOUNDED: one per wanted route.
  const rivals = new Map<Route, Route>();
  for (const route of wanted) {
    const rival = rivalOf(route, there(route.destination), state);
    if (rival !== undefined) rivals.set(route, rival);
  }
  const { add, remove } = diffRoutes(wanted.filter((route) => !rivals.has(route)), current, state);
  for (const route of remove) {
    attempt(report, `Removed route ${describeRoute(route, interfaces)}`, () => net.deleteRoute(route));
  }
  for (const [route, rival] of rivals) report.failed.push(inTheWay(route, rival, interfaces, state.network));
  for (const route of add) {
    const likes = there(route.destination);
    const before = likes.some((one) => samePlace(one, route) && !isOwned(one, state.network));
    attempt(report, `Added route ${describeRoute(route, interfaces)}`, () => net.addRoute(route, before));
  }
}

/** What has the destination of a wanted one: in a network of ours others may have as many routes as they like. */
function among(wanted: readonly Route[], routes: readonly Route[]): Route[] {
  const destinations = new Set(wanted.map(({ destination }) => destination.text)); // BOUNDED: by what is wanted
  return routes.filter(({ destination }) => destinations.has(destination.text));
}

// A route of the host to the same destination goes before ours, whatever its metric and whichever was there first: a
// laptop on a LAN with the mesh's addresses must reach its router. One that only drops is no network of the host, and
// ours goes in front of it. What loses to everything, our unreachable route, hides nothing.
function rivalOf(route: Route, likes: readonly Route[], state: HostState): Route | undefined {
  return likes.find((there) => {
    if (there.table !== route.table) return false;
    if (isOwned(there, state.network)) return false;
    if (route.type !== "unicast") return samePlace(there, route);
    return !isSink(there) && (there.iface === null || there.iface !== state.device?.iface);
  });
}

function inTheWay(
  route: Route,
  foreign: Route,
  interfaces: readonly NetworkInterface[],
  network: Prefix,
): string {
  const there = `${describeRoute(foreign, interfaces)} (protocol ${foreign.protocol})`;
  const remedy = samePrefix(route.destination, network)
    ? "delete it, or change its network; until then this host cannot reach the mesh"
    : "delete it, or choose another --network";
  return `Cannot add route ${describeRoute(route, interfaces)}: ${there} is in its place (${remedy})`;
}

/**
 * Does it and notes the sentence; a refusal of the kernel is noted instead. Mistakes of ours are thrown, and refusals with
 * an errno of `but`.
 */
export function attempt(
  report: Reconciliation,
  sentence: string,
  action: () => void,
  but: readonly number[] = [],
): void {
  try {
    action();
    report.repaired.push(sentence);
  } catch (error) {
    if (!(error instanceof Error) || !("errno" in error)) throw error;
    if (but.includes(error.errno as number)) throw error;
    report.failed.push(error.message);
  }
}
