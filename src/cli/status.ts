/** `ovltun status`: this node, its mesh, what it waits for, and its peers, on one page. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { PeerStatus, ReservedSubnet, Status, Waiting } from "../api/schema.ts";
import type { ForgottenNode } from "../api/outcomes.ts";
import { escapeText, type Screen } from "../text/escape.ts";
import { isClear, isStatic, peersPage } from "./peers.ts";
import { addReadingFlags, read } from "./reading.ts";
import { bold, dim, shortId, wrap } from "../text/columns.ts";
import { formatDuration } from "../text/quantity.ts";

const INDENT = " ".repeat(11);
/** Removed nodes that the page names. */
const REMOVED_SHOWN = 5;
/** Reservations that it names. */
const RESERVED_SHOWN = 5;

export function registerStatus(program: Command): void {
  addReadingFlags(
    program.command("status").description(
      "this node, its mesh and peers, and what is wrong or pending",
    ),
  )
    .action((options: Record<string, unknown>) =>
      read(options, {
        ask: (path) => callApi(path, "status", {}),
        json: (status) => status,
        page: statusPage,
      })
    );
}

/** The page for people. */
export function statusPage(status: Status, screen: Screen): string {
  const { node, peers } = status;
  const lines = factsOf(status).map(([title, text]) => {
    const line = wrap(`${title.padEnd(INDENT.length)}${escapeText(text)}`, screen.width, INDENT);
    return dim(line.slice(0, INDENT.length), screen.colours) + line.slice(INDENT.length);
  });
  const loud = (text: string, indent: string) => bold(wrap(text, screen.width, indent), screen.colours);
  for (const waiting of node.waitingFor) lines.push(loud(waitingLine(waiting), "  "));
  for (const warning of status.warnings) lines.push(loud(`! ${escapeText(warning)}`, "  "));
  if (peers.length > 0) lines.push("", peersPage(peers, screen));
  return lines.join("\n");
}

/** Title and text of each line. Facts not known yet are omitted. */
function factsOf(status: Status): [string, string][] {
  const { node, network, peers } = status;
  const subnets = [node.subnet, node.subnet6].filter((one) => one !== null);
  const lease = subnets.length === 0
    ? `none yet, ${node.leaseState}`
    : `${subnets.join(" and ")} ${node.leaseState}`;
  const ranges = [[network.cidr, network.subnetLen], [network.cidr6, network.subnet6Len]]
    .flatMap(([cidr, length]) => cidr === null ? [] : [`${cidr}, a /${length} per node`]);
  const range = ranges.length === 0 ? "network not known yet" : ranges.join(", and ");
  const facts: [string, string][] = [
    ["node", `${node.name} (${shortId(node.id)})`],
    ["lease", lease],
    ["mesh", `${network.name}, ${range}`],
  ];
  if (node.backend !== "") facts.push(["transport", `${node.backend}, ${securityLine(status)}`]);
  // The device is made with the lease, and has its MTU from then on.
  const addresses = [node.address, node.address6].filter((one) => one !== null);
  if (addresses.length > 0 && node.mtu > 0) {
    facts.push(["device", `${node.device}, ${addresses.join(", ")}, mtu ${node.mtu}`]);
  }
  const degraded = Object.entries(node.offloadsOff ?? {}).map(([offload, why]) => `no ${offload} (${why})`);
  if (node.withoutLibcrypto) degraded.unshift(`no libcrypto: slower sealing (${node.withoutLibcrypto})`);
  if (degraded.length > 0) facts.push(["degraded", degraded.join(", ")]);
  facts.push(
    ["endpoints", node.underlay.join(", ") || "none, not reachable"],
    [
      "uptime",
      `${formatDuration(node.uptimeSeconds)}, ovltun ${node.version} on ${node.runtime}, pid ${node.pid}`,
    ],
    ["dropped", dropsLine(status.drops)],
    ["peers", peersLine(peers)],
  );
  const { reservations = [] } = status;
  if (reservations.length > 0) facts.push(["reserved", reservedLine(reservations)]);
  if (status.forgotten.length > 0) facts.push(["removed", removedLine(status.forgotten)]);
  return facts;
}

/** What is sealed and what is not: with host-gw the mesh's own messages alone, and direct routes pass the cipher by. */
function securityLine({ node, peers }: Status): string {
  if (node.security === "plain") return "plain";
  const sealed = `sealed with ${node.cipher}`;
  if (node.backend === "host-gw") return `control ${sealed}, data in the clear`;
  const clear = peers.filter(isClear).length;
  return clear === 0 ? sealed : `${sealed}; data to ${clear} of ${peers.length} peers in the clear`;
}

// A host that comes back as a new node each time leaves many of one name behind: the id tells them apart.
function removedLine(forgotten: readonly ForgottenNode[]): string {
  const latest = new Map<string, ForgottenNode>(); // BOUNDED: as the answer
  for (const one of forgotten) if (!latest.has(one.id)) latest.set(one.id, one);
  const shown = [...latest.values()].slice(0, REMOVED_SHOWN).map(({ id, name, by, revoked }) =>
    `${name === null ? shortId(id) : `${name} ${shortId(id)}`} (${
      revoked ? "revoked" : "forgotten"
    } by ${by})`
  );
  const more = latest.size - shown.length;
  return shown.join(", ") + (more > 0 ? `, … and ${more} more` : "");
}

function reservedLine(reservations: readonly ReservedSubnet[]): string {
  const shown = reservations.slice(0, RESERVED_SHOWN).map(({ subnet, name, state }) =>
    `${subnet} for ${name}${state === "taken" ? "" : state === "free" ? " (not taken)" : " (conflict)"}`
  );
  const more = reservations.length - shown.length;
  return shown.join(", ") + (more > 0 ? `, … and ${more} more (ovltun leases)` : "");
}

function peersLine(peers: readonly PeerStatus[]): string {
  const nodes = peers.filter((peer) => !isStatic(peer));
  const alive = nodes.filter((peer) => peer.state === "alive").length;
  const lost = nodes.filter((peer) => peer.state === "alive" && peer.path === "none").length;
  const counts = nodes.length === 0
    ? "none yet"
    : `${alive} of ${nodes.length} alive${lost === 0 ? "" : `, ${lost} without a path`}`;
  const statics = peers.length - nodes.length;
  return statics === 0 ? counts : `${counts}, and ${statics} static`;
}

/** `waiting for 192.168.1.10:8473: no answer for 8 s (firewall? …)`. */
export function waitingLine(waiting: Waiting): string {
  return escapeText(waiting.message);
}

/** The kernel asks for IPv6 routers on every new device: each node soon drops a few. */
const HARMLESS = ["multicast"];

function dropsLine(drops: Readonly<Record<string, number>>): string {
  // What the Workers saw of it; the sockets say the same, each for itself.
  const bySocket = Object.keys(drops).some((reason) => reason.startsWith("socket-overflow-"));
  const untold = bySocket ? [...HARMLESS, "receive-overflow"] : HARMLESS;
  const counted = Object.entries(drops).filter(([reason, count]) => count > 0 && !untold.includes(reason));
  return counted.length === 0 ? "none" : counted.map(([reason, count]) => `${reason} ${count}`).join(", ");
}
