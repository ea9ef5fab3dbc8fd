/**
 * Logs: one line an event to stderr, as text or JSON, written at once so that the last words before a crash are not
 * lost. Strings may come from the network: control characters are escaped and lengths cut, so that no text can forge a
 * line or drive a terminal. Fields have fixed keys: peer, lease, vni, epoch, path, endpoint, device.
 */
import { BoundedMap } from "../bounds/bounded_map.ts";
import { writeSync } from "node:fs";
import { escapeText } from "../text/escape.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFormat = "text" | "json";
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const MAX_TEXT = 500;
const MAX_LIMITS = 1024;

interface LogState {
  threshold: number;
  format: LogFormat;
  write: (line: string) => void;
}

const state: LogState = { threshold: 1, format: "text", write: writeStderr };

/** Sets level and format; `write` takes whole lines and is for tests. */
export function configureLog(
  level: LogLevel,
  format: LogFormat,
  write: (line: string) => void = writeStderr,
): void {
  state.threshold = LEVELS.indexOf(level);
  state.format = format;
  state.write = write;
}

function writeStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // A closed or full stderr must not end a daemon.
  }
}

/** Writes one event. `message` is a sentence, `fields` what a machine filters by. */
export function log(level: LogLevel, message: string, fields: LogFields = {}): void {
  if (LEVELS.indexOf(level) < state.threshold) return;
  const time = new Date().toISOString();
  state.write(
    state.format === "json" ? jsonLine(time, level, message, fields) : textLine(time, level, message, fields),
  );
}

/** The same by level. */
export const logger = {
  debug: (message: string, fields?: LogFields): void => log("debug", message, fields),
  info: (message: string, fields?: LogFields): void => log("info", message, fields),
  warn: (message: string, fields?: LogFields): void => log("warn", message, fields),
  error: (message: string, fields?: LogFields): void => log("error", message, fields),
};

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const line: Record<string, unknown> = { time, level, message: cut(escapeText(message)) };
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined && !Object.hasOwn(line, key)) {
      line[key] = typeof value === "string" ? cut(escapeText(value)) : value;
    }
  }
  return `${JSON.stringify(line)}\n`;
}

function textLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  let line = `${time} ${level.padEnd(5)} ${cut(escapeText(message))}`;
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const text = cut(escapeText(String(value)));
    line += ` ${key}=${/^[^\s"=]+$/.test(text) ? text : `"${text.replaceAll('"', '\\"')}"`}`;
  }
  return `${line}\n`;
}

function cut(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`;
}

/** Lets one event a key and interval through, and counts the rest. Time is the caller's, monotonic ms. */
export class LogLimit {
  readonly #intervalMs: number;
  // BOUNDED: ≤ MAX_LIMITS, the oldest key goes first
  readonly #keys = new BoundedMap<string, { until: number; suppressed: number }>(MAX_LIMITS);

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Null: stay silent. A number: log, and say that this many were held back since the last time. */
  admit(key: string, now: number): number | null {
    const entry = this.#keys.get(key);
    if (entry !== undefined && now < entry.until) {
      entry.suppressed++;
      return null;
    }
    const suppressed = entry?.suppressed ?? 0;
    this.#keys.renew(key, { until: now + this.#intervalMs, suppressed: 0 });
    return suppressed;
  }
}
