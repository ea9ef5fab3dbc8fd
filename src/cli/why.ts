/** `ovltun why NODE`: the paths that were considered to a node, what each came to, and what would help. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { Why } from "../api/schema.ts";
import { escapeText } from "../daemon/log.ts";
import { addReadingFlags, read } from "./reading.ts";
import { bold } from "./table.ts";

export function registerWhy(program: Command): void {
  const command = program.command("why")
    .description("the paths tried to a node, and what would help")
    .argument("<NODE>", "name, beginning of its id, or an address in its lease");
  addReadingFlags(command).action((node: string, options: Record<string, unknown>) =>
    read(options, { ask: (path) => callApi(path, "why", { node }), json: (why) => why, page: whyPage })
  );
}

/** The page for people. */
export function whyPage(why: Why, colours: boolean): string {
  const title = `${why.node} (${why.subnet ?? "no subnet"}), ${why.state}: ${why.path}`;
  const lines = [bold(escapeText(title), colours), escapeText(why.summary)];
  for (const attempt of why.attempts) {
    lines.push(escapeText(`  ${attempt.ok ? "yes" : "no "}  ${attempt.path}: ${attempt.result}`));
    if (attempt.fix !== null) lines.push(escapeText(`       do: ${attempt.fix}`));
  }
  return lines.join("\n");
}
