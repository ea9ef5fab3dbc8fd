/**
 * What a command writes: data to stdout, everything else to stderr, both at once and in full, so that nothing is lost
 * when the process ends right after. A reader that went away (`| head`) ends the command quietly.
 */
import { Buffer } from "node:buffer";
import { writeSync } from "node:fs";
import process from "node:process";
import { PLAIN, type Screen } from "../text/escape.ts";

const STDOUT = 1;
const STDERR = 2;

/** Ends a command early with an exit code and no further words. */
export class Exit extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`Exit ${exitCode}`);
    this.name = "Exit";
    this.exitCode = exitCode;
  }
}

/** Writes a line of data. */
export function print(text: string): void {
  writeAll(STDOUT, `${text}\n`);
}

/** Writes a sentence for the person in front. */
export function tell(text: string): void {
  writeAll(STDERR, `${text}\n`);
}

/** Writes data as it is, without a line end. */
export function printRaw(text: string): void {
  writeAll(STDOUT, text);
}

/** Writes a sentence as it is, without a line end. */
export function tellRaw(text: string): void {
  writeAll(STDERR, text);
}

/** JSON in which no character can drive a terminal: names come from the network. */
export function printJson(value: unknown, indent = 2): void {
  const text = JSON.stringify(value, null, indent);
  print(text.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`));
}

/** What stdout takes: colours on a terminal, unless NO_COLOR (no-color.org) is set. Asked anew for each page. */
export function screen(): Screen {
  if (process.stdout.isTTY !== true) return PLAIN;
  const { columns, rows } = process.stdout;
  return {
    colours: (process.env["NO_COLOR"] ?? "") === "",
    width: columns > 0 ? columns : Infinity,
    height: rows > 0 ? rows : Infinity,
  };
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at, bytes.length - at);
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      else if (code === "EPIPE" && fd === STDOUT) throw new Exit(0);
      else return; // no reader is left
    }
  }
}
