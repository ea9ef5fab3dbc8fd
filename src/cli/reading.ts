/**
 * What the reading commands share: `--json`, `--watch`, `--run-dir`, one question to the daemon, one page as the
 * answer. While watching, a daemon that is away is reported in place and asked again.
 */
import type { Command } from "commander";
import process from "node:process";
import { addSettings, socketOf } from "./options.ts";
import { colourful, print, printJson, printRaw } from "./output.ts";

const WATCH_MS = 1000;
const CLEAR_SCREEN = "\x1b[H\x1b[2J\x1b[3J";

export interface Reading<T> {
  /** Asks the daemon at socket `path`. */
  readonly ask: (path: string) => Promise<T>;
  /** What `--json` prints. */
  readonly json: (answer: T) => unknown;
  /** What people read. */
  readonly page: (answer: T, colours: boolean) => string;
}

/** Adds the flags of a reading command. */
export function addReadingFlags(command: Command): Command {
  addSettings(command, ["run-dir"]);
  return command.option("--json", "print JSON").option("--watch", "redraw every second until Ctrl-C");
}

/** Asks once, or every second with `--watch`, and prints. */
export async function read<T>(options: Record<string, unknown>, reading: Reading<T>): Promise<void> {
  const path = socketOf(options);
  const json = options["json"] === true;
  if (options["watch"] !== true) {
    const answer = await reading.ask(path);
    if (json) printJson(reading.json(answer));
    else print(reading.page(answer, colourful()));
    return;
  }
  let stopped = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopped = true);
  while (!stopped) {
    const shown = await frame(path, reading, json);
    if (process.stdout.isTTY === true && !json) printRaw(CLEAR_SCREEN);
    print(shown);
    for (let waited = 0; waited < WATCH_MS && !stopped; waited += 50) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function frame<T>(path: string, reading: Reading<T>, json: boolean): Promise<string> {
  try {
    const answer = await reading.ask(path);
    return json ? JSON.stringify(reading.json(answer)) : reading.page(answer, colourful());
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return json ? JSON.stringify({ error: message }) : message;
  }
}
