/**
 * The kernel has one neighbour table for all network namespaces (arp(7), net.ipv4.neigh.default.gc_thresh3, 1024 entries
 * unless set): where it is full, packets to new neighbours are dropped, and hosts of a large lab find no answer anywhere.
 * While a lab runs the table takes an entry for each pair of its hosts. What each lab found is noted beside its directory: the
 * last of those that overlap puts back the least of it, and the next lab what was left by ones that were killed.
 */
import { lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { isAlive } from "../sys/process_alive.ts";

/** The largest number of entries, and from which on those that are seldom used go. */
const LIMITS = ["gc_thresh3", "gc_thresh2"] as const;
/** Neighbours for which the table has room anyway, beside those of the machine itself. */
const ANYWAY = 512;
/** "ovltun-lab-PID-neighbours": named as the directories of a lab are. */
const NOTE = /^ovltun-lab-(\d{1,9})-neighbours$/;

/** Where it is, and who asks. */
export interface NeighbourPlaces {
  /** Of the limits. */
  readonly directory: string;
  readonly notes: string;
  readonly pid: number;
  isAlive(pid: number): boolean;
}

const PLACES: NeighbourPlaces = {
  directory: "/proc/sys/net/ipv4/neigh/default",
  notes: tmpdir(),
  pid: process.pid,
  isAlive,
};

/**
 * Makes room for the neighbours of so many hosts; `close` puts back what was, once no other lab runs. What cannot be changed, as
 * in a container that has no such setting, stays as it is.
 */
export function neighbourRoom(hosts: number, places = PLACES): { close(): void } {
  const { directory, notes, pid } = places;
  const pairs = 2 * hosts * hosts;
  if (pairs <= ANYWAY) return { close() {} };
  const found = LIMITS.map((limit) => [limit, limitAt(join(directory, limit))] as const);
  const note = join(notes, `ovltun-lab-${pid}-neighbours`);
  try {
    rmSync(note, { force: true });
    // Also where there is room: it may be that of another lab, which ends before this one.
    const lines = found.filter(([, value]) => value !== null).map(([limit, value]) => `${limit} ${value}`);
    writeFileSync(note, lines.join("\n"), { mode: 0o600, flag: "wx" });
  } catch {
    return { close() {} }; // what could not be put back is not changed
  }
  for (const [limit, value] of found) {
    if (value !== null && value < 1024 + pairs) set(join(directory, limit), 1024 + pairs);
  }
  return { close: () => giveNeighboursBack(places) };
}

/** Whether a file is the note of a lab. */
export function isNeighbourNote(name: string): boolean {
  return NOTE.test(name);
}

/** Puts back the least that the labs found that have ended, this one among them, and removes their notes; unless another runs. */
export function giveNeighboursBack(places = PLACES): void {
  const { directory, notes, pid, isAlive } = places;
  const names = readdirSync(notes).filter((name) => isOurNote(join(notes, name), name));
  const runs = (name: string) => Number(NOTE.exec(name)![1]) !== pid && isAlive(Number(NOTE.exec(name)![1]));
  if (names.some(runs)) return; // it needs its room; and it, or the one after it, puts ours back as well
  const least = new Map<string, number>(); // BOUNDED: by LIMITS
  for (const name of names) {
    for (const [limit, value] of noted(join(notes, name))) {
      least.set(limit, Math.min(value, least.get(limit) ?? Infinity));
    }
  }
  for (const [limit, value] of least) set(join(directory, limit), value);
  for (const name of names) rmSync(join(notes, name), { force: true });
}

/** Anybody may write where notes are: only our own are believed. */
function isOurNote(path: string, name: string): boolean {
  const found = isNeighbourNote(name) ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
  return found?.isFile() === true && found.uid === (process.geteuid?.() ?? 0);
}

function noted(path: string): (readonly [limit: string, value: number])[] {
  return readFileSync(path, "utf8").split("\n").flatMap((line) => {
    const [limit = "", value = ""] = line.split(" ");
    const isLimit = LIMITS.some((one) => one === limit) && /^\d{1,9}$/.test(value);
    return isLimit ? [[limit, Number(value)] as const] : [];
  });
}

function limitAt(path: string): number | null {
  try {
    return Number(readFileSync(path, "utf8").trim());
  } catch {
    return null;
  }
}

function set(path: string, value: number): void {
  try {
    writeFileSync(path, `${value}\n`);
  } catch {
    // not ours to change
  }
}
