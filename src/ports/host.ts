/**
 * The host's network as ovltun reads and changes it. sys/host_network.ts asks the kernel for it over rtnetlink each time;
 * host/host_table.ts keeps what was read and follows the kernel's events. Addresses are canonical text ("10.42.7.0"; see
 * wire/address.ts).
 */
import type { Prefix } from "../wire/prefix.ts";
import type { RouteFilter } from "../wire/route_filter.ts";

/** A network interface as rtnetlink shows it. */
export interface NetworkInterface {
  readonly index: number;
  readonly name: string;
  /** IFLA_INFO_KIND: "veth", "bridge", "vxlan", "tun", …; null for plain hardware. */
  readonly kind: string | null;
  readonly mtu: number;
  readonly up: boolean;
  readonly loopback: boolean;
  /**
   * True where neighbours have no link address to ask for (IFF_NOARP, IFF_POINTOPOINT): tun, WireGuard, ppp; else
   * absent.
   */
  readonly noNeighbours?: boolean;
  /** "02:42:…" or null where the interface has no Ethernet address. */
  readonly mac: string | null;
  /** Index of the bridge it belongs to, or null. */
  readonly master: number | null;
  /** Kernel VXLAN and Geneve devices: the UDP port that they take on the host while they are up. */
  readonly udpPort?: number;
}

/** What is to be otherwise about an interface. `linkLocal`: it is to get no IPv6 address by itself when it comes up. */
export interface InterfaceChange {
  readonly up?: boolean;
  readonly mtu?: number;
  readonly txQueueLength?: number;
  readonly linkLocal?: false;
}

/** Packets that an interface dropped: on their way into the host, and out of it. */
export interface InterfaceDrops {
  readonly rx: number;
  readonly tx: number;
}

/** An address on an interface. */
export interface InterfaceAddress {
  readonly iface: number;
  readonly address: string;
  /** 0..32 for IPv4, 0..128 for IPv6. */
  readonly prefixLength: number;
  /** rt_scope: 0 universe, 253 link, 254 host. */
  readonly scope: number;
  /** Of IFA_F_… 0x01 secondary (IPv6: temporary), 0x08 DAD failed, 0x20 deprecated, 0x40 tentative; not for adding. */
  readonly flags?: number;
}

/** Routing tables: linux/rtnetlink.h. */
export const TABLE_MAIN = 254;
/** The addresses once more, broadcasts, multicast. */
export const TABLE_LOCAL = 255;
/** rt_scope: 0 is everywhere. */
export const SCOPE_LINK = 253;
export const SCOPE_HOST = 254;

export type RouteType =
  | "unicast"
  | "local"
  | "broadcast"
  | "multicast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  /** Ends the search in its table; the next rule goes on. */
  | "throw"
  | "other";

/** A route of any table. */
export interface Route {
  /** 10.42.0.0/16; 0.0.0.0/0 or ::/0 is the default route. */
  readonly destination: Prefix;
  readonly type: RouteType;
  readonly gateway: string | null;
  readonly iface: number | null;
  readonly metric: number;
  /** rtm_protocol: who installed it. */
  readonly protocol: number;
  readonly table: number;
  /** RTA_PREFSRC, or null. */
  readonly source: string | null;
  readonly onlink: boolean;
  /** rt_scope: 0 universe, 253 link. */
  readonly scope: number;
  /** Only packets with this Type of Service take it; absent: all do. */
  readonly tos?: number;
  /** RTAX_MTU; absent: as the interface. */
  readonly mtu?: number;
  /** Several next hops, of which the first is shown, or a next-hop object: it changes with more than its interface. */
  readonly manyHops?: true;
}

/** Whether an address can be the gateway of a route: the interface on which it is a neighbour, or why it is none. */
export type NextHop = { readonly iface: number } | { readonly why: string };

/** A peer on our own interface, reached without encapsulation. */
export interface DirectRoute {
  /** The peer's subnet. */
  readonly destination: Prefix;
  /** Its underlay address. */
  readonly gateway: string;
  /** The interface to the link both are on. */
  readonly iface: number;
  /** Largest packet that passes, where that is less than the interface takes. */
  readonly mtu?: number;
}

/** The kernel's table of the neighbours of one family, which all network namespaces share. */
export interface NeighbourTable {
  readonly family: 4 | 6;
  readonly entries: number;
  /** Entries that it has room for: gc_thresh3. */
  readonly limit: number;
  /** How often there was no room for a new one, since the machine started. */
  readonly fulls: number;
}

