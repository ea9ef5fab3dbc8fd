/** Locks that the kernel lets go of when the process ends, however it ends. */

export interface FileLock {
  /** Whether the file at its path is still the one that is locked: others lock by the path. */
  holds(): boolean;
  /** Lets go. With `remove` the file goes, too: who waits for it finds out that it is another one by then. */
  release(remove?: boolean): void;
}

/** A name that no file carries. */
export interface HeldName {
  release(): void;
}

export interface Locks {
  /** Locks the file at `path`, making it when it is missing. Null when another process holds it. Throws SysError. */
  file(path: string): FileLock | null;
  /** Takes `name`, at most 100 characters, in the network namespace. Null when another process has it. Throws SysError. */
  name(name: string): HeldName | null;
  /** Whether a process has `name`. Throws SysError. */
  isNameHeld(name: string): boolean;
}
