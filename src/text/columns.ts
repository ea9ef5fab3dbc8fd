/**
 * Tables and small phrases for people: aligned columns, wrapped sentences, sizes, durations. Colours and width as the
 * screen says. A table that is too wide loses its less important columns, and says which.
 */
import { escapeText, type Screen } from "./escape.ts";

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string | number | null;
  /** Numbers stand at the right. */
  readonly right?: boolean;
  /** Where the screen is too narrow, the column with the highest number goes first; without one it stays. */
  readonly spare?: number;
  /**
   * Sentences: a column of none is left out. Where they do not fit, they stand below the table, each once, after the first
   * cells they belong to; those of rows for which this is false are left out there.
   */
  readonly notes?: (row: T) => boolean;
}

const GAP = "  ";
const NOTHING = "-";
/** Rows that a sentence below the table names. */
const NOTE_NAMES = 4;
const BOLD = "\x1b[1m";
const DIM = "\x1b[2m";
const RESET = "\x1b[0m";

/** The rows under their titles, one line each, no trailing blanks. Unprintable characters are escaped. */
export function renderTable<T>(columns: readonly Column<T>[], rows: readonly T[], screen: Screen): string {
  const all = columns.map((column) => layOut(column, rows))
    .filter(({ column, cells }) => column.notes === undefined || cells.some((cell) => cell !== NOTHING));
  const shown = fitting(all, screen.width);
  const gone = all.filter((one) => !shown.includes(one));
  const line = (texts: readonly string[]) => texts.join(GAP).trimEnd();
  const head = line(shown.map((one) => align(one, one.column.title)));
  return [
    bold(head, screen.colours),
    ...rows.map((_, row) => line(shown.map((one) => align(one, one.cells[row]!)))),
    ...gone.flatMap((one) => notesOf(one, all[0]!, rows, screen.width)),
    ...leftOut(gone, screen),
  ].join("\n");
}

/** A column with its cells as text. */
interface LaidOut<T> {
  readonly column: Column<T>;
  readonly cells: readonly string[];
  readonly width: number;
}

function layOut<T>(column: Column<T>, rows: readonly T[]): LaidOut<T> {
  const cells = rows.map((row) => cellText(column.value(row)));
  const width = cells.reduce((most, cell) => Math.max(most, displayWidth(cell)), column.title.length);
  return { column, cells, width };
}

function align<T>({ column, width }: LaidOut<T>, text: string): string {
  const blanks = " ".repeat(Math.max(0, width - displayWidth(text)));
  return column.right === true ? blanks + text : text + blanks;
}

/** Sentences leave the table first, then what can best be spared. */
function fitting<T>(columns: readonly LaidOut<T>[], width: number): readonly LaidOut<T>[] {
  const total = columns.reduce((sum, one) => sum + one.width + GAP.length, -GAP.length);
  if (total <= width) return columns;
  const rank = ({ column }: LaidOut<T>) => column.notes !== undefined ? Infinity : column.spare ?? 0;
  const most = Math.max(...columns.map(rank));
  if (most === 0) return columns;
  const victim = columns.find((one) => rank(one) === most);
  return fitting(columns.filter((one) => one !== victim), width);
}

/** `beta, gamma: no answer to this host`: each sentence once, with the rows it belongs to. */
function notesOf<T>(notes: LaidOut<T>, names: LaidOut<T>, rows: readonly T[], width: number): string[] {
  const rowsOf = new Map<string, string[]>(); // BOUNDED: by the rows
  notes.cells.forEach((note, row) => {
    if (note !== NOTHING && notes.column.notes?.(rows[row]!)) {
      rowsOf.set(note, [...rowsOf.get(note) ?? [], names.cells[row]!]);
    }
  });
  const lines = [...rowsOf].map(([note, who]) => {
    const some = who.slice(0, NOTE_NAMES).join(", ");
    const more = who.length > NOTE_NAMES ? ` and ${who.length - NOTE_NAMES} more` : "";
    return wrap(`${some}${more}: ${note}`, width, GAP);
  });
  return lines.length === 0 ? [] : ["", ...lines];
}

function leftOut<T>(gone: readonly LaidOut<T>[], { width, colours }: Screen): string[] {
  const titles = gone.filter((one) => one.column.notes === undefined).map((one) => one.column.title);
  if (titles.length === 0) return [];
  const text = `(not shown in ${width} columns: ${titles.join(", ")}; --json has all)`;
  return ["", dim(wrap(text, width, " "), colours)];
}

/** Breaks a text at its blanks so that no line is longer than `width`; further lines begin with `indent`. */
export function wrap(text: string, width: number, indent = ""): string {
  if (displayWidth(text) <= width) return text;
  const lines: string[] = [];
  const [first = "", ...words] = text.split(" ");
  let line = first;
  for (const word of words) {
    const fits = displayWidth(line) + 1 + displayWidth(word) <= width;
    if (fits || line.trim() === "") line += ` ${word}`;
    else {
      lines.push(line.trimEnd());
      line = indent + word;
    }
  }
  return [...lines, line].join("\n");
}

function cellText(value: string | number | null): string {
  if (value === null || value === "") return NOTHING;
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

/** The first characters of a node id, enough to tell nodes apart. */
export function shortId(id: string): string {
  return escapeText(id.slice(0, 8));
}
