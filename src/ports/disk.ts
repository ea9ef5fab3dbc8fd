/**
 * The disk of a host, for those who must not wait for it: what is asked is done by other threads, in the order in which it is
 * asked by one who waits for each, and what is done is synced. All of it rejects with what node:fs throws. machine/disk.ts
 * has the real one; tests have disks that are slow, stall, or are full.
 */
export interface Disk {
  /** Writes over a part of a file that is there. On most file systems a full disk does not prevent that. */
  overwrite(path: string, at: number, bytes: Uint8Array): Promise<void>;
  /** Adds to the end of a file; makes it, for its owner only. */
  append(path: string, bytes: Uint8Array): Promise<void>;
  /** Puts a file in the place of the one at `path`, for its owner only: there is the old or the new, never a part of it. */
  replace(path: string, parts: Iterable<Uint8Array>): Promise<void>;
  /** Removes a file, if it is there. */
  remove(path: string): Promise<void>;
  /** What tells the file at each path from any other, also of the same name; null: there is none. */
  look(paths: readonly string[]): Promise<(string | null)[]>;
}
