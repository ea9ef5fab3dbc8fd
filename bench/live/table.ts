/** Tables of figures, for a terminal or as Markdown. */

/** What stands where there is no figure. */
export const NOTHING = "–";

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Its lines. */
export function renderTable(table: Table, markdown: boolean): string[] {
  return markdown ? asMarkdown(table) : asText(table);
}

/** With thousands apart; `value` may be nothing. */
export function number(value: number | null, digits = 0, factor = 1): string {
  if (value === null) return NOTHING;
  const [whole = "", fraction] = (value * factor).toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

function asText({ title, head, rows }: Table): string[] {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  ");
  return [title, "-".repeat(title.length), line(head), ...rows.map(line)];
}

function asMarkdown({ title, head, rows }: Table): string[] {
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  return [
    `**${title}**`,
    "",
    line(head),
    line(head.map((_, i) => i === 0 ? "---" : "--:")),
    ...rows.map(line),
  ];
}
