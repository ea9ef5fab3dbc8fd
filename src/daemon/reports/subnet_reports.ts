/** What the API tells of subnets: who holds which, which are reserved, and where those of others lead. */
import type { LeaseEntry, RouteEntry } from "../../api/schema.ts";
import { networksOf } from "../../control/mesh/mesh_config.ts";
import { staticKey } from "../../control/paths/tunnels.ts";
import type { LeaseView } from "../../control/paths/view.ts";
import { isOwned } from "../../host/owned.ts";
import type { NetworkInterface, Route } from "../../ports/host.ts";
import { comparePrefixes, prefix } from "../../wire/prefix.ts";
import { isStatic, pathTo, type Snapshot, split, staticEndpoint, subnetTexts } from "./reports.ts";

/** Leases, and what is reserved and not leased, in order of subnet. */
export function leasesReport(snapshot: Snapshot): LeaseEntry[] {
  const { leases, reservations = [] } = snapshot.view;
  // BOUNDED: by the reservations
  const taken = new Map(
    reservations.filter(({ state }) => state === "taken").map((one) => [one.subnet.text, one.by]),
  );
  const entries = leases.map((lease) => ({ ...leaseEntry(snapshot, lease), ...reservedBy(lease, taken) }));
  const free = reservations.filter(({ state }) => state !== "taken").map((one): LeaseEntry => ({
    ...subnetTexts(one),
    subnet: one.subnet.text,
    nodeId: one.nodeId,
    name: one.name,
    state: one.state === "conflict" ? "conflict" : "reserved",
    reserved: true,
    reservedBy: one.by,
    endpoint: null,
    vtepMac: null,
  }));
  if (free.length === 0) return entries;
  const place = (entry: LeaseEntry) => prefix(entry.subnet);
  return [...entries, ...free].sort((a, b) => comparePrefixes(place(a), place(b)));
}

function reservedBy(
  { subnet, second, state }: LeaseView,
  taken: ReadonlyMap<string, string>,
): Partial<LeaseEntry> {
  const by = taken.get(subnet.text) ?? (second === undefined ? undefined : taken.get(second.text));
  return by === undefined || state === "conflict" ? {} : { reserved: true, reservedBy: by };
}

function leaseEntry(snapshot: Snapshot, lease: LeaseView): LeaseEntry {
  const { second, ...rest } = lease;
  return {
    ...rest,
    subnet: lease.subnet.text,
    subnet6: split([lease.subnet, second]).six?.text ?? null,
    nodeId: lease.nodeId ?? "",
    ...isStatic(lease)
      ? { endpoint: staticEndpoint(snapshot, lease), vtepMac: staticMac(snapshot, lease) }
      : {},
  };
}

function staticMac(snapshot: Snapshot, lease: LeaseView): string | null {
  return snapshot.wanted.tunnels.get(staticKey(lease))?.mac || null;
}

/** The kernel's routes that are ours, then the data plane's. */
export function routesReport(
  snapshot: Snapshot,
  routes: readonly Route[],
  interfaces: readonly NetworkInterface[],
): RouteEntry[] {
  const names = new Map(snapshot.view.peers.map((peer) => [peer.id, peer.name]));
  const holder = new Map(
    snapshot.view.leases.flatMap((lease) =>
      [lease.subnet, lease.second].flatMap((one) => one === undefined ? [] : [[one.text, lease] as const])
    ),
  );
  const { mesh } = snapshot.view.own;
  const networks = mesh === null ? [] : networksOf(mesh);
  // Of IPv6 by their destination, of IPv4 by their Type of Service: a direct route may have the same destination there.
  const probed = new Set( // BOUNDED: by the routes that are wanted
    snapshot.wanted.probeRoutes.map(({ destination }) => destination.text).filter((text) =>
      text.includes(":")
    ),
  );
  const host = routes.filter((route) =>
    networks.some((network) => isOwned(route, network)) && !probed.has(route.destination.text) &&
    route.tos === undefined
  ).map((
    route,
  ): RouteEntry => ({
    destination: route.destination.text,
    where: "host",
    type: route.type,
    device: interfaces.find((iface) => iface.index === route.iface)?.name ?? null,
    gateway: route.gateway,
    metric: route.metric,
    node: route.gateway === null ? null : holder.get(route.destination.text)?.name ?? null,
    path: route.gateway === null ? null : "direct-route",
  }));
  const bySubnet = [...snapshot.wanted.routes].sort((a, b) => comparePrefixes(a.subnet, b.subnet));
  const tunnels = bySubnet.map((route): RouteEntry => ({
    destination: route.subnet.text,
    where: "tunnel",
    type: "unicast",
    device: snapshot.device,
    gateway: null,
    metric: null,
    node: names.get(route.peerKey) ?? route.peerKey,
    path: pathTo(snapshot, route.peerKey).path,
  }));
  return [...host, ...tunnels];
}
