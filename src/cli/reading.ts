/**
 * What the reading commands share: `--json`, `--watch`, `--run-dir`, one question to the daemon, one page as the
 * answer. While watching, a daemon that is away is reported in place and asked again. A terminal is watched on its
 * second screen, which it leaves as it was.
 */
import type { Command } from "commander";
import process from "node:process";
import { addSettings, SOCKET_SETTINGS, socketOf } from "./options.ts";
import { print, printJson, printRaw, screen } from "./output.ts";
import type { Screen } from "../text/escape.ts";
import { wrap } from "../text/columns.ts";

const WATCH_MS = 1000;
// xterm's control sequences: second screen, no cursor, no wrapping at the right edge; and all of it back.
const ENTER_SCREEN = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE_SCREEN = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_TO_END_OF_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

export interface Reading<T> {
  /** Asks the daemon at socket `path`. */
  readonly ask: (path: string) => Promise<T>;
  /** What `--json` prints. */
  readonly json: (answer: T) => unknown;
  /** What people read. */
  readonly page: (answer: T, screen: Screen) => string;
}

/** Adds the flags of a reading command. */
export function addReadingFlags(command: Command): Command {
  addSettings(command, SOCKET_SETTINGS);
  return command.option("--json", "print JSON").option("--watch", "redraw every second until Ctrl-C");
}

/** Asks once, or every second with `--watch`, and prints. */
export async function read<T>(options: Record<string, unknown>, reading: Reading<T>): Promise<void> {
  const path = socketOf(options);
  const json = options["json"] === true;
  if (options["watch"] === true) return await watch(path, reading, json);
  const answer = await reading.ask(path);
  if (json) printJson(reading.json(answer));
  else print(reading.page(answer, screen()));
}

async function watch<T>(path: string, reading: Reading<T>, json: boolean): Promise<void> {
  let stopped = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stopped = true);
  const redraw = process.stdout.isTTY === true && !json;
  if (redraw) printRaw(ENTER_SCREEN);
  try {
    while (!stopped) {
      const shown = await frame(path, reading, json);
      if (stopped) break;
      if (redraw) printRaw(onScreen(shown, screen().height));
      else print(shown);
      for (let waited = 0; waited < WATCH_MS && !stopped; waited += 50) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  } finally {
    if (redraw) printRaw(LEAVE_SCREEN);
  }
}

/** A page over the one before it, without flicker; what is too long for the screen is cut with a word about it. */
function onScreen(page: string, height: number): string {
  let lines = page.split("\n");
  if (lines.length > height) {
    lines = [...lines.slice(0, height - 1), `… ${lines.length - height + 1} more lines`];
  }
  return HOME + lines.map((line) => line + CLEAR_TO_END_OF_LINE).join("\n") + CLEAR_BELOW;
}

async function frame<T>(path: string, reading: Reading<T>, json: boolean): Promise<string> {
  try {
    const answer = await reading.ask(path);
    return json ? JSON.stringify(reading.json(answer)) : reading.page(answer, screen());
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return json ? JSON.stringify({ error: message }) : wrap(message, screen().width);
  }
}
