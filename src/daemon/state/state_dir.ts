/**
 * The state directory that a daemon holds: locked, with its identity and its secrets in it. It may be deleted
 * under the daemon, whole or in part; then it is made again from what this process knows, for a node that goes on with
 * nothing on disk would be another one after its next start.
 */
import { Buffer } from "node:buffer";
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Identity, identityFromJson, identityToJson } from "../../crypto/identity.ts";
import type { Disk } from "../../ports/disk.ts";
import type { FileLock, Locks } from "../../ports/locks.ts";
import { readJsonFile, writeJsonFile, writeTextFile } from "./durable_file.ts";
import {
  IDENTITY_FILE,
  JOIN_FILE,
  LOCK_FILE,
  lockStateDir,
  makeStateDir,
  removeEmptyDirectory,
  SECRET_FILE,
} from "./state_files.ts";

export class StateDir {
  readonly path: string;
  readonly #locks: Locks;
  readonly #identity: Identity;
  #lock: FileLock;
  #lockIs: string | null = null;
  /** Files as they should be. BOUNDED: the secret's and the unfinished join's. */
  readonly #kept = new Map<string, Buffer>();
  /** Whether a secret was there before this run: a user may have put it there. */
  readonly #hadSecret: boolean;

  constructor(locks: Locks, path: string, identity: Identity, lock: FileLock) {
    this.#locks = locks;
    this.path = path;
    this.#identity = identity;
    this.#lock = lock;
    this.#hadSecret = existsSync(join(path, SECRET_FILE));
    this.#keepAsItIs(SECRET_FILE);
    this.joinWritten();
    this.#lockIs = this.#lockFile();
  }

  /** Whether a file of this name should be there. */
  keeps(name: string): boolean {
    return this.#kept.has(name);
  }

  /** A file is to be there with this content from now on; null: it is not. */
  keep(name: string, content: Buffer | null): void {
    this.#kept.get(name)?.fill(0);
    if (content === null) this.#kept.delete(name);
    else this.#kept.set(name, content);
  }

  #keepAsItIs(name: string): void {
    const path = join(this.path, name);
    this.keep(name, existsSync(path) ? readFileSync(path) : null);
  }

  /** Remembers the file of an unfinished join as it is on disk now. */
  joinWritten(): void {
    this.#keepAsItIs(JOIN_FILE);
  }

  /** As `restore`, but whoever asks does not wait for the disk while nothing is missing. */
  async check(disk: Disk): Promise<boolean> {
    const [lock, ...others] = await disk.look(
      [LOCK_FILE, IDENTITY_FILE, ...this.#kept.keys()].map((name) => join(this.path, name)),
    );
    return lock === this.#lockIs && others.every((one) => one !== null) ? false : this.restore();
  }

  /** Makes again what is missing. True when something was; throws a sentence when it cannot be. */
  restore(): boolean {
    const identityPath = join(this.path, IDENTITY_FILE);
    const isWhole = this.#lock.holds() && existsSync(identityPath);
    const gone = [...this.#kept].filter(([name]) => !existsSync(join(this.path, name)));
    if (isWhole && gone.length === 0) return false;
    makeStateDir(this.path);
    this.#refuseAnother(identityPath);
    if (!this.#lock.holds()) {
      const lock = lockStateDir(this.#locks, this.path);
      this.#lock.release();
      this.#lock = lock;
      this.#lockIs = this.#lockFile();
    }
    if (!existsSync(identityPath)) {
      writeJsonFile(identityPath, JSON.parse(identityToJson(this.#identity)), 0o600);
    }
    for (const [name, content] of gone) {
      writeTextFile(join(this.path, name), content.toString("utf8"), 0o600, false);
    }
    return true;
  }

  /** As `Disk.look` says it. */
  #lockFile(): string | null {
    const found = statSync(join(this.path, LOCK_FILE), { throwIfNoEntry: false });
    return found === undefined ? null : `${found.dev}:${found.ino}`;
  }

  /** What another put in the place of ours is not ours to write into. */
  #refuseAnother(identityPath: string): void {
    const { value } = readJsonFile(identityPath, { secret: true });
    if (value === null) return;
    let id: string | null = null;
    try {
      ({ id } = identityFromJson(JSON.stringify(value)));
    } catch {
      // no identity at all: not ours either
    }
    if (id === this.#identity.id) return;
    throw new Error(
      `Cannot keep the state in ${
        JSON.stringify(this.path)
      }: the identity there was replaced while the daemon was running (put the old one back, or restart ovltun to use the new one)`,
    );
  }

  /** Unlocks it. With `forget`, the identity and the secret that this run made go, and what it made the lock in. */
  close(forget: { readonly madeDirectory: boolean } | null): void {
    for (const content of this.#kept.values()) content.fill(0);
    if (forget !== null) {
      for (const suffix of ["", ".bak"]) rmSync(join(this.path, IDENTITY_FILE + suffix), { force: true });
      if (!this.#hadSecret) rmSync(join(this.path, SECRET_FILE), { force: true });
    }
    this.#lock.release(forget !== null);
    if (forget?.madeDirectory === true) removeEmptyDirectory(this.path);
  }
}
