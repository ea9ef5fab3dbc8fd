/**
 * The daemon's files. A write is a temporary file, synced, renamed over the old one, and the directory synced, so that
 * a power loss leaves the old or the new content; the previous version stays beside it as `<file>.bak`, for disks
 * that lie about syncing. Reading says plainly what is wrong with a file and what to do.
 */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { Buffer } from "node:buffer";
import { basename, dirname, join } from "node:path";
import { ConfigError } from "../../config/config_error.ts";
import { identityFromJson } from "../../crypto/identity.ts";
import type { FileLock, Locks } from "../../ports/locks.ts";
import { acquireLock, isOurLock, lockHolder } from "./lock_file.ts";

export const IDENTITY_FILE = "identity.json";
export const STATE_FILE = "state.json";
/** The network secret, as ovltun secret new prints one. */
export const SECRET_FILE = "secret";
/** A join that has not come to a lease yet. */
export const JOIN_FILE = "join.json";
export const LOCK_FILE = "lock";
/** Everything we ever put into a state directory, but for the lock. */
export const OWN_FILES = [IDENTITY_FILE, STATE_FILE, SECRET_FILE, JOIN_FILE].flatMap((
  name,
) => [name, `${name}.bak`, `${name}.tmp`]);

/** A temporary file of ours is shorter, bytes. */
const UNFINISHED_MAX = 65_536;

export interface JsonRead {
  /** The parsed content; null when there is no such file. */
  readonly value: unknown;
  /** A sentence for the log when the previous copy had to be used. */
  readonly warning: string | null;
}

/** Makes the state directory, mode 0700. True when it was not there. Throws with what to do. */
export function makeStateDir(path: string): boolean {
  let made = false;
  try {
    mkdirSync(dirname(path), { recursive: true });
    made = statSync(path, { throwIfNoEntry: false }) === undefined;
    if (made) mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    const hint = codeOf(cause) === "EROFS"
      ? "read-only for this process; a service that may write to nothing else has to be restarted for it"
      : "run as root or choose another --state-dir";
    throw new Error(`Cannot make the state directory ${JSON.stringify(path)}: ${codeOf(cause)} (${hint})`, {
      cause,
    });
  }
  if (!statSync(path).isDirectory()) {
    throw new Error(
      `The state directory ${JSON.stringify(path)} is a file; remove it or choose another --state-dir`,
    );
  }
  return made;
}

/** Another process holds the state directory: nothing in it may be touched. */
export class StateInUseError extends Error {
  constructor(directory: string, pid: number | null) {
    super(
      `Another ovltun (pid ${pid ?? "unknown"}) uses the state directory ${JSON.stringify(directory)}; ` +
        "stop it with ovltun down and its --run-dir, or use another --state-dir",
    );
    this.name = "StateInUseError";
  }
}

/** Takes the state directory for this process. Throws StateInUseError when another daemon has it. */
export function lockStateDir(locks: Locks, directory: string): FileLock {
  const path = join(directory, LOCK_FILE);
  const lock = acquireLock(locks, path);
  if (lock === null) throw new StateInUseError(directory, lockHolder(path));
  return lock;
}

/**
 * Whether the files of our names in a directory are ours: a lock or an identity in it says so, which no other program
 * writes. What was there before is never taken over (`refuseForeignFiles`).
 */
export function isStateDirOurs(directory: string): boolean {
  return isOurLock(join(directory, LOCK_FILE)) || hasIdentity(directory);
}

function hasIdentity(directory: string): boolean {
  return [IDENTITY_FILE, `${IDENTITY_FILE}.bak`].some((name) => {
    try {
      return identityIn(readFileSync(join(directory, name), "utf8"));
    } catch {
      return false; // not there
    }
  });
}

function identityIn(text: string): boolean {
  try {
    return identityFromJson(text) !== null;
  } catch {
    return false; // damaged, or of others
  }
}

/**
 * Throws ConfigError when a file of others has one of our names in a directory that is not ours yet: it would be read
 * as ours, or written over. `isOurs` judges a file that a user may have put there for us.
 */
export function refuseForeignFiles(directory: string, isOurs: (name: string) => boolean): void {
  if (isStateDirOurs(directory)) return;
  const foreign = namesTaken(directory).find((name) => !isOurs(name));
  if (foreign === undefined) return;
  throw new ConfigError(
    "state-dir",
    `${
      JSON.stringify(join(directory, foreign))
    } is not ovltun's, and no ovltun was in this directory: choose another ` +
      "--state-dir, or move the file away",
  );
}

/** Which of our names a directory has, but for what a power loss or a full disk at our first start left. */
function namesTaken(directory: string): string[] {
  return [...OWN_FILES, LOCK_FILE].filter((name) =>
    isThere(join(directory, name)) && !isUnfinished(join(directory, name))
  );
}

/**
 * Whether it is one of our temporary files, or our lock, as a power loss leaves it: with nothing in it, with zeroes (a
 * journal that holds sizes alone), or, as our identity, whole and not renamed yet.
 */
