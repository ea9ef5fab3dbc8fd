/**
 * Keeps the run directory and the control socket in it: nothing tells when /run is emptied or mounted over, so both are
 * looked at every second. What cannot be made again is tried again, and told once.
 */
import { logger } from "../../log/log.ts";
import type { Served } from "../../ports/machine.ts";
import type { RunDir } from "./run_dir.ts";

export class RunDirWatch {
  readonly #runDir: RunDir;
  readonly #socket: Served;
  readonly #onRestored: () => void;
  #looking = false;
  #closed = false;
  #trouble: string | null = null;

  /** `onRestored`: something was gone and is there again; what else lies in the directory may be gone, too. */
  constructor(runDir: RunDir, socket: Served, onRestored: () => void) {
    this.#runDir = runDir;
    this.#socket = socket;
    this.#onRestored = onRestored;
  }

  async look(): Promise<void> {
    if (this.#closed || this.#looking) return;
    this.#looking = true;
    try {
      const emptied = this.#runDir.check();
      const gone = await this.#socket.restore();
      this.#trouble = null;
      if (emptied !== null) logger.warn(emptied);
      else if (gone) logger.warn("The control socket was removed; recreating it");
      if ((emptied !== null || gone) && !this.#closed) this.#onRestored();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const trouble = `Cannot serve the control socket: ${reason}`;
      if (trouble !== this.#trouble) logger.error(trouble);
      this.#trouble = trouble;
    } finally {
      this.#looking = false;
    }
  }

  /** Nothing is made again any more. */
  close(): void {
    this.#closed = true;
  }
}
