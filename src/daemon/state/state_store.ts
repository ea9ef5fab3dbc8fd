/** The state directory of a running daemon: locked, with the node's identity and what the control plane keeps. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readState, stateToJson, type StoredState } from "../../control/records/state.ts";
import { createIdentity, type Identity, identityFromJson, identityToJson } from "../../crypto/identity.ts";
import type { HeldSecret } from "../../control/secrets/key_ring.ts";
import { type NetworkSecret, SECRET_PREFIX } from "../../crypto/network_secret.ts";
import type { FileLock, Locks } from "../../ports/locks.ts";
import { logger } from "../../log/log.ts";
import { readSecretText, readStoredSecrets, writeStoredSecret, writeStoredSecrets } from "./secret_files.ts";
import { StateDir } from "./state_dir.ts";
import {
  readUnfinishedJoin,
  removeUnfinishedJoin,
  type UnfinishedJoin,
  writeUnfinishedJoin,
} from "./unfinished_join.ts";
import { readJsonFile, writeJsonFile, writeTextFile } from "./durable_file.ts";
import {
  IDENTITY_FILE,
  lockStateDir,
  makeStateDir,
  refuseForeignFiles,
  removeEmptyDirectory,
  SECRET_FILE,
  STATE_FILE,
} from "./state_files.ts";

const STATE_MODE = 0o600;

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
  /** Remembers a join until the first claim is on disk, in place of another. Throws when it cannot. */
  rememberJoin(begun: UnfinishedJoin): void;
  /**
   * Keeps this secret from the moment on that the state has a mesh, and writes it before that state: a mistyped one
   * leaves nothing behind, and no mesh is on disk without its secret.
   */
  keepSecret(secret: NetworkSecret): void;
  /** Keeps these secrets in place of what was there, on disk before it returns. Throws when it cannot. */
  writeSecrets(secrets: readonly HeldSecret[]): void;
  /**
   * Writes the state: atomic, synced before it returns. Throws when it cannot and the claim is a new one: no other node may
   * hear of a claim that a restart would forget. The rest can wait for `retry`.
   */
  save(state: StoredState): void;
  /**
   * Writes again what could not be written, and what was removed under this process. Returns why it still
   * cannot be, a sentence, or null.
   */
  retry(): string | null;
  /** Unlocks it. An identity made by this run that no node has heard of is removed again. */
  close(): void;
}

/**
 * Opens (and locks) the state directory; makes it, and the identity, when missing. Throws sentences for people,
 * StateInUseError when another process has it.
 */
export function openState(locks: Locks, directory: string): StateStore {
  const madeDirectory = makeStateDir(directory);
  const lock = lockForeignFree(locks, directory, madeDirectory);
  const identityPath = join(directory, IDENTITY_FILE);
  const statePath = join(directory, STATE_FILE);
  const isNew = !existsSync(identityPath) && !existsSync(`${identityPath}.bak`);
  // Who has heard of an identity can be gone by the next start, and its file with it.
  const forget = () => isNew && !existsSync(statePath) ? { madeDirectory } : null;
  try {
    const identity = openIdentity(identityPath);
    const stored = openStored(statePath);
    const secrets = readStoredSecrets(directory);
    const unfinished = readUnfinishedJoin(directory);
    const dir = new StateDir(locks, directory, identity, lock);
    const saver = new Saver(statePath, stored, dir);
    saver.onClaim = () => {
      removeUnfinishedJoin(directory);
      dir.joinWritten();
    };
    return {
      identity,
      stored,
      secret: secrets[0]?.secret ?? null,
      secrets,
      join: unfinished,
      rememberJoin: (begun) => {
        writeUnfinishedJoin(directory, begun);
        dir.joinWritten();
        saver.wrote = true;
      },
      keepSecret: (fresh) =>
        saver.before = () => {
          writeStoredSecret(directory, fresh);
          dir.secretWritten();
        },
      writeSecrets: (held) => {
        saver.before = null;
        saver.secrets = () => {
          writeStoredSecrets(directory, held);
          dir.secretWritten();
        };
        saver.retry();
      },
      save: (state) => saver.save(state),
      retry: () => saver.retry(),
      close: () => dir.close(saver.wrote ? null : forget()),
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

/** The state file, and what of it is not on disk yet. */
class Saver {
  readonly #path: string;
  readonly #dir: StateDir;
  /** What is on disk, or should be; null before anything was. */
  #last: StoredState | null;
  #claim: string;
  #unsaved: StoredState | null = null;
  /** Whether this run wrote anything. */
  wrote = false;
  /** Writes secrets that are not on disk yet. */
  secrets: (() => void) | null = null;
  /** To be done before the first state that has a mesh is written. */
  before: (() => void) | null = null;
  /** To be done after the first state that has a claim was written. */
  onClaim: (() => void) | null = null;

  constructor(path: string, stored: StoredState | null, dir: StateDir) {
    this.#path = path;
    this.#dir = dir;
    this.#last = stored;
    this.#claim = claimText(stored);
  }

  /**
   * A first claim must be on disk before any node hears of it: without the mesh there, the next start would found another.
   * A member whose disk is full goes on with what it has to claim: its identity is there, and the mesh tells the rest.
   */
  save(state: StoredState): void {
    this.#unsaved = state;
    const problem = this.retry();
    const isMember = this.#last !== null && this.#last.mesh !== null;
    if (problem !== null && !isMember && state.claim !== null && claimText(state) !== this.#claim) {
      throw new Error(problem);
    }
  }

  retry(): string | null {
    try {
      this.#restore();
      this.secrets?.();
      this.secrets = null;
      if (this.#unsaved === null) return null;
      if (this.#unsaved.mesh !== null) {
        this.before?.();
        this.before = null;
      }
      writeTextFile(this.#path, stateToJson(this.#unsaved), STATE_MODE, true);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    this.wrote = true;
    this.#claim = claimText(this.#unsaved);
    this.#last = this.#unsaved;
    this.#unsaved = null;
    this.#claimed();
    return null;
  }

  #restore(): void {
    const restored = this.#dir.restore();
    const stateGone = this.#last !== null && !existsSync(this.#path);
    if (stateGone) this.#unsaved ??= this.#last;
    if (!restored && !stateGone) return;
    logger.warn(
      `Files of the state directory ${JSON.stringify(this.#dir.path)} were removed while the daemon was ` +
        "running; recreating them",
    );
  }

  #claimed(): void {
    if (this.#claim === "" || this.onClaim === null) return;
    try {
      this.onClaim();
      this.onClaim = null;
    } catch (error) {
      logger.warn(
        `Cannot remove the record of the finished join: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
}

function claimText(state: StoredState | null): string {
  return state === null || state.claim === null ? "" : `${state.claim.subnet.text} ${state.claim.stamp}`;
}

function openIdentity(path: string): Identity {
  const read = readJsonFile(path, { secret: true });
  if (read.warning !== null) logger.warn(read.warning);
  if (read.value !== null) return inFile(path, () => identityFromJson(JSON.stringify(read.value)));
  const identity = createIdentity();
  writeJsonFile(path, JSON.parse(identityToJson(identity)), 0o600);
  return identity;
}

function openStored(path: string): StoredState | null {
  const read = readJsonFile(path);
  if (read.warning !== null) logger.warn(read.warning);
  return read.value === null ? null : inFile(path, () => readState(read.value));
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
