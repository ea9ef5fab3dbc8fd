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
import { dirname, join } from "node:path";
import { ConfigError } from "../config/config_error.ts";
import { acquireLock, type FileLock, lockHolder } from "../sys/file_lock.ts";

export const IDENTITY_FILE = "identity.json";
export const STATE_FILE = "state.json";
/** The network secret, as ovltun secret new prints one. */
export const SECRET_FILE = "secret";
const LOCK_FILE = "lock";
/** Everything we ever put into a state directory; `removeStateDir` touches nothing else. */
const OWN_FILES = [IDENTITY_FILE, STATE_FILE, SECRET_FILE].flatMap((
  name,
) => [name, `${name}.bak`, `${name}.tmp`]);

export interface JsonRead {
  /** The parsed content; null when there is no such file. */
  readonly value: unknown;
  /** A sentence for the log when the previous copy had to be used. */
  readonly warning: string | null;
}

/** Makes the state directory, mode 0700. Throws with what to do. */
export function makeStateDir(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (statSync(path, { throwIfNoEntry: false }) === undefined) mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    const hint = "run as root or choose another --state-dir";
    throw new Error(`Cannot make the state directory ${JSON.stringify(path)}: ${codeOf(cause)} (${hint})`, {
      cause,
    });
  }
  if (!statSync(path).isDirectory()) {
    throw new Error(
      `The state directory ${JSON.stringify(path)} is a file; remove it or choose another --state-dir`,
    );
  }
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
export function lockStateDir(directory: string): FileLock {
  const path = join(directory, LOCK_FILE);
  const lock = acquireLock(path);
  if (lock === null) throw new StateInUseError(directory, lockHolder(path));
  return lock;
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
    throw new Error(`Cannot write ${JSON.stringify(path)}: ${codeOf(cause)}`, { cause });
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

/** Removes our files from a state directory, and the directory when nothing else is in it. Says what it did. */
export function removeStateDir(directory: string): string[] {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK); // else what is in it would pass for nothing
  const lines: string[] = [];
  for (const name of [...OWN_FILES, LOCK_FILE]) {
    const path = join(directory, name);
    if (statSync(path, { throwIfNoEntry: false }) === undefined) continue;
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
  return lines;
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
