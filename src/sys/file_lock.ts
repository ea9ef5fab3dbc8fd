/** A file that one process holds (flock(2)): the kernel lets go of it when the process ends, however it ends. */
import { lstatSync, rmSync, statSync } from "node:fs";
import type { FileLock } from "../ports/locks.ts";
import { cString, libc } from "./libc.ts";
import { EACCES, EAGAIN } from "../ports/sys_error.ts";
import { failed } from "./failed.ts";
import { O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_RDWR } from "./linux.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
/** Each time another process took the file away between our opening and our locking it. */
const ATTEMPTS = 10;

/** Locks the file at `path`, making it when it is missing. Null when another process holds it. Throws SysError. */
export function lockFile(path: string): FileLock | null {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const fd = openLocked(path);
    if (fd === null) return null;
    if (isAt(fd, path)) return held(fd, path);
    libc().close(fd);
  }
  return null; // it is removed as often as we make it: it is in use
}

/** The descriptor of the locked file, or null when another process has it. */
function openLocked(path: string): number | null {
  const c = libc();
  const fd = c.open(cString(path), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600);
  if (fd < 0) {
    const errno = c.errno();
    throw failed(
      `Cannot open ${JSON.stringify(path)}`,
      errno,
      errno === EACCES ? "run as root" : "",
    );
  }
  if (c.flock(fd, LOCK_EX | LOCK_NB) < 0) {
    const errno = c.errno();
    c.close(fd);
    if (errno === EAGAIN) return null;
    throw failed(`Cannot lock ${JSON.stringify(path)}`, errno);
  }
  return fd;
}

function held(fd: number, path: string): FileLock {
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
