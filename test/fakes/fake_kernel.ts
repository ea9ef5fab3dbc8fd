/**
 * A host network in memory that behaves like Linux where host/ can tell: what exists is refused with EEXIST,
 * what is gone with ESRCH, EADDRNOTAVAIL or ENODEV, addresses make local and connected routes, routes vanish
 * with their link and with its being set down, IPv4 ones without an event, and with their source address. Checked against
 * the kernel's own behaviour by test/live/host_live_test.ts, which runs one scenario on both.
 */

import type {
  HostEvent,
  HostKernel,
  InterfaceAddress,
  InterfaceDrops,
  NeighbourTable,
  NetworkInterface,
  Route,
  RouteLookup,
  RoutingRule,
} from "../../src/ports/host.ts";
import { isIpv4, parseAddress } from "../../src/wire/address.ts";
import { contains, networkOf, parseInterface, prefix, samePrefix } from "../../src/wire/prefix.ts";
import { fitsFilter, type RouteFilter } from "../../src/wire/route_filter.ts";
import { FakeRuleset } from "./fake_ruleset.ts";
import { FakeSysctls } from "./fake_sysctls.ts";
import { routeText } from "../../src/sys/rtnetlink_text.ts";
import {
  EADDRNOTAVAIL,
  EEXIST,
  EINVAL,
  ENETUNREACH,
  ENODEV,
  ESRCH,
  SysError,
} from "../../src/ports/sys_error.ts";

const ENETDOWN = 100;
const PROTOCOL_KERNEL = 2;
/** So many wait for whoever listens. */
const EVENTS_MAX = 4096;

/** A route of the main table with what is not given left empty. */
export function route(destination: string, fields: Partial<Route> = {}): Route {
  return {
    destination: prefix(destination),
    type: "unicast",
    gateway: null,
    iface: null,
    metric: 0,
    protocol: 4,
    table: 254,
    source: null,
    onlink: false,
    scope: 0,
    ...fields,
  };
}

/** A rule that takes every packet. */
export function rule(priority: number, table: number, fields: Partial<RoutingRule> = {}): RoutingRule {
  return { priority, table, suppress: -1, to: null, unmarked: true, partial: false, ...fields };
}

