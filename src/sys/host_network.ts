/**
 * The host's interfaces, addresses, routes and neighbours over rtnetlink: ports.HostKernel, and beside it InterfaceMaker,
 * the few operations that only the lab needs. Text addresses outside, wire/rtnetlink.ts inside. An instance
 * belongs to the network namespace its thread was in when it was opened, wherever the thread goes later.
 */

import type {
  HostEvent,
  HostKernel,
  InterfaceAddress,
  InterfaceChange,
  InterfaceDrops,
  NeighbourTable,
  NetworkInterface,
  Route,
  RouteLookup,
  RoutingRule,
} from "../ports/host.ts";
import { type NetlinkMessage, NLM_F_CREATE, NLM_F_EXCL } from "../wire/netlink.ts";
import * as rt from "../wire/rtnetlink.ts";
import * as rtr from "../wire/rtnetlink_route.ts";
import { decodeRule, encodeRuleDump, RTM_GETRULE, RTM_NEWRULE } from "../wire/rtnetlink_rule.ts";
import {
  decodeNeighbourTable,
  encodeNeighbourTableDump,
  RTM_GETNEIGHTBL,
  RTM_NEWNEIGHTBL,
} from "../wire/rtnetlink_neighbour_table.ts";
import { unsentDatagrams } from "./unsent_datagrams.ts";
import {
  encodeRouteDump,
  familiesOf,
  fitsFilter,
  payloadTest,
  type RouteFilter,
} from "../wire/route_filter.ts";
import { hostEvent } from "./host_events.ts";
import {
  GROUP_IPV4_ADDRESS,
  GROUP_IPV4_NETCONF,
  GROUP_IPV4_ROUTE,
  GROUP_IPV4_RULE,
  GROUP_IPV6_ADDRESS,
  GROUP_IPV6_NETCONF,
  GROUP_IPV6_ROUTE,
  GROUP_IPV6_RULE,
  GROUP_LINK,
  GROUP_NEXTHOP,
  NetlinkConnection,
  NetlinkEvents,
  type NetlinkRequest,
  type NetlinkTraffic,
} from "./netlink.ts";
import {
  decoded,
  fromAddress,
  fromNeighbour,
  fromRoute,
  type Neighbour,
  routeText,
  textAddress,
  textMac,
  toAddress,
  toInterface,
  toNeighbour,
  toRoute,
  toRule,
} from "./rtnetlink_text.ts";
import {
  EACCES,
  EAFNOSUPPORT,
  EHOSTUNREACH,
  EINVAL,
  ENETUNREACH,
  ENODEV,
  ENOENT,
  ENOTSUP,
  SysError,
} from "../ports/sys_error.ts";
import { failed } from "./failed.ts";

const FAMILIES = [rt.AF_INET, rt.AF_INET6] as const;
const CREATE = NLM_F_CREATE | NLM_F_EXCL;
const SCOPE_NOWHERE = 255; // in a deletion: whatever its scope is
const GROUPS = [
  GROUP_LINK,
  GROUP_IPV4_ADDRESS,
  GROUP_IPV4_ROUTE,
  GROUP_IPV4_RULE,
  GROUP_IPV6_ADDRESS,
  GROUP_IPV6_ROUTE,
  GROUP_IPV6_RULE,
  GROUP_IPV4_NETCONF,
  GROUP_IPV6_NETCONF,
  GROUP_NEXTHOP,
];

export type { Neighbour } from "./rtnetlink_text.ts";

/** Making and joining interfaces: what the lab and live tests do to a host, the daemon never. Throws SysError. */
export interface InterfaceMaker {
  /** Makes a bridge, down, and returns its index. */
  addBridge(name: string): number;
  /** Makes a pair of interfaces, both down, the peer in the namespace of that descriptor; returns our end's index. */
  addVeth(name: string, peer: { readonly name: string; readonly namespaceFd: number }): number;
  /** Puts an interface on a bridge, or takes it off. */
  setMaster(index: number, bridge: number | null): void;
  /** Sets an Ethernet address, "02:42:…". */
  setAddress(index: number, mac: string): void;
  /** Sets the largest superframe the interface is handed, bytes and segments. */
  setSegmentation(index: number, maxSize: number, maxSegments: number): void;
  addNeighbour(neighbour: Neighbour): void;
  deleteNeighbour(neighbour: Neighbour): void;
  /** Of both address families, or with `bridge` the forwarding databases. */
  neighbours(bridge?: boolean): Neighbour[];
}

/** What a network has cost so far, for measurements. */
export interface Metered {
  readonly traffic: NetlinkTraffic;
}

/**
 * Opens the network of the namespace that the calling thread is in. Throws SysError. Not `strict`: as it would be answered
 * by a kernel before Linux 4.20.
 */
export function openHostNetwork(strict = true): HostKernel & InterfaceMaker & Metered {
  return new KernelNetwork(strict);
}

