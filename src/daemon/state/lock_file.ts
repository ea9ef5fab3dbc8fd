/**
 * The text of a lock file, "ovltun PID": it tells whose file it is, and the pid is for messages only. What holds is the
 * kernel's lock on it (ports/locks.ts), so there is no stale lock to judge by a pid that means something else by now.
 */
import { accessSync, constants, lstatSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import type { FileLock, Locks } from "../../ports/locks.ts";

const TEXT = /^ovltun ([0-9]{1,10})$/;

/** A file of others has the lock's name: nothing is written into it. */
export class ForeignLockError extends Error {
  constructor(path: string) {
    super(`${JSON.stringify(path)} is not an ovltun lock file and is left as it is`);
    this.name = "ForeignLockError";
  }
}

/** Takes the lock at `path`. Null when another process holds it (see `lockHolder`). Throws ForeignLockError, SysError. */
export function acquireLock(locks: Locks, path: string): FileLock | null {
  const text = textOf(path);
  const known = text === null || text === "" || TEXT.test(text);
  if (!known || lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) {
    throw new ForeignLockError(path);
  }
  const lock = locks.file(path);
  if (lock !== null) sign(path);
  return lock;
}

function sign(path: string): void {
  try {
    writeFileSync(path, `ovltun ${process.pid}\n`);
  } catch {
    // A full disk: the lock holds all the same, and the next write that matters will report it.
  }
}

/** The pid that the lock's holder wrote, or null. */
export function lockHolder(path: string): number | null {
  const pid = TEXT.exec(textOf(path) ?? "")?.[1];
  return pid === undefined ? null : Number(pid);
}

/** Whether this user may not read what the lock says: only root may, as is usual. */
export function isHiddenLock(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
  return false;
}

/** Whether the file at `path` is a lock of ours by what it says: no other file of that name does. */
export function isOurLock(path: string): boolean {
  return TEXT.test(textOf(path) ?? "");
}

/** Its first characters, more than a lock's; of the zeroes that a power loss leaves, none. Null: no file to be read. */
function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8").slice(0, 64).replace(/^\0+$/, "").trim();
  } catch {
    return null;
  }
}
