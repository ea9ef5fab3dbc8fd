/** Text that may come from the network, made safe to show: nothing in it can drive a terminal or forge a line. And what it is shown on. */

// C0, DEL, C1, line separators, bidirectional controls, zero-width characters, lone surrogates.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Unprintable characters as \u{…}. */
export function escapeText(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

// ----------------------------------------------------------------------------------------------------
// The screen that a page for people is laid out for.

/** What a page for people may use. */
export interface Screen {
  readonly colours: boolean;
  /** Columns of a line; Infinity where stdout is no terminal, so that programs get the whole page. */
  readonly width: number;
  readonly height: number;
}

/** A page without colours, as wide as it gets. */
export const PLAIN: Screen = { colours: false, width: Infinity, height: Infinity };
