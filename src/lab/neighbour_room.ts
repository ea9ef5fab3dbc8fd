/**
 * The kernel has one neighbour table for all network namespaces (arp(7), net.ipv4.neigh.default.gc_thresh3, 1024 entries
 * unless set): where it is full, packets to new neighbours are dropped, and hosts of a large lab find no answer anywhere.
 * While the lab runs the table takes an entry for each pair of hosts. What was is noted beside the lab's directory: the next
 * lab puts back what one that was killed could not.
 */
import { lstatSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const DIRECTORY = "/proc/sys/net/ipv4/neigh/default";
/** The largest number of entries, and from which on those that are seldom used go. */
const LIMITS = ["gc_thresh3", "gc_thresh2"] as const;
/** Neighbours for which the table has room anyway, beside those of the machine itself. */
const ANYWAY = 512;
const NOTE = "-neighbours";

/** Where it is, if not where it always is. */
export interface NeighbourPlaces {
  readonly directory?: string;
  /** The note, named as the directories of a lab are, so that it is found with them. */
  readonly note?: string;
}

/**
 * Makes room for the neighbours of so many hosts; `close` puts back what was. What cannot be changed, as in a container that has
 * no such setting, stays as it is.
 */
export function neighbourRoom(hosts: number, places: NeighbourPlaces = {}): { close(): void } {
  const { directory = DIRECTORY, note = join(tmpdir(), `ovltun-lab-${process.pid}${NOTE}`) } = places;
  const pairs = 2 * hosts * hosts;
  if (pairs <= ANYWAY) return { close() {} };
  const before: string[] = [];
  for (const limit of LIMITS) {
    const path = join(directory, limit);
    try {
      const text = readFileSync(path, "utf8").trim();
      if (Number(text) >= 1024 + pairs) continue;
      before.push(`${limit} ${text}`);
      rmSync(note, { force: true });
      writeFileSync(note, before.join("\n"), { mode: 0o600, flag: "wx" });
      writeFileSync(path, `${1024 + pairs}\n`);
    } catch {
      continue; // not ours to change
    }
  }
  return { close: () => restoreNeighbours(note, directory) };
}

/** Whether a file is the note of a lab. */
export function isNeighbourNote(name: string): boolean {
  return name.endsWith(NOTE);
}

/** Puts back what a note says, and removes it. Anybody may write where notes are: only our own is believed. */
export function restoreNeighbours(note: string, directory = DIRECTORY): void {
  const found = lstatSync(note, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile() || found.uid !== (process.geteuid?.() ?? 0)) return;
  const limits = new Map<string, number>(); // BOUNDED: by LIMITS
  for (const line of readFileSync(note, "utf8").split("\n")) {
    const [limit, value] = line.split(" ");
    if (LIMITS.some((name) => name === limit) && /^\d{1,9}$/.test(value ?? "")) {
      limits.set(limit!, Number(value));
    }
  }
  for (const [limit, value] of limits) {
    try {
      writeFileSync(join(directory, limit), `${value}\n`);
    } catch {
      continue; // not ours to change
    }
  }
  rmSync(note);
}
