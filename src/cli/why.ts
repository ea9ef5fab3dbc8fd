/** `ovltun why NODE`: the paths that were considered to a node, what each came to, and what would help. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { Why } from "../api/schema.ts";
import { escapeText, type Screen } from "../text/escape.ts";
import { isStatic } from "./peers.ts";
import { addReadingFlags, read } from "./reading.ts";
import { bold, wrap } from "../text/columns.ts";

const INDENT = " ".repeat(7);

export function registerWhy(program: Command): void {
  const command = program.command("why")
    .description("the paths tried to a node, and how to fix them")
    .argument("<NODE>", "a name, an id prefix, a subnet, or an address in it");
  addReadingFlags(command).action((node: string, options: Record<string, unknown>) =>
    read(options, { ask: (path) => callApi(path, "why", { node }), json: (why) => why, page: whyPage })
  );
}

/** The page for people. */
export function whyPage(why: Why, screen: Screen): string {
  const subnet = [why.subnet, why.subnet6].filter((one) => one !== null).join(", ") || "no lease";
  const title = why.state === "self"
    ? `${why.node} (${subnet}), this node`
    : `${why.node} (${subnet}), ${isStatic(why) ? "static" : why.state}: ${why.path}`;
  const lines = [bold(escapeText(title), screen.colours), wrap(escapeText(why.summary), screen.width)];
  for (const attempt of why.attempts) {
    const result = `  ${attempt.ok ? "yes" : "no "}  ${attempt.path}: ${attempt.result}`;
    lines.push(wrap(escapeText(result), screen.width, INDENT));
    if (attempt.fix !== null) {
      lines.push(wrap(escapeText(`${INDENT}fix: ${attempt.fix}`), screen.width, INDENT));
    }
  }
  return lines.join("\n");
}
