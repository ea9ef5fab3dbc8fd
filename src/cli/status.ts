/** `ovltun status`: this node, its mesh, what it waits for, and its peers, on one page. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { Status, Waiting } from "../api/schema.ts";
import { escapeText } from "../daemon/log.ts";
import { peersPage } from "./peers.ts";
import { addReadingFlags, read } from "./reading.ts";
import { bold, dim, formatDuration, shortId } from "./table.ts";

export function registerStatus(program: Command): void {
  addReadingFlags(program.command("status").description("this node, its mesh and its peers"))
    .action((options: Record<string, unknown>) =>
      read(options, {
        ask: (path) => callApi(path, "status", {}),
        json: (status) => status,
        page: statusPage,
      })
    );
}

/** The page for people. */
export function statusPage(status: Status, colours: boolean): string {
  const { node, network, peers } = status;
  const lease = node.subnet === null ? node.leaseState : `${node.subnet} ${node.leaseState}`;
  const range = network.cidr === null
    ? "not known yet"
    : `${network.cidr}, a /${network.subnetLen} for each node`;
  const alive = peers.filter((peer) => peer.state === "alive").length;
  const facts: [string, string][] = [
    ["node", `${node.name} (${shortId(node.id)})`],
    ["lease", lease],
    ["mesh", `${network.name}, ${range}`],
    [
      "carried by",
      `${node.backend}, ${node.security}${node.cipher === "none" ? "" : ` with ${node.cipher}`}`,
    ],
    ["device", `${node.device}, ${node.address ?? "no address yet"}, mtu ${node.mtu}`],
    ["reached at", node.underlay.join(", ") || "nowhere"],
    [
      "running",
      `${formatDuration(node.uptimeSeconds)}, ovltun ${node.version} on ${node.runtime}, pid ${node.pid}`,
    ],
    ["dropped", dropsLine(status.drops)],
    ["peers", peers.length === 0 ? "none yet" : `${alive} of ${peers.length} alive`],
  ];
  const lines = facts.map(([title, text]) => `${dim(title.padEnd(11), colours)}${escapeText(text)}`);
  for (const waiting of node.waitingFor) lines.push(bold(waitingLine(waiting), colours));
  for (const warning of status.warnings) lines.push(bold(`! ${escapeText(warning)}`, colours));
  if (peers.length > 0) lines.push("", peersPage(peers, colours));
  return lines.join("\n");
}

/** `waiting for 192.168.1.10:8473, 8 s without an answer (firewall? …)`. */
export function waitingLine(waiting: Waiting): string {
  const hint = waiting.hint === "" ? "" : ` (${waiting.hint})`;
  return escapeText(
    `waiting for ${waiting.endpoint}, ${formatDuration(waiting.sinceSeconds)} without an answer${hint}`,
  );
}

function dropsLine(drops: Readonly<Record<string, number>>): string {
  const counted = Object.entries(drops).filter(([, count]) => count > 0);
  return counted.length === 0 ? "nothing" : counted.map(([reason, count]) => `${reason} ${count}`).join(", ");
}
