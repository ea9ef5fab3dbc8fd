/** The screen that a page for people is laid out for. */

/** What a page for people may use. */
export interface Screen {
  readonly colours: boolean;
  /** Columns of a line; Infinity where stdout is no terminal, so that programs get the whole page. */
  readonly width: number;
  readonly height: number;
}

/** A page without colours, as wide as it gets. */
export const PLAIN: Screen = { colours: false, width: Infinity, height: Infinity };
