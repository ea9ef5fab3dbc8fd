/**
 * The run directory of a daemon: one at a time has it. Its lock file tells commands, also those of other namespaces
 * that share the directory. /run may be emptied under a daemon, or something mounted over it; so the daemon also
 * holds a name that no file carries, looks every second whether the directory is what it was, and makes it again.
 */
import { SOCKET_NAME } from "../../api/schema.ts";
import { makeRunDirectory } from "../../api/server.ts";
import { ConfigError } from "../../config/config.ts";
import { sha256Hex } from "../../crypto/sha256.ts";
import { logger } from "../../log/log.ts";
import type { FileLock, HeldName, Locks } from "../../ports/locks.ts";
import type { Served } from "../../ports/machine.ts";
import { acquireLock, ForeignLockError, isHiddenLock, lockHolder } from "./lock_file.ts";
import { removeEmptyDirectory } from "./state_files.ts";
import { statSync } from "node:fs";
import { join, resolve } from "node:path";

const RUN_LOCK = "lock";
/** Where the daemon notes which subnet.env it wrote (host/subnet_file.ts). */
export const SUBNET_NOTE = "subnet-file.json";

/** Another process has the run directory. */
export class RunDirInUseError extends Error {
  constructor(directory: string) {
    const lock = join(directory, RUN_LOCK);
    const [who, first] = isHiddenLock(lock)
      ? ["", "run as root, and "]
      : [` (pid ${lockHolder(lock) ?? "unknown"})`, ""];
    super(
      `Another ovltun daemon${who} is serving ${JSON.stringify(join(directory, SOCKET_NAME))}; ` +
        `${first}stop it with ovltun down or use another --run-dir`,
    );
    this.name = "RunDirInUseError";
  }
}

export class RunDir {
  readonly #locks: Locks;
  readonly #path: string;
  readonly #name: HeldName;
  readonly #made: boolean;
  #lock: FileLock;

  /** Takes the directory, making it when it is missing. Throws RunDirInUseError, or a sentence. */
  constructor(locks: Locks, path: string) {
    this.#locks = locks;
    this.#path = path;
    const name = locks.name(nameOf(path));
    if (name === null) throw new RunDirInUseError(path);
    this.#name = name;
    try {
      this.#made = makeRunDirectory(path);
      this.#lock = this.#takeLock();
    } catch (error) {
      name.release();
      throw error;
    }
  }

  /** Makes again what was taken away. Returns a sentence when something was; throws one when it cannot. */
  check(): string | null {
    if (this.#lock.holds()) return null;
    makeRunDirectory(this.#path);
    const lock = this.#takeLock();
    this.#lock.release();
    this.#lock = lock;
    return `The run directory ${JSON.stringify(this.#path)} was emptied; recreating its contents`;
  }

  /** Lets go of it, and takes it away when this run made it and nothing else is in it. */
  close(): void {
    this.#lock.release(true);
    if (this.#made) removeEmptyDirectory(this.#path);
    this.#name.release();
  }

  #takeLock(): FileLock {
    const lock = lockIn(this.#locks, this.#path);
    if (lock === null) throw new RunDirInUseError(this.#path);
    return lock;
  }
}

/**
 * Takes what is left of a run directory, so that no daemon starts in it meanwhile; null when there is none. Throws
 * RunDirInUseError when a daemon lives there, also one whose directory was emptied.
 */
export function takeLeftRunDir(locks: Locks, path: string): RunDir | null {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return new RunDir(locks, path);
  if (locks.isNameHeld(nameOf(path))) throw new RunDirInUseError(path);
  return null;
}

/** Whether a daemon of this mount namespace has the directory, whatever is left of it. Throws nothing. */
export function isServedRunDir(locks: Locks, path: string): boolean {
  try {
    return locks.isNameHeld(nameOf(path));
  } catch {
    return false; // then what was to be said is said
  }
}

function lockIn(locks: Locks, directory: string): FileLock | null {
  try {
    return acquireLock(locks, join(directory, RUN_LOCK));
  } catch (error) {
    if (!(error instanceof ForeignLockError)) throw error;
    throw new ConfigError(
      "run-dir",
      `${error.message}: choose a --run-dir other than ${JSON.stringify(directory)}`,
    );
  }
}

/** Of one path in one mount namespace: containers that share the host's network have a /run of their own each. */
function nameOf(path: string): string {
  let mounts = "";
  try {
    mounts = `${statSync("/proc/self/ns/mnt").ino}`;
  } catch {
    // no proc: then it is of the path alone
  }
  return `ovltun-run-${sha256Hex(`${mounts} ${resolve(path)}`).slice(0, 32)}`;
}

/**
 * Keeps the run directory and the control socket in it: nothing tells when /run is emptied or mounted over, so both are
 * looked at every second. What cannot be made again is tried again, and told once.
 */
export class RunDirWatch {
  readonly #runDir: RunDir;
  readonly #socket: Served;
  readonly #onRestored: () => void;
  #looking = false;
  #closed = false;
  #trouble: string | null = null;

  /** `onRestored`: something was gone and is there again; what else lies in the directory may be gone, too. */
  constructor(runDir: RunDir, socket: Served, onRestored: () => void) {
    this.#runDir = runDir;
    this.#socket = socket;
    this.#onRestored = onRestored;
  }

  async look(): Promise<void> {
    if (this.#closed || this.#looking) return;
    this.#looking = true;
    try {
      const emptied = this.#runDir.check();
      const gone = await this.#socket.restore();
      this.#trouble = null;
      if (emptied !== null) logger.warn(emptied);
      else if (gone) logger.warn("The control socket was removed; recreating it");
      if ((emptied !== null || gone) && !this.#closed) this.#onRestored();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const trouble = `Cannot serve the control socket: ${reason}`;
      if (trouble !== this.#trouble) logger.error(trouble);
      this.#trouble = trouble;
    } finally {
      this.#looking = false;
    }
  }

  /** Nothing is made again any more. */
  close(): void {
    this.#closed = true;
  }
}
