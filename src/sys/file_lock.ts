/**
 * A lock file that one process holds (flock(2)): the kernel lets go of it when the process ends, however it ends, so
 * there is no stale lock to judge by a pid that means something else by now. The text inside, "ovltun PID", tells whose
 * file it is; the pid is for messages only.
 */
import { lstatSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { cString, libc } from "./libc.ts";
import { EACCES, EAGAIN, SysError } from "./sys_error.ts";

const O_RDWR = 2;
const O_CREAT = 0x40;
const O_NOFOLLOW = 0x20000;
const O_CLOEXEC = 0x80000;
const LOCK_EX = 2;
const LOCK_NB = 4;
/** Each time another process took the file away between our opening and our locking it. */
const ATTEMPTS = 10;
const TEXT = /^(ovltun )?([0-9]{1,10})$/;

export interface FileLock {
  /** Whether the file at its path is still the one that is locked: others lock by the path. */
  holds(): boolean;
  /** Lets go. With `remove` the file goes, too: who waits for it finds out that it is another one by then. */
  release(remove?: boolean): void;
}

/** A file of others has the lock's name: nothing is written into it. */
export class ForeignLockError extends Error {
  constructor(path: string) {
    super(`${JSON.stringify(path)} is no lock of ovltun's and stays as it is`);
    this.name = "ForeignLockError";
  }
}

/**
 * Takes the lock at `path`. Null when another process holds it (see `lockHolder`). Throws ForeignLockError, SysError.
 * `legacy`: one that has the bare pid, as older versions wrote it, is ours too.
 */
export function acquireLock(path: string, legacy = false): FileLock | null {
  const text = textOf(path);
  const known = text === null || text === "" || TEXT.exec(text)?.[legacy ? 2 : 1] !== undefined;
  if (!known || lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) {
    throw new ForeignLockError(path);
  }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const fd = openLock(path);
    if (fd === null) return null;
    if (isAt(fd, path)) return held(fd, path);
    libc().close(fd);
  }
  return null; // somebody takes it away as often as we make it: it is in use
}

/** The descriptor of the locked file, or null when another process has it. */
function openLock(path: string): number | null {
  const c = libc();
  const fd = c.open(cString(path), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600);
  if (fd < 0) {
    const errno = c.errno();
    throw new SysError(
      `Cannot open ${JSON.stringify(path)}`,
      errno,
      undefined,
      errno === EACCES ? "run as root" : "",
    );
  }
  if (c.flock(fd, LOCK_EX | LOCK_NB) < 0) {
    const errno = c.errno();
    c.close(fd);
    if (errno === EAGAIN) return null;
    throw new SysError(`Cannot lock ${JSON.stringify(path)}`, errno);
  }
  return fd;
}

function held(fd: number, path: string): FileLock {
  try {
    writeFileSync(path, `ovltun ${process.pid}\n`);
  } catch {
    // A full disk: the lock holds all the same, and whoever has to write something that matters will say so.
  }
  let open = true;
  return {
    holds: () => open && isAt(fd, path),
    release(remove = false) {
      if (!open) return;
      open = false;
      if (remove && isAt(fd, path)) rmSync(path, { force: true });
      libc().close(fd);
    },
  };
}

/** Whether the open file is the one at `path`. Where /proc does not tell, it is taken for it. */
function isAt(fd: number, path: string): boolean {
  try {
    const opened = statSync(`/proc/self/fd/${fd}`); // by the descriptor, also when the file has lost its name
    const there = lstatSync(path, { throwIfNoEntry: false });
    return there !== undefined && there.dev === opened.dev && there.ino === opened.ino;
  } catch {
    return true;
  }
}

/** The pid that the lock's holder wrote, or null. */
export function lockHolder(path: string): number | null {
  const pid = TEXT.exec(textOf(path) ?? "")?.[2];
  return pid === undefined ? null : Number(pid);
}

/** Whether the file at `path` is a lock of ours by what it says: nobody else's file of that name does. */
export function isOurLock(path: string): boolean {
  return TEXT.exec(textOf(path) ?? "")?.[1] !== undefined;
}

/** Its first characters, more than a lock's; of the zeroes that a power loss leaves, none. Null: no file to be read. */
function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8").slice(0, 64).replace(/^\0+$/, "").trim();
  } catch {
    return null;
  }
}
