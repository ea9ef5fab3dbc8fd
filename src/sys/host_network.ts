/**
 * The host's interfaces, addresses and routes over rtnetlink: ports.HostKernel. Text addresses outside, wire/rtnetlink.ts
 * inside. An instance belongs to the network namespace its thread was in when it was opened, wherever the thread goes later.
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
  fromRoute,
  routeText,
  textAddress,
  toAddress,
  toInterface,
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

export const FAMILIES = [rt.AF_INET, rt.AF_INET6] as const;
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

/** What a network has cost so far, for measurements. */
export interface Metered {
  readonly traffic: NetlinkTraffic;
}

/**
 * Opens the network of the namespace that the calling thread is in. Throws SysError. Not `strict`: as it would be answered
 * by a kernel before Linux 4.20.
 */
export function openHostNetwork(strict = true): HostKernel & Metered {
  return new KernelNetwork(strict);
}

export class KernelNetwork implements HostKernel, Metered {
  protected readonly connection: NetlinkConnection;
  readonly #events = new NetlinkEvents(GROUPS);
  #revision = 0;

  constructor(strict: boolean) {
    this.connection = new NetlinkConnection(strict);
  }

  interfaces(): NetworkInterface[] {
    const request = { op: "Cannot list the links", type: rt.RTM_GETLINK, payload: rt.encodeLinkDump() };
    return decoded(this.connection.dump(request), rt.RTM_NEWLINK, rt.decodeLink).map(toInterface);
  }

  interfaceDrops(index: number): InterfaceDrops | null {
    const op = `Cannot look at link ${index}`;
    try {
      const payload = rt.encodeLink({ index });
      const answers = this.connection.request({ op, type: rt.RTM_GETLINK, payload });
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
      const answers = this.dumpFamily({ op: "Cannot list the addresses", type: rt.RTM_GETADDR, payload });
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
      const answers = this.dumpFamily({
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
    const answers = this.dumpFamily({ op: "Cannot list the routing rules", type: RTM_GETRULE, payload });
    return decoded(answers, RTM_NEWRULE, decodeRule).map(toRule).filter((rule) => rule !== null);
  }

  routeTo(address: string, tos = 0): RouteLookup | null {
    const op = `Cannot look up the route to ${address}`;
    const payload = rtr.encodeRouteLookup(textAddress(address), tos);
    try {
      const answers = this.connection.request({ op, type: rtr.RTM_GETROUTE, payload });
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
    this.changeInterface(`Cannot change link ${index}`, { index, ...change });
  }

  deleteInterface(index: number): void {
    const payload = rt.encodeLink({ index });
    this.connection.request({ op: `Cannot delete link ${index}`, type: rt.RTM_DELLINK, payload });
  }

  addAddress(a: InterfaceAddress): void {
    const payload = rt.encodeAddress(fromAddress(a));
    const op = `Cannot add address ${a.address}/${a.prefixLength} to link ${a.iface}`;
    this.connection.request({ op, type: rt.RTM_NEWADDR, flags: CREATE, payload });
  }

  deleteAddress(a: InterfaceAddress): void {
    const payload = rt.encodeAddress(fromAddress(a));
    const op = `Cannot delete address ${a.address}/${a.prefixLength} from link ${a.iface}`;
    this.connection.request({ op, type: rt.RTM_DELADDR, payload });
  }

  addRoute(route: Route, before = false): void {
    const payload = rtr.encodeRoute(fromRoute(route));
    const op = `Cannot add route ${routeText(route)}`;
    const flags = before ? NLM_F_CREATE : CREATE;
    this.connection.request({ op, type: rtr.RTM_NEWROUTE, flags, payload });
  }

  deleteRoute(route: Route): void {
    const payload = rtr.encodeRoute(fromRoute({ ...route, scope: SCOPE_NOWHERE }));
    const op = `Cannot delete route ${routeText(route)}`;
    this.connection.request({ op, type: rtr.RTM_DELROUTE, payload });
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
    const { requests, received } = this.connection.traffic;
    return { requests, received: received + this.#events.received };
  }

  close(): void {
    this.connection.close();
    this.#events.close();
  }

  unsentDatagrams(): number {
    return unsentDatagrams();
  }

  neighbourTables(): NeighbourTable[] {
    return FAMILIES.flatMap((family) => {
      const payload = encodeNeighbourTableDump(family);
      const op = "Cannot look at the neighbour tables";
      const answers = this.dumpFamily({ op, type: RTM_GETNEIGHTBL, payload });
      return decoded(answers, RTM_NEWNEIGHTBL, decodeNeighbourTable).map((table): NeighbourTable => ({
        ...table,
        family: table.family === rt.AF_INET ? 4 : 6,
      }));
    });
  }

  protected changeInterface(op: string, change: rt.LinkChange): void {
    this.connection.request({ op, type: rt.RTM_NEWLINK, payload: rt.encodeLink(change) });
  }

  // A kernel without IPv6 refuses its dumps: that family is empty then.
  protected dumpFamily(request: NetlinkRequest): NetlinkMessage[] {
    try {
      return this.connection.dump(request);
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
