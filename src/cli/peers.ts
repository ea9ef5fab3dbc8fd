/** `ovltun peers`: every other node, how packets reach it, and why not by a better path. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { PeerStatus } from "../api/schema.ts";
import { addReadingFlags, read } from "./reading.ts";
import { type Column, formatBytes, formatRtt, renderTable } from "./table.ts";

const COLUMNS: readonly Column<PeerStatus>[] = [
  { title: "NAME", value: (peer) => peer.name },
  { title: "SUBNET", value: (peer) => peer.subnet },
  { title: "STATE", value: (peer) => peer.state },
  { title: "PATH", value: (peer) => peer.path },
  { title: "SECURITY", value: (peer) => peer.security },
  { title: "ENDPOINT", value: (peer) => peer.endpoint },
  { title: "RTT", value: (peer) => formatRtt(peer.rttMs), right: true },
  { title: "SENT", value: (peer) => formatBytes(peer.txBytes), right: true },
  { title: "RECEIVED", value: (peer) => formatBytes(peer.rxBytes), right: true },
  { title: "WHY", value: (peer) => peer.why },
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

/** The table of peers, or a sentence when there are none. */
export function peersPage(peers: readonly PeerStatus[], colours: boolean): string {
  return peers.length === 0 ? "No peers yet" : renderTable(COLUMNS, peers, colours);
}
