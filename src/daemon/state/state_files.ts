/**
 * The files of a state directory by their names: whose they are, who holds them, and their end. How they are read and
 * written is in durable_file.ts.
 */
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { ConfigError } from "../../config/config.ts";
import { identityFromJson } from "../../crypto/identity.ts";
import type { FileLock, Locks } from "../../ports/locks.ts";
import { codeOf } from "./durable_file.ts";
import { acquireLock, isOurLock, lockHolder } from "./lock_file.ts";

export const IDENTITY_FILE = "identity.json";
/** The node's own state, which is on disk before anything that depends on it is said (durable_file.ts). */
export const STATE_FILE = "state";
/** What is known of the others (control/records/state.ts). */
export const PEERS_FILE = "peers";
/** The network secret, as ovltun secret new prints one. */
export const SECRET_FILE = "secret";
/** A join that has not come to a lease yet. */
export const JOIN_FILE = "join.json";
/** What settings of the kernel were before we changed them (host/forwarding.ts). */
export const SETTINGS_FILE = "sysctl.json";
export const LOCK_FILE = "lock";
/** Everything we ever put into a state directory, but for the lock. */
const OWN_FILES = [IDENTITY_FILE, STATE_FILE, PEERS_FILE, SECRET_FILE, JOIN_FILE, SETTINGS_FILE].flatMap((
  name,
) => [name, `${name}.bak`, `${name}.tmp`]);

/** A temporary file of ours is shorter, bytes. */
const UNFINISHED_MAX = 65_536;

/** Makes the state directory, mode 0700. True when it was not there. Throws with what to do. */
export function makeStateDir(path: string): boolean {
  let made = false;
  try {
    mkdirSync(dirname(path), { recursive: true });
    made = statSync(path, { throwIfNoEntry: false }) === undefined;
    if (made) mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    const hint = codeOf(cause) === "EROFS"
      ? "read-only for this process; a sandboxed service has to be restarted"
      : "run as root or choose another --state-dir";
    throw new Error(`Cannot create the state directory ${JSON.stringify(path)}: ${codeOf(cause)} (${hint})`, {
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
      `Another ovltun (pid ${pid ?? "unknown"}) is using the state directory ${JSON.stringify(directory)}; ` +
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
    } is not an ovltun file, and this is not an ovltun state directory: choose another --state-dir, or move the file away`,
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
    const lines = there.map((name) =>
      `Left ${JSON.stringify(join(directory, name))}: it is not an ovltun ` +
      "file"
    );
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
    const reason = codeOf(cause) === "ENOTEMPTY" ? "it contains other files" : codeOf(cause);
    lines.push(`Left the directory ${JSON.stringify(directory)}: ${reason}`);
  }
  return { lines, foreign: false };
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