function isUnfinished(path: string): boolean {
  const name = basename(path);
  if (!name.endsWith(".tmp") && name !== LOCK_FILE) return false;
  const found = lstatSync(path);
  if (!found.isFile() || found.size > UNFINISHED_MAX) return false;
  const content = readFileSync(path);
  return content.every((byte) => byte === 0) ||
    (name === `${IDENTITY_FILE}.tmp` && identityIn(content.toString("utf8")));
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/**
 * Reads a JSON file. With `secret`, one that group or others may read is refused. A damaged file is replaced by its
 * `.bak` when that is whole, with a warning; else an error says what to do.
 */
export function readJsonFile(path: string, options: { readonly secret?: boolean } = {}): JsonRead {
  const text = readText(path, options.secret === true);
  if (text === null) return { value: null, warning: null };
  const value = parse(text);
  if (value !== undefined) return { value, warning: null };
  const backup = `${path}.bak`;
  const older = readText(backup, options.secret === true);
  const previous = older === null ? undefined : parse(older);
  if (previous === undefined) {
    const command = `ovltun down --purge --state-dir ${dirname(path)}`;
    throw new Error(
      `${
        JSON.stringify(path)
      } is damaged (${text.length} characters, no JSON) and there is no earlier copy; ` +
        `restore it from a backup, or start as a new node after: ${command}`,
    );
  }
  return {
    value: previous,
    warning: `${JSON.stringify(path)} is damaged; going on with ${JSON.stringify(backup)}`,
  };
}

/** Null when there is no such file. */
function readText(path: string, secret: boolean): string | null {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return null;
  if (secret) refuseOpenToOthers(path, found.mode, "a private key");
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new Error(`Cannot read ${JSON.stringify(path)}: ${codeOf(cause)}`, { cause });
  }
}

/**
 * Refuses a file of a secret, `what`, that group or others may read. Throws ConfigError: starting again would not help
 * before somebody has looked at it.
 */
export function refuseOpenToOthers(path: string, mode: number, what: string): void {
  if ((mode & 0o077) === 0) return;
  const digits = (mode & 0o777).toString(8).padStart(4, "0");
  throw new ConfigError(
    "state-dir",
    `${JSON.stringify(path)} holds ${what} and others may read it (mode ${digits}); run: chmod 600 ${path}`,
  );
}

/** Undefined when it is not a JSON object: everything we write is one. */
function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces `path` with `value` as JSON, atomically and durably. Throws with the path and the reason. */
export function writeJsonFile(path: string, value: unknown, mode = 0o600): void {
  writeTextFile(path, `${JSON.stringify(value, null, 1)}\n`, mode, true);
}

/** Replaces `path` with `text` like `writeJsonFile`; `keepPrevious` leaves the old version as `.bak`. */
export function writeTextFile(path: string, text: string, mode: number, keepPrevious: boolean): void {
  const temporary = `${path}.tmp`;
  try {
    rmSync(temporary, { force: true });
    const fd = openSync(temporary, "wx", mode);
    try {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    chmodSync(temporary, mode); // whatever the umask took
    if (keepPrevious) keepCopy(path);
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (cause) {
    discard(temporary);
    throw new Error(`Cannot write ${JSON.stringify(path)}: ${codeOf(cause)}`, { cause });
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

function keepCopy(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return;
  const backup = `${path}.bak`;
  rmSync(backup, { force: true });
  try {
    linkSync(path, backup);
  } catch {
    copyFileSync(path, backup); // a file system without hard links
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

/**
 * Removes our files from a state directory, and the directory when nothing else is in it. Says what it did, and whether
 * something of others has one of our names: that stays.
 */
export function removeStateDir(directory: string): { readonly lines: string[]; readonly foreign: boolean } {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return { lines: [], foreign: false };
  }
  accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK); // else what is in it would pass for nothing
  const there = [...OWN_FILES, LOCK_FILE].filter((name) => isThere(join(directory, name)));
  const isOurs = isStateDirOurs(directory);
  if (!isOurs && namesTaken(directory).length > 0) {
    const lines = there.map((name) => `Left ${JSON.stringify(join(directory, name))}: it is not ovltun's`);
    return { lines, foreign: there.length > 0 };
  }
  if (!isOurs && there.length === 0) return { lines: [], foreign: false };
  const lines: string[] = [];
  for (const name of there) {
    const path = join(directory, name);
    rmSync(path);
    if (OWN_FILES.includes(name) && !/\.(bak|tmp)$/.test(name)) lines.push(`Removed ${JSON.stringify(path)}`);
  }
  try {
    rmdirSync(directory);
    lines.push(`Removed the directory ${JSON.stringify(directory)}`);
  } catch (cause) {
    const reason = codeOf(cause) === "ENOTEMPTY" ? "it holds files that are not ours" : codeOf(cause);
    lines.push(`Left the directory ${JSON.stringify(directory)}: ${reason}`);
  }
  return { lines, foreign: false };
}

function codeOf(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string };
  return code ?? message ?? String(cause);
}

/** Removes a directory that holds nothing. True when it did. */
export function removeEmptyDirectory(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false; // not there, or not empty: then it is not ours alone
  }
}
