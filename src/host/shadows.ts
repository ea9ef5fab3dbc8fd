/**
 * What on this host takes packets away from the mesh while a node runs: routes into its network that are longer than
 * ours, addresses in it, and tables that policy routing asks before the main one. A node that holds a lease goes on
 * beside them and says which part of the mesh it does not reach, by whose fault, and what to do; nothing of it is ours
 * to change. Pure. (A foreign route in the very place of ours is for reconcile_host.ts, which steps back.)
 */

import {
  type InterfaceAddress,
  type NetworkInterface,
  type Route,
  type RoutingRule,
  TABLE_LOCAL,
  TABLE_MAIN,
} from "../ports/host.ts";
import { describeRoute, interfaceName } from "./describe.ts";
import { addressAlone, heldPrefix } from "./owned.ts";
import { addressRoute, isOwn, isSink, overlappingRoutes, type OwnMarks } from "./overlap.ts";
import { contains, IPV4_BITS_AT, isInside, overlaps, type Prefix, samePrefix } from "../wire/prefix.ts";

const DOCKER_BRIDGE = /^br-([0-9a-f]{12})$/;
/** A mesh of k3s on the same network has a route for each node. */
const SHOWN = 5;
/** So many, the largest, are compared with one another; whatever is beyond that is only counted. */
const COMPARED = 256;

/** The host as it is at one moment. */
export interface HostRouting {
  readonly interfaces: readonly NetworkInterface[];
  readonly addresses: readonly InterfaceAddress[];
  readonly routes: readonly Route[];
  readonly rules: readonly RoutingRule[];
}

/** A part of the mesh that this host does not reach. */
export interface Shadow {
  /** 10.42.9.0/24, or the whole network. */
  readonly hides: Prefix;
  /** What takes it. */
  readonly route: Route;
  /** The address that makes the route; null: it is a route only. */
  readonly address: InterfaceAddress | null;
  /** The rule by which the route's table comes before the main one. */
  readonly rule: RoutingRule | null;
}

/** Who holds what in the mesh. */
export interface Holder {
  readonly subnet: Prefix;
  readonly name: string;
}

/** The parts of `network` that something of the host takes away, each once, the largest first. */
export function shadows(host: HostRouting, ours: Prefix, own: OwnMarks): Shadow[] {
  const found = [
    ...shadowsByAddresses(host, ours, own), // first: it says more than the routes that it makes
    ...shadowsByRules(host, ours, own),
    // Equally long ones are in the place of ours.
    ...overlappingRoutes(host.routes, [], ours, own)
      .filter(({ destination }) => destination.length > ours.length)
      .map((route) => ({ hides: route.destination, route, address: null, rule: null })),
  ].sort((a, b) => a.hides.length - b.hides.length);
  const kept: Shadow[] = [];
  for (const one of found.slice(0, COMPARED)) {
    // Sorted: those before are as large or larger.
    const isIn = (other: Shadow) =>
      other.route.iface === one.route.iface && contains(other.hides, one.hides.address);
    if (!kept.some(isIn)) kept.push(one);
  }
  return [...kept, ...found.slice(COMPARED)];
}

// An address takes what its network takes, or alone itself where that is wider than the mesh's.
function shadowsByAddresses({ addresses }: HostRouting, ours: Prefix, own: OwnMarks): Shadow[] {
  return addresses.flatMap((address) => {
    const alone = addressAlone(address);
    const route = addressRoute(address);
    if (!isInside(alone, ours) || address.iface === own.device) return [];
    if (own.subnet !== null && isInside(alone, own.subnet)) return [];
    // Of the network's own length it is in the place of our route, which reconcile_host.ts tells.
    const hides = route.destination.length > ours.length ? route.destination : alone;
    return [{ hides, route, address, rule: null }];
  });
}

function shadowsByRules({ routes, rules }: HostRouting, ours: Prefix, own: OwnMarks): Shadow[] {
  const found: Shadow[] = [];
  for (const rule of rulesBeforeMain(rules, ours)) {
    const table = routes.filter((route) => route.table === rule.table);
    const to = rule.to ?? ours;
    for (const route of table) {
      const { destination, type } = route;
      const dropped = type === "throw" || type === "multicast" || type === "broadcast";
      if (dropped || isOwn(route, own) || lengthOf(destination) <= rule.suppress) continue;
      const hides = common(common(destination, ours), to);
      if (hides === null || isThrown(table, destination, hides)) continue;
      if (own.subnet !== null && isInside(hides, own.subnet)) continue;
      found.push({ hides, route, address: null, rule });
    }
  }
  return found;
}

