/**
 * The kernel has one neighbour table for all network namespaces (arp(7), net.ipv4.neigh.default.gc_thresh3, 1024 entries
 * unless set): where it is full, packets to new neighbours are dropped, and hosts of a large lab find no answer anywhere.
 * While the lab runs the table takes an entry for each pair of hosts.
 */
import { readFileSync, writeFileSync } from "node:fs";

const DIRECTORY = "/proc/sys/net/ipv4/neigh/default";
/** The largest number of entries, and from which on those that are seldom used go. */
const LIMITS = ["gc_thresh3", "gc_thresh2"] as const;

/**
 * Makes room for the neighbours of so many hosts; `close` puts back what was. What cannot be changed, as in a container that has
 * no such setting, stays as it is.
 */
export function neighbourRoom(hosts: number, directory = DIRECTORY): { close(): void } {
  const needed = 1024 + 2 * hosts * hosts;
  const before: { readonly path: string; readonly text: string }[] = [];
  for (const limit of LIMITS) {
    const path = `${directory}/${limit}`;
    try {
      const text = readFileSync(path, "utf8");
      if (Number(text) >= needed) continue;
      writeFileSync(path, `${needed}\n`);
      before.push({ path, text });
    } catch {
      continue; // not ours to change
    }
  }
  return {
    close() {
      for (const { path, text } of before.splice(0)) writeFileSync(path, text);
    },
  };
}
