/** What a process of a host holds, in memory; it goes with the process. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import type { FileLock, HeldName, Locks } from "../../src/ports/locks.ts";

export class MemoryLocks implements Locks {
  /** BOUNDED: by the daemon's directories. Of all processes of the host. */
  readonly #ofHost: Set<string>;
  /** BOUNDED: as #ofHost. */
  readonly #own = new Set<string>();

  constructor(ofHost: Set<string>) {
    this.#ofHost = ofHost;
  }

  file(path: string): FileLock | null {
    const held = this.name(path);
    if (held === null) return null;
    writeFileSync(path, "", { flag: "a" });
    const holds = () => this.#own.has(path) && existsSync(path);
    return {
      holds,
      release: (remove = false) => {
        if (remove && holds()) rmSync(path);
        held.release();
      },
    };
  }

  name(name: string): HeldName | null {
    if (this.#ofHost.has(name)) return null;
    this.#ofHost.add(name);
    this.#own.add(name);
    return { release: () => this.#release(name) };
  }

  isNameHeld(name: string): boolean {
    return this.#ofHost.has(name);
  }

  releaseAll(): void {
    for (const name of [...this.#own]) this.#release(name);
  }

  #release(name: string): void {
    this.#own.delete(name);
    this.#ofHost.delete(name);
  }
}
