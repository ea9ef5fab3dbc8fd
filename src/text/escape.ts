/** Text that may come from the network, made safe to show: nothing in it can drive a terminal or forge a line. */

// C0, DEL, C1, line separators, bidirectional controls, zero-width characters, lone surrogates.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Unprintable characters as \u{…}. */
export function escapeText(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
