/** The state directory of a running daemon: locked, with the node's identity and what the control plane keeps. */
import { Buffer } from "node:buffer";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  type Kept,
  ownToJson,
  readJournal,
  readOwn,
  type StoredOwn,
  type StoredState,
} from "../../control/records/state.ts";
import { createIdentity, type Identity, identityFromJson, identityToJson } from "../../crypto/identity.ts";
import type { HeldSecret } from "../../control/secrets/key_ring.ts";
import { type NetworkSecret, SECRET_PREFIX } from "../../crypto/network_secret.ts";
import type { Disk } from "../../ports/disk.ts";
import type { FileLock, Locks } from "../../ports/locks.ts";
import { logger } from "../../log/log.ts";
import { readSecretText, readStoredSecrets, secretsText, secretText } from "./secret_files.ts";
import { StateDir } from "./state_dir.ts";
import { readUnfinishedJoin, type UnfinishedJoin, writeUnfinishedJoin } from "./unfinished_join.ts";
import { codeOf, freshFile, readJsonFile, readSlots, writeJsonFile, writeTextFile } from "./durable_file.ts";
import {
  IDENTITY_FILE,
  lockStateDir,
  makeStateDir,
  PEERS_FILE,
  refuseForeignFiles,
  removeEmptyDirectory,
  SECRET_FILE,
  STATE_FILE,
} from "./state_files.ts";
import { type Asked, type FoundState, StateWriter, type Told } from "./state_writer.ts";

const STATE_MODE = 0o600;
/** Lines of the journal that count for nothing, beyond as many as count, at which it is written anew. */
const OUTDATED_MIN = 64;

/** Of a machine, what a state directory needs. */
export interface StateHome {
  readonly locks: Locks;
  readonly disk: Disk;
}

export interface StateStore {
  readonly identity: Identity;
  /** What an earlier run left, or null. */
  readonly stored: StoredState | null;
  /** The newest network secret that an earlier run left, or null. */
  readonly secret: NetworkSecret | null;
  /** All that it left, the newest first. */
  readonly secrets: readonly HeldSecret[];
  /** A join that an earlier run began and that has not come to a lease, or null. */
  readonly join: UnfinishedJoin | null;
  /** Remembers a join until the first claim is on disk, in place of another. Waits for the disk. Throws when it cannot. */
  rememberJoin(begun: UnfinishedJoin): void;
  /** Puts this state in place of all that was kept, of others, too. Waits for the disk. Throws when it cannot. */
  startOver(state: StoredState): void;
  /**
   * Keeps this secret from the moment on that the state has a mesh, and writes it before that state: a mistyped one
   * leaves nothing behind, and no mesh is on disk without its secret.
   */
  keepSecret(secret: NetworkSecret): void;
  /** Who is told what became of what follows. */
  tell(told: Told): void;
  /** Begins to write these secrets in place of what was there. They are valid only until it returns. */
  writeSecrets(secrets: readonly HeldSecret[]): void;
  /** Begins to write the state, after the secrets. What cannot be written is tried again with `retry`. */
  save(asked: Asked): void;
  /** Begins to write what is known of others, after all else; `whole`: in place of what was there. */
  remember(kept: readonly Kept[], whole: boolean): void;
  /**
   * Begins to write again what could not be written, and what was removed under this process. Returns why what is to be on
   * disk is not there, a sentence, or null.
   */
  retry(now: number): string | null;
  /** Whether something has gone wrong with the disk since it was asked last, or has come right. */
  watch(now: number): boolean;
  /** Resolves once nothing is being written any more. */
  settle(): Promise<void>;
  /** Unlocks it. An identity made by this run that no node has heard of is removed again. */
  close(): void;
}

/**
 * Opens (and locks) the state directory; makes it, and the identity, when missing. Throws sentences for people,
 * StateInUseError when another process has it.
 */
