/**
 * The disk of a host of a town, as its daemon has it: real files, that are written when the time of the town says so. It may
 * be slow, stand still, or be full; what is asked is done in its order, and a process that was killed does nothing more.
 */
import {
  closeSync,
  existsSync,
  fchmodSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import type { Disk } from "../../src/ports/disk.ts";

/** What outlives the process. */
export class DiskState {
  /** How long each write takes, ms. */
  latencyMs = 0;
  /** Nothing is written before this, on the town's clock. */
  stalledUntil = 0;
  /** No file grows. */
  full = false;
  /** What was written, in order: "overwrite state". */
  readonly writes: string[] = [];
  bytes = 0;
  /** Each write, just before it is done; false: it is not. */
  onWrite: (what: string, path: string) => boolean = () => true;
}

/** When something is done, and what a promise of it needs. */
interface Time {
  now(): number;
  after(ms: number, act: () => void): void;
  /** A promise was kept. */
  stir(): void;
}

export class MemoryDisk implements Disk {
  readonly #state: DiskState;
  readonly #time: Time;
  #lastAt = 0;

  constructor(state: DiskState, time: Time) {
    this.#state = state;
    this.#time = time;
  }

  overwrite(path: string, at: number, bytes: Uint8Array): Promise<void> {
    return this.#write("overwrite", path, bytes.length, () => {
      const fd = openSync(path, "r+");
      writeSync(fd, bytes, 0, bytes.length, at);
      closeSync(fd);
    });
  }

  append(path: string, bytes: Uint8Array): Promise<void> {
    return this.#write("append", path, bytes.length, () => {
      this.#grow();
      const fd = openSync(path, "a", 0o600);
      writeSync(fd, bytes);
      closeSync(fd);
    });
  }

  replace(path: string, parts: Iterable<Uint8Array>): Promise<void> {
    const bytes = [...parts];
    const length = bytes.reduce((sum, part) => sum + part.length, 0);
    return this.#write("replace", path, length, () => {
      this.#grow();
      const temporary = `${path}.tmp`;
      rmSync(temporary, { force: true });
      const fd = openSync(temporary, "wx", 0o600);
      fchmodSync(fd, 0o600);
      for (const part of bytes) writeSync(fd, part);
      closeSync(fd);
      renameSync(temporary, path);
    });
  }

  remove(path: string): Promise<void> {
    return this.#write("remove", path, 0, () => rmSync(path, { force: true }));
  }

  look(paths: readonly string[]): Promise<(string | null)[]> {
    return this.#later(() =>
      paths.map((path) => {
        if (!existsSync(path)) return null;
        const { dev, ino } = statSync(path);
        return `${dev}:${ino}`;
      })
    );
  }

  #grow(): void {
    if (this.#state.full) throw Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
  }

  #write(what: string, path: string, length: number, act: () => void): Promise<void> {
    return this.#later(() => {
      if (!this.#state.onWrite(what, path)) throw Object.assign(new Error("I/O error"), { code: "EIO" });
      act();
      this.#state.writes.push(`${what} ${path.split("/").at(-1)}`);
      this.#state.bytes += length;
    });
  }

  #later<T>(act: () => T): Promise<T> {
    const { latencyMs, stalledUntil } = this.#state;
    const now = this.#time.now();
    const at = this.#lastAt = Math.max(now + latencyMs, stalledUntil, this.#lastAt);
    return new Promise((resolve, reject) => {
      const done = () => {
        // Another stall may have begun before it was its turn.
        if (this.#state.stalledUntil > this.#time.now()) {
          return this.#time.after(this.#state.stalledUntil - this.#time.now(), done);
        }
        this.#time.stir();
        try {
          resolve(act());
        } catch (error) {
          reject(error);
        }
      };
      if (at <= now) done();
      else this.#time.after(at - now, done);
    });
  }
}
