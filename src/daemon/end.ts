/** What ends a daemon from outside, how it tells that it has ended, and the order in which it takes itself apart. */
import process from "node:process";
import { logger } from "./log.ts";

/** Calls `stop` on SIGINT and SIGTERM, and when stdin ends if the environment asks for that. Returns the undo. */
export function watchForTheEnd(stop: () => void): () => void {
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  if (process.env["OVLTUN_EXIT_WITH_STDIN"] === "1") {
    process.stdin.on("end", stop);
    process.stdin.on("error", stop);
    process.stdin.resume();
  }
  return () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  };
}

/** What the log has when a daemon begins to end: nobody gives back a lease that he does not hold. */
export function lastWords(kind: "leave" | "release", subnet: string | null): string {
  return kind === "release" && subnet !== null ? "Giving the lease back" : "Stopping";
}

/** The end of a run: when it comes, with which exit code, and what became of the lease. */
export class Ending {
  #exitCode = 0;
  #finish!: () => void;
  #tellReleased!: (heard: boolean) => void;
  #ended = false;
  /** Everything is to be taken away. */
  readonly finished = new Promise<void>((resolve) => this.#finish = resolve);
  /** Whether a member has heard that the lease is given back. */
  readonly released = new Promise<boolean>((resolve) => this.#tellReleased = resolve);

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

  /** The lease has been given back, or there is none to give back. */
  endRelease(heard: boolean): void {
    this.#ended = true;
    this.#tellReleased(heard);
    setTimeout(this.#finish, 0); // the answer goes first
  }
}

/** What has to be undone, in reverse order. */
export class Cleanups {
  readonly #steps: (() => void | Promise<void>)[] = [];

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** Does all of it, whatever fails on the way. */
  async run(): Promise<void> {
    for (const step of this.#steps.reverse()) {
      try {
        await step();
      } catch (error) {
        logger.warn(`Cannot clean up: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
}
