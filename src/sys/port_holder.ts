/**
 * Who holds a UDP port of this host, for a message: a kernel VXLAN device, by what rtnetlink says of it (the kernel's
 * sockets have no process), or a process, by the inode of its socket in /proc/net/udp (proc(5)) and among its descriptors.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import type { NetworkInterface } from "../ports/host.ts";

const LOCAL_AT = 1;
const INODE_AT = 9;

/** "the VXLAN device flannel.1", "dnsmasq (pid 812)", or "another program" where it cannot be found out. */
export function portHolder(port: number, interfaces: readonly NetworkInterface[]): string {
  const device = interfaces.find((iface) => iface.udpPort === port && iface.up);
  if (device !== undefined) {
    return `the ${device.kind === "vxlan" ? "VXLAN" : device.kind} device ${device.name}`;
  }
  const inodes = ["udp", "udp6"].flatMap((table) =>
    socketsOn(port, textOf(`/proc/thread-self/net/${table}`))
  );
  for (const pid of inodes.length === 0 ? [] : entriesOf("/proc").filter((name) => /^\d+$/.test(name))) {
    const holds = entriesOf(`/proc/${pid}/fd`).some((fd) => inodes.includes(linkOf(`/proc/${pid}/fd/${fd}`)));
    if (holds) return processWords(Number(pid));
  }
  return "another program";
}

/** The inodes of sockets on that port, as /proc/PID/fd shows them, in the text of /proc/net/udp. */
export function socketsOn(port: number, table: string): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return table.split("\n").slice(1).flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const inode = fields[INODE_AT];
    return fields[LOCAL_AT]?.split(":")[1] === wanted && inode !== undefined ? [`socket:[${inode}]`] : [];
  });
}

function processWords(pid: number): string {
  if (pid === process.pid) return "this node itself";
  const name = textOf(`/proc/${pid}/comm`).trim();
  return `${/^[\w.:@/-]+$/.test(name) ? name : JSON.stringify(name)} (pid ${pid})`;
}

// A process may end, or not be ours to look at, between two calls: then it is not the one that can be named.
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function entriesOf(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