/** What tells of datagrams that the kernel took and dropped before they left. */
export interface SwallowedSends {
  /** Of this network namespace, since it is there. */
  unsentDatagrams(): number;
  neighbourTables(): readonly NeighbourTable[];
}

/** A rule of policy routing (ip-rule(8)) that sends packets to a table. */
export interface RoutingRule {
  readonly priority: number;
  readonly table: number;
  /** Routes of the table that are no longer than this do not count (`suppress_prefixlength`); -1: all count. */
  readonly suppress: number;
  /** Only packets to there; null: to anywhere. */
  readonly to: Prefix | null;
  /** Packets carry mark 0 unless a program marks them: whether the rule takes those. */
  readonly unmarked: boolean;
  /** It has a condition besides: a source, an interface, a user, a port. It takes some packets only. */
  readonly partial: boolean;
}

/** The answer of `ip route get`. */
export interface RouteLookup {
  readonly type: RouteType;
  readonly gateway: string | null;
  readonly iface: number;
  readonly source: string | null;
}

/**
 * What we read and change on a host. Every method throws SysError with the kernel's own sentence (extended ack). Adding
 * what exists and deleting what is gone are errors the caller sees.
 */
export interface HostNetwork extends SwallowedSends {
  interfaces(): readonly NetworkInterface[];
  /**
   * What an interface has dropped since it was made; null: it is gone, or does not tell. `maxAgeMs`: an answer that is so old
   * will do.
   */
  interfaceDrops(index: number, maxAgeMs?: number): InterfaceDrops | null;
  addresses(): readonly InterfaceAddress[];
  /**
   * Those that fit, of all tables, IPv4 and IPv6; without a filter all of them, of which a host may have a million. `once`:
   * they are not asked for again, and what becomes of them is no change.
   */
  routes(filter?: RouteFilter, once?: boolean): readonly Route[];
  /** The IPv4 rules that choose a table, in the order in which the kernel asks them. */
  rules(): readonly RoutingRule[];
  /** Null where the host has no route to it. `tos`: for packets with that Type of Service. */
  routeTo(address: string, tos?: number): RouteLookup | null;
  setInterface(index: number, change: InterfaceChange): void;
  deleteInterface(index: number): void;
  addAddress(address: InterfaceAddress): void;
  deleteAddress(address: InterfaceAddress): void;
  /** `before`: in front of a route of the same destination and metric (IPv4), which stays. */
  addRoute(route: Route, before?: boolean): void;
  deleteRoute(route: Route): void;
  /**
   * True when something changed since the last call: interfaces, addresses, rules, or routes that bear on what was asked.
   * Never blocks.
   */
  changed(): boolean;
  /** As long as this number is the same, so is every answer. The kernel itself answers anew each time. */
  revision(): number;
  close(): void;
}

/** What the kernel tells of by itself (rtnetlink multicast groups). */
export type HostEvent =
  /** `replaced`: in place of one of the same destination and metric. `appended`: behind such, else in front. */
  | {
    readonly kind: "route";
    readonly how: "added" | "appended" | "replaced" | "removed";
    readonly route: Route;
  }
  /** `down`: it is not up any more, or is gone, and with it, for IPv4 without a word, the routes that lead into it. */
  | { readonly kind: "interface"; readonly iface: number; readonly down: boolean }
  /** `gone`: and with it, for IPv4 without a word, routes whose source it was, and with the last one all of its interface. */
  | { readonly kind: "address"; readonly iface: number; readonly address: string; readonly gone: boolean }
  | { readonly kind: "rule" }
  /** Something of what IP does on the interfaces was set: forwarding, source checks. */
  | { readonly kind: "settings" }
  /** A next-hop object changed or is gone, and routes with it, for IPv4 without a word. */
  | { readonly kind: "nexthop" }
  /** There was more than could be kept: nothing is known for sure until it is read again. */
  | { readonly kind: "lost" };

/** The host's network straight from the kernel: each method asks it anew. */
export interface HostKernel extends HostNetwork {
  /** For epoll(7): more is to be read there once something has happened. Absent: nothing tells of that. */
  readonly eventsFd?: number;
  /** What happened since the last call of it or of `changed`, in order, our own doing included. Never blocks. */
  events(): HostEvent[];
}
