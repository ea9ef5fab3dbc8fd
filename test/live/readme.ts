/** The commands of README.md, so that what it tells to paste is what the tests run. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TOP } from "./host.ts";

/** The shell blocks between the line that begins with `from` and the one that begins with `to`. */
export function shellBlocks(from: string, to: string): string[] {
  const text = readFileSync(join(TOP, "README.md"), "utf8");
  const begin = text.indexOf(`\n${from}`);
  const end = text.indexOf(`\n${to}`, begin + 1);
  if (begin < 0 || end < 0) throw new Error(`README.md has no part from "${from}" to "${to}"`);
  return [...text.slice(begin, end).matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1]!);
}

/** The one block that has `words` in it. */
export function blockWith(blocks: readonly string[], words: string): string {
  const found = blocks.filter((block) => block.includes(words));
  if (found.length !== 1) throw new Error(`${found.length} blocks of README.md have "${words}"`);
  return found[0]!;
}
