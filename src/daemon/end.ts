/** What ends a daemon from outside, and the order in which it takes itself apart. */
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
