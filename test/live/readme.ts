/** The commands of README.md and docs/, so that the tests run exactly what users are told to paste. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TOP } from "./host.ts";

/** The shell blocks of the section under `heading` ("## Containers") in a file such as "README.md". */
export function shellBlocks(file: string, heading: string): string[] {
  const text = readFileSync(join(TOP, file), "utf8");
  const begin = text.indexOf(`\n${heading}\n`);
  if (begin < 0) throw new Error(`${file} has no section "${heading}"`);
  const end = text.indexOf("\n## ", begin + heading.length);
  return [...text.slice(begin, end < 0 ? undefined : end).matchAll(/^```sh\n(.*?)^```$/gms)].map((m) =>
    m[1]!
  );
}

/** The only one of `blocks` that contains `words`. */
export function blockWith(blocks: readonly string[], words: string): string {
  const found = blocks.filter((block) => block.includes(words));
  if (found.length !== 1) throw new Error(`${found.length} blocks have "${words}"`);
  return found[0]!;
}
