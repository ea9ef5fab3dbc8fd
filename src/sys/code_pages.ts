/**
 * The memory that a start leaves behind: parsing, linking and first compilations touch twice as much of the runtime's code
 * as the program at work does. The kernel counts these pages of the executable as ours until it needs them; given back, the
 * ones still in use are mapped again on their next use (madvise(2) MADV_DONTNEED: half a microsecond for 16 pages that lie
 * in the page cache).
 */
import { readFileSync, readlinkSync } from "node:fs";
import { libc } from "./libc.ts";

const MADV_DONTNEED = 4;
/** proc_pid_maps(5): "from-to perms offset device inode path". Code is never written to: nothing is lost. */
const CODE = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \d+ +(.*)$/;

/** Gives back the executable's code pages that are not in use. Returns of how many bytes; 0 where the kernel refuses. */
export function releaseCodePages(): number {
  const executable = readlinkSync("/proc/self/exe");
  let released = 0;
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const [, from, to, path] = CODE.exec(line) ?? [];
    if (path !== executable) continue;
    const at = parseInt(from!, 16), length = parseInt(to!, 16) - at;
    if (libc().madvise(at, length, MADV_DONTNEED) === 0) released += length;
  }
  return released;
}
