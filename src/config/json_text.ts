/**
 * JSON (RFC 8259) read strictly, for files that people write: an error has its line and column, which the parsers of
 * the runtimes tell each in its own way or not at all, numbers keep their digits, and an object keeps every entry in
 * the order of the text, for what Go makes of two keys depends on it.
 */

/** A number as it is written: "24", "1e3". */
export class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** An object's entries as they stand, the same key perhaps more than once. */
export class JsonObject {
  readonly entries: readonly (readonly [string, Json])[];

  constructor(entries: readonly (readonly [string, Json])[]) {
    this.entries = entries;
  }
}

export type Json = string | boolean | null | JsonNumber | JsonObject | readonly Json[];

/** `message` begins with the place: "line 3, column 7: …". */
export class JsonSyntaxError extends Error {
  constructor(text: string, at: number, problem: string) {
    const before = text.slice(0, at).split("\n");
    super(`line ${before.length}, column ${[...before.at(-1)!].length + 1}: ${problem}`);
    this.name = "JsonSyntaxError";
  }
}

const MAX_DEPTH = 100;
const BLANKS = /[ \t\n\r]*/y;
const STRING = /"(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;
const BYTE_ORDER_MARK = "\ufeff";

/** Reads one JSON text. Throws JsonSyntaxError. */
export function parseJson(text: string): Json {
  return new Reader(text).whole();
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Json {
    if (this.#text.startsWith(BYTE_ORDER_MARK)) {
      this.#fail("it begins with a byte order mark; save it as UTF-8 without one");
    }
    const value = this.#value(0);
    this.#skipBlanks();
    if (this.#at < this.#text.length) this.#fail(`unexpected ${this.#found()} after the end`);
    return value;
  }

  #value(depth: number): Json {
    this.#skipBlanks();
    if (depth > MAX_DEPTH) this.#fail(`nested more than ${MAX_DEPTH} levels deep`);
    const first = this.#text[this.#at];
    if (first === "{") return this.#object(depth);
    if (first === "[") return this.#list(depth);
    if (first === '"') return this.#string();
    const number = this.#take(NUMBER);
    if (number !== null) return new JsonNumber(number);
    const word = this.#take(WORD);
    if (word === null) this.#fail(`expected a value, not ${this.#found()}`);
    return word === "null" ? null : word === "true";
  }

  #object(depth: number): JsonObject {
    const entries: (readonly [string, Json])[] = [];
    this.#at++;
    if (this.#next("}")) return new JsonObject(entries);
    do {
      this.#skipBlanks();
      if (this.#text[this.#at] !== '"') this.#fail(`expected a key in quotes, not ${this.#found()}`);
      const key = this.#string();
      if (!this.#next(":")) this.#fail(`expected a colon, not ${this.#found()}`);
      entries.push([key, this.#value(depth + 1)]);
    } while (this.#next(","));
    if (!this.#next("}")) this.#fail(`expected a comma or }, not ${this.#found()}`);
    return new JsonObject(entries);
  }

  #list(depth: number): Json[] {
    const values: Json[] = [];
    this.#at++;
    if (this.#next("]")) return values;
    do values.push(this.#value(depth + 1)); while (this.#next(","));
    if (!this.#next("]")) this.#fail(`expected a comma or ], not ${this.#found()}`);
    return values;
  }

  #string(): string {
    const literal = this.#take(STRING);
    if (literal === null) {
      this.#fail("unterminated string or invalid escape");
    }
    return JSON.parse(literal) as string;
  }

  /** Whether `character` comes next; it is passed. */
  #next(character: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #skipBlanks(): void {
    this.#take(BLANKS);
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    this.#at += found?.length ?? 0;
    return found;
  }

  /** What stands here, in words. */
  #found(): string {
    const point = this.#text.codePointAt(this.#at);
    if (point === undefined) return "the end of the text";
    const character = String.fromCodePoint(point);
    const shown = JSON.stringify(character);
    return character === "/" || character === "#" ? `${shown} (JSON has no comments)` : shown;
  }

  #fail(problem: string): never {
    throw new JsonSyntaxError(this.#text, this.#at, problem);
  }
}
