/**
 * A lock file that one process holds (flock(2)): the kernel lets go of it when the process ends, however it ends, so
 * there is no stale lock to judge by a pid that means something else by now. The pid inside is for messages only.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { cString, libc } from "./libc.ts";
import { EACCES, EAGAIN, SysError } from "./sys_error.ts";

const O_RDWR = 2;
const O_CREAT = 0x40;
const O_CLOEXEC = 0x80000;
const LOCK_EX = 2;
const LOCK_NB = 4;

export interface FileLock {
  /** Lets go. The file stays: removing it would let two processes lock two files of one name. */
  release(): void;
}

/** Takes the lock at `path`. Null when another process holds it (see `lockHolder`). Throws SysError. */
export function acquireLock(path: string): FileLock | null {
  const c = libc();
  const op = `Cannot open ${JSON.stringify(path)}`;
  const fd = c.open(cString(path), O_RDWR | O_CREAT | O_CLOEXEC, 0o600);
  if (fd < 0) {
    const errno = c.errno();
    throw new SysError(op, errno, undefined, errno === EACCES ? "run as root" : "");
  }
  if (c.flock(fd, LOCK_EX | LOCK_NB) < 0) {
    const errno = c.errno();
    c.close(fd);
    if (errno === EAGAIN) return null;
    throw new SysError(`Cannot lock ${JSON.stringify(path)}`, errno);
  }
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch {
    // A full disk: the lock holds all the same, and whoever has to write something that matters will say so.
  }
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      c.close(fd);
    },
  };
}

/** The pid that the lock's holder wrote, or null. */
export function lockHolder(path: string): number | null {
  try {
    const pid = Number(readFileSync(path, "utf8").trim());
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}
