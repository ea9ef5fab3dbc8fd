/** Tables and small phrases for people: aligned columns, sizes, durations. Colours only where the caller says so. */
import { escapeText } from "../daemon/log.ts";

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string | number | null;
  /** Numbers stand at the right. */
  readonly right?: boolean;
}

const GAP = "  ";
const BOLD = "\x1b[1m";
const DIM = "\x1b[2m";
const RESET = "\x1b[0m";

/** The rows under their titles, one line each, no trailing blanks. Unprintable characters are escaped. */
export function renderTable<T>(columns: readonly Column<T>[], rows: readonly T[], colours: boolean): string {
  const cells = rows.map((row) => columns.map((column) => cellText(column.value(row))));
  const widths = columns.map((column, i) => {
    return cells.reduce((width, row) => Math.max(width, displayWidth(row[i]!)), column.title.length);
  });
  const line = (texts: readonly string[]) =>
    texts.map((text, i) => {
      const blanks = " ".repeat(Math.max(0, widths[i]! - displayWidth(text)));
      return columns[i]!.right === true ? blanks + text : text + blanks;
    }).join(GAP).trimEnd();
  const head = line(columns.map((column) => column.title));
  return [colours ? BOLD + head + RESET : head, ...cells.map(line)].join("\n");
}

function cellText(value: string | number | null): string {
  if (value === null || value === "") return "-";
  return escapeText(String(value));
}

/** Characters, not UTF-16 units. */
function displayWidth(text: string): number {
  return [...text].length;
}

/** Bold where colours are allowed. */
export function bold(text: string, colours: boolean): string {
  return colours ? BOLD + text + RESET : text;
}

/** Faint where colours are allowed. */
export function dim(text: string, colours: boolean): string {
  return colours ? DIM + text + RESET : text;
}

/** "512 B", "1.4 MB": decimal units. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}

/** "12 s", "3 min 5 s", "4 h 10 min", "9 d 3 h". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole % 86400 / 3600)} h`;
}

/** "0.41 ms", "12.3 ms", "-" when there is none. */
export function formatRtt(milliseconds: number | null): string {
  if (milliseconds === null) return "-";
  return `${milliseconds.toFixed(milliseconds < 10 ? 2 : milliseconds < 100 ? 1 : 0)} ms`;
}

/** The first characters of a node id, enough to tell nodes apart. */
export function shortId(id: string): string {
  return escapeText(id.slice(0, 8));
}