export function openState({ locks, disk }: StateHome, directory: string): StateStore {
  const madeDirectory = makeStateDir(directory);
  const lock = lockForeignFree(locks, directory, madeDirectory);
  const identityPath = join(directory, IDENTITY_FILE);
  const statePath = join(directory, STATE_FILE);
  const isNew = !existsSync(identityPath) && !existsSync(`${identityPath}.bak`);
  // Who has heard of an identity can be gone by the next start, and its file with it.
  const forget = () => isNew && !existsSync(statePath) ? { madeDirectory } : null;
  try {
    const identity = openIdentity(identityPath);
    const found = openOwn(statePath);
    const journal = openJournal(join(directory, PEERS_FILE));
    const secrets = readStoredSecrets(directory);
    const unfinished = readUnfinishedJoin(directory);
    const dir = new StateDir(locks, directory, identity, lock);
    let writer = new StateWriter(disk, dir, found, journal !== null);
    let wrote = false;
    const { peers, directives } = journal ?? { peers: [], directives: [] };
    return {
      identity,
      stored: found === null ? null : { ...found.state, peers, directives },
      secret: secrets[0]?.secret ?? null,
      secrets,
      join: unfinished,
      rememberJoin: (begun) => {
        writeUnfinishedJoin(directory, begun);
        dir.joinWritten();
        wrote = true;
      },
      startOver: (state) => {
        rmSync(join(directory, PEERS_FILE), { force: true });
        writer = new StateWriter(disk, dir, writeOwn(statePath, state, found?.sequence ?? 0), false);
        wrote = true;
      },
      keepSecret: (fresh) => writer.keepSecret(secretText(fresh)),
      tell: (told) => writer.told = told,
      writeSecrets: (held) => writer.writeSecrets(secretsText(held)),
      save: (asked) => writer.save(asked),
      remember: (kept, whole) => writer.remember(kept, whole),
      retry: (now) => {
        const problem = writer.problem(now);
        writer.kick();
        return problem;
      },
      watch: (now) => writer.watch(now),
      settle: () => writer.settle(),
      close: () => dir.close(wrote || writer.wrote ? null : forget()),
    };
  } catch (error) {
    const undo = forget();
    if (undo !== null) { for (const suffix of ["", ".bak"]) rmSync(identityPath + suffix, { force: true }); }
    lock.release(undo !== null);
    if (undo?.madeDirectory === true) removeEmptyDirectory(directory);
    throw error;
  }
}

/** Locks the directory, where nothing in it is of others. */
function lockForeignFree(locks: Locks, directory: string, made: boolean): FileLock {
  try {
    refuseForeignFiles(directory, (name) => isForUs(directory, name));
    return lockStateDir(locks, directory);
  } catch (error) {
    if (made) removeEmptyDirectory(directory);
    throw error;
  }
}

/** A secret of `ovltun secret new` that a user put there before the first start. */
function isForUs(directory: string, name: string): boolean {
  const path = join(directory, name);
  return name === SECRET_FILE &&
    readSecretText(path, "the network secret")?.startsWith(SECRET_PREFIX) === true;
}

function openIdentity(path: string): Identity {
  const read = readJsonFile(path, { secret: true });
  if (read.warning !== null) logger.warn(read.warning);
  if (read.value !== null) return inFile(path, () => identityFromJson(JSON.stringify(read.value)));
  const identity = createIdentity();
  writeJsonFile(path, JSON.parse(identityToJson(identity)), 0o600);
  return identity;
}

/** The state file, for reading: null when there is none. Throws a sentence when nothing in it is whole. */
function openOwn(path: string): FoundState | null {
  const bytes = bytesOf(path);
  if (bytes === null) return null;
  const { found, whole } = readSlots(bytes);
  if (found === null) {
    return inFile(path, () => {
      throw new Error(`It is damaged, with no state in its ${bytes.length} bytes`);
    });
  }
  if (!whole) logger.warn(`${JSON.stringify(path)} is damaged in part; using the newest state in it`);
  const { sequence, slot, json } = found;
  return { sequence, slot, whole, state: inFile(path, () => readOwn(json)) };
}

/** Writes the state at once, before the node begins. */
function writeOwn(path: string, state: StoredState, after: number): FoundState {
  const { peers: _, directives: __, ...own } = state;
  const sequence = after + 1;
  const text = Buffer.from(freshFile(sequence, ownToJson(own as StoredOwn))).toString("utf8");
  writeTextFile(path, text, STATE_MODE, false);
  return { sequence, slot: 0, whole: true, state: own as StoredOwn };
}

/** The journal; null when there is none. One that has grown, or is damaged, is written anew. */
function openJournal(path: string): Pick<StoredState, "peers" | "directives"> | null {
  const bytes = bytesOf(path);
  if (bytes === null) return null;
  const { peers, directives, lines, outdated, damaged } = readJournal(bytes.toString("utf8"));
  if (damaged > 0) {
    logger.warn(
      `${
        JSON.stringify(path)
      } is damaged: ${damaged} of its lines were skipped; what they told of other nodes ` +
        "comes back from the mesh",
    );
  }
  if (damaged > 0 || outdated > lines.length + OUTDATED_MIN) rewriteJournal(path, lines);
  return { peers, directives };
}

function rewriteJournal(path: string, lines: readonly string[]): void {
  try {
    writeTextFile(path, lines.map((line) => `${line}\n`).join(""), STATE_MODE, false);
  } catch (error) {
    logger.warn(error instanceof Error ? error.message : String(error)); // it can be read as it is
  }
}

/** Null when there is no such file. */
function bytesOf(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return null;
    throw new Error(`Cannot read ${JSON.stringify(path)}: ${codeOf(cause)}`, { cause });
  }
}

/** Adds to a sentence about a file which one it is and what to do. */
function inFile<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Cannot use ${
        JSON.stringify(path)
      }: ${reason} (restore it from a backup, or run ovltun down --purge and start as a new node)`,
      { cause },
    );
  }
}
