/**
 * Files that outlive a power loss: a write leaves the old content or the new (host/atomic_file.ts), and the previous
 * version beside it as `<file>.bak`, for disks that lie about syncing. Reading says plainly what is wrong with a file
 * and what to do. A node's own state, which is written often, has two slots in one file instead.
 */
import { copyFileSync, linkSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { ConfigError } from "../../config/config.ts";
import { replaceFile } from "../../host/atomic_file.ts";
import { Buffer } from "node:buffer";
import { crc32 } from "../../wire/crc32.ts";

const FULL_HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: free some space",
  EDQUOT: "the disk quota is used up: free some space",
  EROFS: "the file system is read-only",
};

export interface JsonRead {
  /** The parsed content; null when there is no such file. */
  readonly value: unknown;
  /** A sentence for the log when the previous copy had to be used. */
  readonly warning: string | null;
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
      } is damaged (${text.length} characters, not JSON) and there is no earlier copy; restore it from a backup, or run ${command} and start as a new node`,
    );
  }
  return {
    value: previous,
    warning: `${JSON.stringify(path)} is damaged; using ${JSON.stringify(backup)}`,
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
    `${JSON.stringify(path)} contains ${what} but other users can read it (mode ${digits}); run: chmod 600 ` +
      `${path}`,
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
  try {
    const keep = keepPrevious ? () => keepCopy(path) : undefined;
    replaceFile(path, text, { temporary: `${path}.tmp`, mode, exact: true, beforeRename: keep });
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
}

/** What a person reads where a write failed. */
export function cannotWrite(path: string, cause: unknown): Error {
  const code = codeOf(cause);
  const hint = FULL_HINTS[code];
  const why = hint === undefined ? code : `${code} (${hint})`;
  return new Error(`Cannot write ${JSON.stringify(path)}: ${why}`, { cause });
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

/** The error code of node:fs, or what else there is. */
export function codeOf(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string };
  return code ?? message ?? String(cause);
}

// ----------------------------------------------------------------------------------------------------
// The file of a node's own state: two slots of one length, each a line of text that ends in blanks. A new state goes into the
// slot that does not hold the present one, so whatever becomes of that write, one of the two is whole; and as nothing
// grows, a full disk does not prevent it.
// ovltun-state SEQUENCE CRC JSON        the greater sequence counts

export const SLOT_LEN = 4096;
export const SLOTS = 2;

const LINE = /^ovltun-state ([0-9]{1,15}) ([0-9a-f]{8}) (\{.*\}) *$/;
/** What nothing was written into. */
const BLANK = Buffer.from(" ".repeat(SLOT_LEN - 1) + "\n");

/** What one slot holds. */
export interface Slot {
  readonly sequence: number;
  readonly json: unknown;
  /** Which of them it is. */
  readonly slot: number;
}

/** The bytes of a slot. RangeError when it does not fit. */
export function slotBytes(sequence: number, json: string): Uint8Array {
  const line = Buffer.from(`ovltun-state ${sequence} ${crcOf(json)} ${json}`);
  if (line.length >= SLOT_LEN) throw new RangeError(`A state of ${line.length} bytes fits in no slot`);
  const bytes = Buffer.from(BLANK);
  line.copy(bytes);
  return bytes;
}

/** The bytes of a file with one state in it. */
export function freshFile(sequence: number, json: string): Uint8Array {
  return Buffer.concat([slotBytes(sequence, json), BLANK]);
}

/**
 * The present state in the bytes of a file, or null when no slot is whole. `whole`: the other one is, too, or blank; else
 * something was cut or damaged.
 */
export function readSlots(bytes: Uint8Array): { readonly found: Slot | null; readonly whole: boolean } {
  let found: Slot | null = null;
  let whole = bytes.length === SLOTS * SLOT_LEN;
  for (let slot = 0; slot < SLOTS; slot++) {
    const text = Buffer.from(bytes.subarray(slot * SLOT_LEN, (slot + 1) * SLOT_LEN)).toString("utf8");
    const read = readSlot(text.replace(/\n$/, ""), slot);
    whole &&= read !== null || text.trim() === "";
    if (read !== null && (found === null || read.sequence > found.sequence)) found = read;
  }
  return { found, whole };
}

function readSlot(text: string, slot: number): Slot | null {
  const [, sequence, crc, json] = LINE.exec(text) ?? [];
  if (json === undefined || crcOf(json) !== crc) return null;
  try {
    return { sequence: Number(sequence), json: JSON.parse(json), slot };
  } catch {
    return null; // whoever made that sum
  }
}

function crcOf(text: string): string {
  return crc32(Buffer.from(text)).toString(16).padStart(8, "0");
}