/** The rules that send ordinary packets to other tables before the main one is asked for our network. */
function rulesBeforeMain(rules: readonly RoutingRule[], ours: Prefix): RoutingRule[] {
  const found: RoutingRule[] = [];
  for (const rule of rules) {
    const { to } = rule;
    if (!rule.unmarked || rule.partial || (to !== null && !overlaps(to, ours))) continue;
    if (rule.table !== TABLE_MAIN) found.push(rule);
    else if (rule.suppress < lengthOf(ours) && (to === null || common(to, ours) === ours)) break;
  }
  return found;
}

// `throw` sends what is looked up in its table on to the next rule.
function isThrown(table: readonly Route[], by: Prefix, hides: Prefix): boolean {
  return table.some(({ type, destination }) =>
    type === "throw" && destination.length >= by.length && isInside(hides, destination)
  );
}

/** What two prefixes share: the longer one, or nothing. */
function common(p: Prefix | null, q: Prefix): Prefix | null {
  if (p === null || !overlaps(p, q)) return null;
  return p.length > q.length ? p : q;
}

const lengthOf = (prefix: Prefix): number => prefix.length - IPV4_BITS_AT;

/** What sentences about shadows are made with. */
export interface ShadowWords {
  readonly network: Prefix;
  readonly interfaces: readonly NetworkInterface[];
  /** Ours. */
  readonly lease: Prefix | null;
  readonly holders: readonly Holder[];
}

/** A sentence for each shadow; what is left of many is counted. */
export function describeShadows(found: readonly Shadow[], words: ShadowWords): string[] {
  const { network, holders } = words;
  const lines = found.slice(0, SHOWN).map((one) => {
    const hit = holders.filter(({ subnet }) => isInside(subnet, one.hides) || isInside(one.hides, subnet));
    const names = hit.slice(0, 3).map(({ name }) => name).join(", ") + (hit.length > 3 ? ", …" : "");
    const part = `${one.hides} of the mesh${names === "" ? "" : ` (${names})`}`;
    const lost = `this host cannot reach ${samePrefix(one.hides, network) ? "the mesh" : part}`;
    return one.address === null
      ? describeRouteShadow(one, words, lost)
      : describeAddressShadow(one.address, one.hides, words, lost);
  });
  const more = found.length - lines.length;
  return more > 0
    ? [...lines, `${more} more routes of this host overlap the mesh's network ${network}`]
    : lines;
}

function describeAddressShadow(
  address: InterfaceAddress,
  hides: Prefix,
  { interfaces, lease }: ShadowWords,
  lost: string,
): string {
  const name = interfaceName(address.iface, interfaces);
  const held = heldPrefix(address).text;
  const kind = interfaces.find((iface) => iface.index === address.iface)?.kind ?? null;
  const outside = lease === null
    ? "overlaps the mesh's network"
    : `overlaps the mesh, outside of this node's lease ${lease}`;
  const what = `${held} on ${kind === "bridge" ? `the bridge ${name}` : name} ${outside}: ${lost}`;
  if (kind === "bridge") return `${what}. If it is a leftover of an earlier lease: ${removeBridge(name)}`;
  const wider = hides.length === 128 && address.prefixLength < 32;
  const remedy = wider
    ? "change the network of one of the two"
    : `remove it (ip addr del ${held} dev ${name}), or change the network of one of the two`;
  return `${what}; ${remedy}`;
}

/** What removes a bridge, or moves it to another lease; `purged`: there is none any more. */
export function removeBridge(name: string, purged = false): string {
  const docker = DOCKER_BRIDGE.exec(name);
  if (docker !== null) return `docker network rm ${docker[1]}, or without Docker: ip link del ${name}`;
  if (name === "docker0") {
    const bip = purged
      ? 'remove "bip" from daemon.json'
      : 'set "bip" in daemon.json to the subnet in subnet.env';
    return `${bip} and restart Docker, or without Docker: ip link del ${name}`;
  }
  return `ip link del ${name}`;
}

function describeRouteShadow(
  { route, rule }: Shadow,
  { network, interfaces }: ShadowWords,
  lost: string,
): string {
  const text = describeRoute(route, interfaces);
  if (rule !== null && rule.table !== TABLE_LOCAL) {
    const remedy = rule.priority > 1
      ? `give the mesh precedence: ip rule add to ${network} lookup main priority ${rule.priority - 1}`
      : `delete it: ip route del ${text} table ${route.table}`;
    return `The route ${text} of table ${route.table}, consulted before the main table (rule ` +
      `${rule.priority}), ` +
      `overlaps the mesh's network ${network}: ${lost}; ${remedy}`;
  }
  const table = route.table === TABLE_MAIN ? "" : ` table ${route.table}`;
  const command = `ip route del ${
    isSink(route) && route.metric >= 2 ** 31 ? `${route.type} ${route.destination}` : text
  }${table}`;
  return `The route ${text}${table} overlaps the mesh's network ${network}: ${lost}; delete it ` +
    `(${command}), or change the network of one of the two`;
}
