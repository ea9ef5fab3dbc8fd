/**
 * A file replaced in one step: a reader meanwhile, or after a power loss, finds the old content or the new. It is
 * written under another name in the same directory (rename(2) does not cross file systems), synced, renamed, and the
 * directory synced.
 */

import { Buffer } from "node:buffer";
import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

export interface Replacement {
  /** In the same directory, by a name of its own. */
  readonly temporary: string;
  readonly mode: number;
  /** The mode is that, whatever the umask would take; absent: the umask takes. */
  readonly exact?: true;
  /** Once the new content is on disk, in front of the rename. */
  readonly beforeRename?: (() => void) | undefined;
}

/** Replaces the file at `path`. Throws what node:fs throws, and leaves nothing then. */
export function replaceFile(
  path: string,
  text: string,
  { temporary, mode, exact, beforeRename }: Replacement,
): void {
  try {
    rmSync(temporary, { force: true });
    writeNew(temporary, text, mode);
    if (exact) chmodSync(temporary, mode);
    beforeRename?.();
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (error) {
    discard(temporary);
    throw error;
  }
}

function writeNew(path: string, text: string, mode: number): void {
  const fd = openSync(path, "wx", mode);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Removes what a full disk left half-written; where even that fails, the next write replaces it. */
function discard(temporary: string): void {
  try {
    rmSync(temporary, { force: true });
  } catch {
    // the reason why nothing can be written is told, and it is the same
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
