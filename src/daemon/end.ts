/** How a daemon tells that it has ended, and the order in which it takes itself apart. */
import type { Timers } from "../ports/time.ts";
import { logger } from "../log/log.ts";
import type { Prefix } from "../wire/prefix.ts";

/** What the log has when a daemon begins to stop: only a lease that is held can be released. */
export function lastWords(kind: "leave" | "release", subnet: Prefix | null): string {
  return kind === "release" && subnet !== null ? "Releasing the lease" : "Stopping";
}

/** The end of a run: when it comes, with which exit code, and what became of the lease. */
export class Ending {
  readonly #timers: Timers;
  #exitCode = 0;
  #finish!: () => void;
  #tellReleased!: (heard: boolean) => void;
  #ended = false;
  /** Everything is to be taken away. */
  readonly finished = new Promise<void>((resolve) => this.#finish = resolve);
  /** Whether a member has heard that the lease is given back. */
  readonly released = new Promise<boolean>((resolve) => this.#tellReleased = resolve);

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Whether the end is decided: nothing may begin any more. */
  get ended(): boolean {
    return this.#ended;
  }

  get exitCode(): number {
    return this.#exitCode;
  }

  finish(): void {
    this.#ended = true;
    this.#finish();
  }

  /** What the user asked for is refused: `message` says why. It ends when `finish` says so. */
  refuse(message: string): void {
    logger.error(message);
    this.#exitCode = 2;
  }

  /** A defect ends it at once; only the first is told. */
  fail(error: unknown): void {
    if (this.#exitCode === 0) {
      this.#exitCode = 1;
      logger.error(error instanceof Error ? error.message : String(error));
      if (error instanceof Error && error.stack !== undefined) logger.debug(error.stack);
    }
    this.finish();
  }

  /** A fault in any callback ends the process with a clear last line, not half of it. */
  guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The lease has been given back, or there is none to give back. */
  endRelease(heard: boolean): void {
    this.#ended = true;
    this.#tellReleased(heard);
    this.#timers.after(0, this.#finish); // the answer goes first
  }
}

/** What has to be undone, in reverse order. */
export class Cleanups {
  readonly #steps: (() => void | Promise<void>)[] = [];
  #hurry!: () => void;
  readonly #hurried = new Promise<void>((resolve) => this.#hurry = resolve);

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** From now on nothing is waited for: each step is begun, and that is all. */
  hurry(): void {
    this.#hurry();
  }

  /** Does all of it, whatever fails on the way. */
  async run(): Promise<void> {
    for (const step of this.#steps.reverse()) {
      try {
        await Promise.race([step(), this.#hurried]);
      } catch (error) {
        logger.warn(`Cannot clean up: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
}