/** The fake. It starts with `lo` (index 1) and what is given to `addLink`. */
export class FakeKernel implements HostKernel {
  /** Its packet filter. */
  readonly ruleset = new FakeRuleset();
  readonly sysctls = new FakeSysctls(["lo", "eth0"], () => this.#tell({ kind: "settings" }));
  #interfaces: NetworkInterface[] = [];
  #addresses: InterfaceAddress[] = [];
  #routes: Route[] = [];
  /** Those of every host. */
  #rules: RoutingRule[] = [rule(0, 255), rule(32766, 254), rule(32767, 253)];
  /** BOUNDED: ≤ EVENTS_MAX */
  #events: HostEvent[] = [];
  #revision = 0;
  #nextIndex = 1;
  /** How many changing calls were made, refused ones included. */
  writes = 0;
  /** As older kernels it does not tell of the IPv4 routes that go with their source address. */
  quiet = false;
  /** Set to make the next changing call that mentions this text fail with EPERM. */
  refuse: string | null = null;

  constructor() {
    const lo = this.addLink("lo", { loopback: true, mtu: 65536 });
    this.addAddress({ iface: lo, address: "127.0.0.1", prefixLength: 8, scope: 254 });
    this.writes = 0;
  }

  /** Plugs an interface in, up by default; returns its index. */
  addLink(name: string, fields: Partial<NetworkInterface> = {}): number {
    const index = this.#nextIndex++;
    const plain = { kind: null, mtu: 1500, up: true, loopback: false, mac: null, master: null };
    const iface = { index, name, ...plain, ...fields };
    this.#interfaces.push(iface);
    this.#tell({ kind: "interface", iface: index, down: !iface.up });
    return index;
  }

  interfaces(): NetworkInterface[] {
    return [...this.#interfaces];
  }

  /** Datagrams that the kernel took and dropped, and the tables that may be why. */
  unsent = 0;
  tables: readonly NeighbourTable[] = [];

  unsentDatagrams(): number {
    return this.unsent;
  }

  neighbourTables(): readonly NeighbourTable[] {
    return this.tables;
  }

  /** What interfaces are said to have dropped, by index. */
  readonly drops = new Map<number, InterfaceDrops>();

  interfaceDrops(index: number): InterfaceDrops | null {
    return this.drops.get(index) ?? null;
  }

  addresses(): InterfaceAddress[] {
    return [...this.#addresses];
  }

  routes(filter: RouteFilter = {}): Route[] {
    return this.#routes.filter((one) => fitsFilter(one, filter));
  }

  rules(): RoutingRule[] {
    return [...this.#rules];
  }

  addRule(added: RoutingRule): void {
    this.#rules = [...this.#rules, added].sort((a, b) => a.priority - b.priority);
    this.#tell({ kind: "rule" });
  }

  routeTo(address: string): RouteLookup | null {
    const to = parseAddress(address)!;
    const matching = this.#routes
      .filter(({ destination }) => contains(destination, to))
      .sort((a, b) =>
        b.destination.length - a.destination.length || b.table - a.table || a.metric - b.metric
      );
    const r = matching[0];
    if (r === undefined || r.iface === null || (r.type !== "unicast" && r.type !== "local")) return null;
    const own = this.#addresses.filter((a) => a.iface === r.iface);
    const source = r.source ??
      (own.find((a) => a.address.includes(":") === address.includes(":"))?.address ?? null);
    return { type: r.type, gateway: r.gateway, iface: r.iface, source };
  }

  setInterface(index: number, change: { up?: boolean; mtu?: number; txQueueLength?: number }): void {
    this.#write(`Cannot change link ${index}`);
    const iface = this.#iface(`Cannot change link ${index}`, index);
    const { up = iface.up, mtu = iface.mtu } = change;
    if (mtu < 68) throw new SysError(`Cannot change link ${index}`, EINVAL, "mtu less than device minimum");
    this.#interfaces = this.#interfaces.map((l) => l.index === index ? { ...l, up, mtu } : l);
    this.#tell({ kind: "interface", iface: index, down: !up });
    if (up === iface.up) return;
    if (up) this.#addresses.filter((a) => a.iface === index).forEach((a) => this.#connect(a));
    else this.#dropRoutes((r) => r.iface === index && r.table !== 255);
  }

  deleteInterface(index: number): void {
    this.#write(`Cannot delete link ${index}`);
    this.#iface(`Cannot delete link ${index}`, index);
    this.#interfaces = this.#interfaces.filter((l) => l.index !== index);
    for (const { address } of this.#addresses.filter((a) => a.iface === index)) {
      this.#tell({ kind: "address", iface: index, address, gone: true });
    }
    this.#addresses = this.#addresses.filter((a) => a.iface !== index);
    this.#dropRoutes((r) => r.iface === index);
    this.#tell({ kind: "interface", iface: index, down: true });
  }

  addAddress(a: InterfaceAddress): void {
    const op = `Cannot add address ${a.address}/${a.prefixLength} to link ${a.iface}`;
    this.#write(op);
    this.#iface(op, a.iface);
    if (this.#addresses.some((b) => sameAddress(a, b))) throw new SysError(op, EEXIST, "File exists");
    this.#addresses.push(a);
    this.#tell({ kind: "address", iface: a.iface, address: a.address, gone: false });
    this.#connect(a);
  }

  deleteAddress(a: InterfaceAddress): void {
    const op = `Cannot delete address ${a.address}/${a.prefixLength} from link ${a.iface}`;
    this.#write(op);
    if (!this.#addresses.some((b) => sameAddress(a, b))) {
      throw new SysError(op, EADDRNOTAVAIL, "Address not found");
    }
    this.#addresses = this.#addresses.filter((b) => !sameAddress(a, b));
    this.#tell({ kind: "address", iface: a.iface, address: a.address, gone: true });
    const madeFor = (r: Route) => r.source === a.address && r.protocol === PROTOCOL_KERNEL;
    this.#dropRoutes(madeFor, true);
    this.#dropRoutes((r) => r.source === a.address, !this.quiet);
  }

  addRoute(r: Route, before = false): void {
    const op = `Cannot add route ${routeText(r)}`;
    this.#write(op);
    const at = this.#routes.findIndex((there) => samePlace(there, r));
    const twin = this.#routes.some((there) => samePlace(there, r) && sameWay(there, r));
    if (twin || (at >= 0 && !before)) throw new SysError(op, EEXIST, "File exists");
    if (r.source !== null && !this.#addresses.some((a) => a.address === r.source)) {
      throw new SysError(op, EINVAL, "Invalid prefsrc address");
    }
    if (r.iface !== null && !this.#iface(op, r.iface).up) {
      throw new SysError(op, ENETDOWN, "Device for nexthop is not up");
    }
    if (r.gateway !== null && !r.onlink && this.routeTo(r.gateway)?.gateway !== null) {
      throw new SysError(op, ENETUNREACH, "Nexthop has invalid gateway");
    }
    this.#routes.splice(at >= 0 ? at : this.#routes.length, 0, r);
    this.#tell({ kind: "route", how: "added", route: r });
  }

  deleteRoute(r: Route): void {
    const op = `Cannot delete route ${routeText(r)}`;
    this.#write(op);
    const at = this.#routes.findIndex((there) => samePlace(there, r) && sameWay(there, r));
    if (at < 0) throw new SysError(op, ESRCH, "No such process");
    const [gone] = this.#routes.splice(at, 1);
    this.#tell({ kind: "route", how: "removed", route: gone! });
  }

  /** `ip route replace`: what is in its place, the first of it, goes without a word of its own. */
  replaceRoute(r: Route): void {
    const at = this.#routes.findIndex((there) => samePlace(there, r));
    if (this.#routes.some((there) => samePlace(there, r) && sameWay(there, r))) return;
    this.#routes.splice(at >= 0 ? at : this.#routes.length, at >= 0 ? 1 : 0, r);
    this.#tell({ kind: "route", how: at >= 0 ? "replaced" : "added", route: r });
  }

  /** More happened than the kernel could keep for who listens. */
  loseEvents(): void {
    this.#events = [{ kind: "lost" }];
  }

  changed(): boolean {
    return this.events().length > 0;
  }

  revision(): number {
    return ++this.#revision;
  }

  events(): HostEvent[] {
    return this.#events.splice(0);
  }

  #tell(event: HostEvent): void {
    this.#events.push(event);
    if (this.#events.length > EVENTS_MAX) this.loseEvents();
  }

  close(): void {}

  #write(op: string): void {
    this.writes++;
    if (this.refuse !== null && op.includes(this.refuse)) {
      this.refuse = null;
      throw new SysError(op, 1, "Operation not permitted");
    }
  }

  #iface(op: string, index: number): NetworkInterface {
    const iface = this.#interfaces.find((l) => l.index === index);
    if (iface === undefined) throw new SysError(op, ENODEV, "No such device");
    return iface;
  }

  #connect(a: InterfaceAddress): void {
    const bits = a.address.includes(":") ? 128 : 32;
    const fields = { iface: a.iface, protocol: PROTOCOL_KERNEL, source: a.address };
    const local = route(`${a.address}/${bits}`, { ...fields, type: "local", table: 255, scope: 254 });
    const network = networkOf(parseInterface(`${a.address}/${a.prefixLength}`)!);
    const connected = route(network.text, { ...fields, scope: 253 });
    const iface = this.#interfaces.find((l) => l.index === a.iface)!;
    const made = a.prefixLength < bits && iface.up && !iface.loopback ? [local, connected] : [local];
    for (const r of made) {
      if (this.#routes.some((there) => samePlace(there, r))) continue;
      this.#routes.push(r);
      this.#tell({ kind: "route", how: "added", route: r });
    }
  }

  /** Of IPv6 routes it always tells. */
  #dropRoutes(gone: (r: Route) => boolean, told = false): void {
    for (const route of this.#routes.filter(gone)) {
      if (told || !isIpv4(route.destination.address)) this.#tell({ kind: "route", how: "removed", route });
    }
    this.#routes = this.#routes.filter((r) => !gone(r));
  }
}

function sameAddress(a: InterfaceAddress, b: InterfaceAddress): boolean {
  return a.iface === b.iface && a.address === b.address && a.prefixLength === b.prefixLength;
}

function samePlace(a: Route, b: Route): boolean {
  return samePrefix(a.destination, b.destination) && a.metric === b.metric && a.table === b.table &&
    (a.tos ?? 0) === (b.tos ?? 0);
}

function sameWay(a: Route, b: Route): boolean {
  return a.protocol === b.protocol && a.type === b.type && a.iface === b.iface && a.gateway === b.gateway;
}
