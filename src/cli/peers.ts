/** `ovltun peers`: every other node, how packets reach it, and why not by a better path. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { PeerStatus } from "../api/schema.ts";
import type { Screen } from "../text/escape.ts";
import { addReadingFlags, read } from "./reading.ts";
import { type Column, renderTable } from "../text/columns.ts";
import { formatBytes, formatRtt } from "../text/quantity.ts";

const SUBNET6: Column<PeerStatus> = { title: "SUBNET6", value: (peer) => peer.subnet6, spare: 6 };
const COLUMNS: readonly Column<PeerStatus>[] = [
  { title: "NAME", value: (peer) => isStatic(peer) ? peer.subnet ?? peer.subnet6 : peer.name },
  { title: "SUBNET", value: (peer) => peer.subnet ?? peer.subnet6 },
  SUBNET6,
  { title: "STATE", value: (peer) => isStatic(peer) ? "static" : peer.state },
  { title: "PATH", value: (peer) => peer.path },
  { title: "SECURITY", value: (peer) => peer.path === "none" ? null : peer.security, spare: 5 },
  { title: "ENDPOINT", value: (peer) => peer.endpoint, spare: 1 },
  { title: "RTT", value: (peer) => formatRtt(peer.rttMs), right: true, spare: 2 },
  { title: "SENT", value: (peer) => formatBytes(peer.txBytes), right: true, spare: 4 },
  { title: "RECEIVED", value: (peer) => formatBytes(peer.rxBytes), right: true, spare: 3 },
  {
    title: "WHY",
    value: (peer) => isHealthy(peer) ? null : peer.why,
    notes: (peer) => peer.path !== "direct-route",
  },
];

export function registerPeers(program: Command): void {
  addReadingFlags(program.command("peers").description("the other nodes and the paths to them"))
    .action((options: Record<string, unknown>) =>
      read(options, {
        ask: (path) => callApi(path, "peers", {}),
        json: (peers) => peers,
        page: peersPage,
      })
    );
}

/** The table of peers, or a sentence when there are none. That a path is in the clear is told on any screen. */
export function peersPage(peers: readonly PeerStatus[], screen: Screen): string {
  if (peers.length === 0) return "No peers yet";
  const both = peers.some(({ subnet, subnet6 }) => subnet !== null && subnet6 !== null);
  const some = both ? COLUMNS : COLUMNS.filter((column) => column !== SUBNET6);
  const columns = peers.some(isClear)
    ? some.map((column) => column.title === "SECURITY" ? { ...column, spare: 0 } : column)
    : some;
  return renderTable(columns, peers, screen);
}

/** Packets to this peer are neither encrypted nor authenticated, in a sealed mesh too. */
export function isClear(peer: PeerStatus): boolean {
  return peer.path !== "none" && peer.security === "clear";
}

/** There is nothing to say about it: alive, by the best path that was asked for. Static peers are never probed. */
function isHealthy(peer: PeerStatus): boolean {
  return peer.healthy && !isStatic(peer);
}

/** A kernel VXLAN device or a flannel node: whether it is alive is unknown. */
export function isStatic({ id }: { readonly id: string }): boolean {
  return id.startsWith("static:");
}
