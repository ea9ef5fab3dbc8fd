/** What happened in a chaos run, in the order in which it did, for people and for `--json`. */
import { seconds } from "./lease_judge.ts";

export interface TimelineEntry {
  /** Seconds from the beginning. */
  readonly at: number;
  /** "split", "kill", "lease", "VIOLATION", … */
  readonly what: string;
  /** Null: it concerns all. */
  readonly host: string | null;
  readonly text: string;
}

const AT_WIDTH = 8;
const WHAT_WIDTH = 10;

export class Timeline {
  readonly entries: TimelineEntry[] = [];
  readonly violations: string[] = [];
  readonly #began: number;
  readonly #tell: (line: string) => void;

  /** `tell` gets each entry as a line; `began` by the clock of `note`. */
  constructor(began: number, tell: (line: string) => void) {
    this.#began = began;
    this.#tell = tell;
  }

  /** A time of the clock as ms from the beginning. */
  at(time: number): number {
    return time - this.#began;
  }

  note(now: number, what: string, text: string, host: string | null = null): void {
    const at = Math.round(now - this.#began) / 1000;
    this.entries.push({ at, what, host, text });
    const head = `${seconds(at * 1000).padStart(AT_WIDTH)}  ${what.padEnd(WHAT_WIDTH)}`;
    const [first, ...more] = text.split("\n");
    const rest = more.map((line) => `\n${" ".repeat(AT_WIDTH + 2 + WHAT_WIDTH)}  ${line}`).join("");
    this.#tell(`${head}  ${host === null ? "" : `${host}  `}${first}${rest}`.trimEnd());
  }

  /** An invariant that does not hold. */
  violation(now: number, text: string): void {
    this.violations.push(text.split("\n")[0]!);
    this.note(now, "VIOLATION", text);
  }
}