class KernelNetwork implements HostKernel, InterfaceMaker, Metered {
  readonly #connection: NetlinkConnection;
  readonly #events = new NetlinkEvents(GROUPS);
  #revision = 0;

  constructor(strict: boolean) {
    this.#connection = new NetlinkConnection(strict);
  }

  interfaces(): NetworkInterface[] {
    const request = { op: "Cannot list the links", type: rt.RTM_GETLINK, payload: rt.encodeLinkDump() };
    return decoded(this.#connection.dump(request), rt.RTM_NEWLINK, rt.decodeLink).map(toInterface);
  }

  interfaceDrops(index: number): InterfaceDrops | null {
    const op = `Cannot look at link ${index}`;
    try {
      const payload = rt.encodeLink({ index });
      const answers = this.#connection.request({ op, type: rt.RTM_GETLINK, payload });
      return decoded(answers, rt.RTM_NEWLINK, rt.decodeLinkDrops)[0] ?? null;
    } catch (error) {
      if (isErrno(error, ENODEV)) return null;
      throw error;
    }
  }

  addresses(): InterfaceAddress[] {
    const found: InterfaceAddress[] = [];
    for (const family of FAMILIES) {
      const payload = rt.encodeAddressDump(family);
      const answers = this.#dumpFamily({ op: "Cannot list the addresses", type: rt.RTM_GETADDR, payload });
      for (const m of decoded(answers, rt.RTM_NEWADDR, rt.decodeAddress)) {
        if (rt.familyOf(m.address) !== family) continue;
        found.push(toAddress(m));
      }
    }
    return found;
  }

  /** Leaves out cached path MTUs and routes for ::ffff:0:0/96, whose text would be that of an IPv4 route. */
  routes(filter: RouteFilter = {}): Route[] {
    const found: Route[] = [];
    for (const family of familiesOf(filter)) {
      const payload = encodeRouteDump(family, filter);
      const keep = payloadTest(family, filter);
      const answers = this.#dumpFamily({
        op: "Cannot list the routes",
        type: rtr.RTM_GETROUTE,
        payload,
        keep,
      });
      for (const m of decoded(answers, rtr.RTM_NEWROUTE, rtr.decodeRoute)) {
        if (rt.familyOf(m.destination.address) !== family) continue;
        const route = toRoute(m);
        if (fitsFilter(route, filter)) found.push(route);
      }
    }
    return found;
  }

  /** Rules without a table (`goto`, `unreachable`) are left out. */
  rules(): RoutingRule[] {
    const payload = encodeRuleDump(rt.AF_INET);
    const answers = this.#dumpFamily({ op: "Cannot list the routing rules", type: RTM_GETRULE, payload });
    return decoded(answers, RTM_NEWRULE, decodeRule).map(toRule).filter((rule) => rule !== null);
  }

  routeTo(address: string, tos = 0): RouteLookup | null {
    const op = `Cannot look up the route to ${address}`;
    const payload = rtr.encodeRouteLookup(textAddress(address), tos);
    try {
      const answers = this.#connection.request({ op, type: rtr.RTM_GETROUTE, payload });
      const [m] = decoded(answers, rtr.RTM_NEWROUTE, rtr.decodeRoute);
      if (m === undefined || m.iface === null) return null;
      const route = toRoute(m);
      return { type: route.type, gateway: route.gateway, iface: m.iface, source: route.source };
    } catch (error) {
      // No route; routes of type unreachable, prohibit and blackhole, in this order; a kernel without IPv6.
      const none = [ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL, EAFNOSUPPORT, ENOTSUP];
      if (isErrno(error, ...none)) return null;
      throw error;
    }
  }

  setInterface(index: number, change: InterfaceChange): void {
    this.#changeInterface(`Cannot change link ${index}`, { index, ...change });
  }

  deleteInterface(index: number): void {
    const payload = rt.encodeLink({ index });
    this.#connection.request({ op: `Cannot delete link ${index}`, type: rt.RTM_DELLINK, payload });
  }

  addAddress(a: InterfaceAddress): void {
    const payload = rt.encodeAddress(fromAddress(a));
    const op = `Cannot add address ${a.address}/${a.prefixLength} to link ${a.iface}`;
    this.#connection.request({ op, type: rt.RTM_NEWADDR, flags: CREATE, payload });
  }

  deleteAddress(a: InterfaceAddress): void {
    const payload = rt.encodeAddress(fromAddress(a));
    const op = `Cannot delete address ${a.address}/${a.prefixLength} from link ${a.iface}`;
    this.#connection.request({ op, type: rt.RTM_DELADDR, payload });
  }

  addRoute(route: Route, before = false): void {
    const payload = rtr.encodeRoute(fromRoute(route));
    const op = `Cannot add route ${routeText(route)}`;
    const flags = before ? NLM_F_CREATE : CREATE;
    this.#connection.request({ op, type: rtr.RTM_NEWROUTE, flags, payload });
  }

  deleteRoute(route: Route): void {
    const payload = rtr.encodeRoute(fromRoute({ ...route, scope: SCOPE_NOWHERE }));
    const op = `Cannot delete route ${routeText(route)}`;
    this.#connection.request({ op, type: rtr.RTM_DELROUTE, payload });
  }

  changed(): boolean {
    return this.events().length > 0;
  }

  revision(): number {
    return ++this.#revision;
  }

  get eventsFd(): number {
    return this.#events.fd;
  }

  events(): HostEvent[] {
    const { messages, lost } = this.#events.read();
    const events = messages.map(hostEvent).filter((event) => event !== null);
    return lost ? [{ kind: "lost" }, ...events] : events;
  }

  get traffic(): NetlinkTraffic {
    const { requests, received } = this.#connection.traffic;
    return { requests, received: received + this.#events.received };
  }

  close(): void {
    this.#connection.close();
    this.#events.close();
  }

  addBridge(name: string): number {
    this.#createLink(name, { name, kind: "bridge" });
    return this.#indexOf(name);
  }

  addVeth(name: string, peer: { readonly name: string; readonly namespaceFd: number }): number {
    this.#createLink(name, { name, kind: "veth", peer });
    return this.#indexOf(name);
  }

  setMaster(index: number, bridge: number | null): void {
    this.#changeInterface(`Cannot put link ${index} on a bridge`, { index, master: bridge ?? 0 });
  }

  setAddress(index: number, mac: string): void {
    this.#changeInterface(`Cannot set the address of link ${index}`, { index, mac: textMac(mac) });
  }

  setSegmentation(index: number, maxSize: number, maxSegments: number): void {
    const change = { index, gsoMaxSize: maxSize, gsoMaxSegments: maxSegments };
    this.#changeInterface(`Cannot set the segmentation of link ${index}`, change);
  }

  addNeighbour(n: Neighbour): void {
    const op = `Cannot add neighbour ${n.address ?? n.mac} to link ${n.iface}`;
    this.#connection.request({
      op,
      type: rtr.RTM_NEWNEIGH,
      flags: CREATE,
      payload: rtr.encodeNeighbour(fromNeighbour(n)),
    });
  }

  deleteNeighbour(n: Neighbour): void {
    const op = `Cannot delete neighbour ${n.address ?? n.mac} from link ${n.iface}`;
    this.#connection.request({ op, type: rtr.RTM_DELNEIGH, payload: rtr.encodeNeighbour(fromNeighbour(n)) });
  }

  neighbours(bridge = false): Neighbour[] {
    const families = bridge ? [rt.AF_BRIDGE] : FAMILIES;
    return families.flatMap((family) => {
      const payload = rtr.encodeNeighbourDump(family);
      const answers = this.#dumpFamily({ op: "Cannot list the neighbours", type: rtr.RTM_GETNEIGH, payload });
      return decoded(answers, rtr.RTM_NEWNEIGH, rtr.decodeNeighbour).map(toNeighbour);
    });
  }

  unsentDatagrams(): number {
    return unsentDatagrams();
  }

  neighbourTables(): NeighbourTable[] {
    return FAMILIES.flatMap((family) => {
      const payload = encodeNeighbourTableDump(family);
      const op = "Cannot look at the neighbour tables";
      const answers = this.#dumpFamily({ op, type: RTM_GETNEIGHTBL, payload });
      return decoded(answers, RTM_NEWNEIGHTBL, decodeNeighbourTable).map((table): NeighbourTable => ({
        ...table,
        family: table.family === rt.AF_INET ? 4 : 6,
      }));
    });
  }

  #changeInterface(op: string, change: rt.LinkChange): void {
    this.#connection.request({ op, type: rt.RTM_NEWLINK, payload: rt.encodeLink(change) });
  }

  #createLink(name: string, change: rt.LinkChange): void {
    const op = `Cannot make link "${name}"`;
    this.#connection.request({ op, type: rt.RTM_NEWLINK, flags: CREATE, payload: rt.encodeLink(change) });
  }

  #indexOf(name: string): number {
    const op = `Cannot find link "${name}"`;
    const answers = this.#connection.request({ op, type: rt.RTM_GETLINK, payload: rt.encodeLink({ name }) });
    const [iface] = decoded(answers, rt.RTM_NEWLINK, rt.decodeLink);
    if (iface === undefined) throw failed(op, ENODEV);
    return iface.index;
  }

  // A kernel without IPv6 refuses its dumps: that family is empty then.
  #dumpFamily(request: NetlinkRequest): NetlinkMessage[] {
    try {
      return this.#connection.dump(request);
    } catch (error) {
      // A kernel without IPv6; a table, or a link, that there is not.
      if (isErrno(error, EAFNOSUPPORT, ENOTSUP, ENOENT, ENODEV)) return [];
      throw error;
    }
  }
}

function isErrno(error: unknown, ...errnos: number[]): boolean {
  return error instanceof SysError && errnos.includes(error.errno);
}
