/** `ovltun forget NODE`: the mesh counts a node no more, or with `--revoke` refuses its key for good. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { Forgotten } from "../api/schema.ts";
import { escapeText } from "../text/escape.ts";
import { addSettings, SOCKET_SETTINGS, socketOf } from "./options.ts";
import { printJson, tell } from "./output.ts";
import { shortId } from "../text/table.ts";

export function registerForget(program: Command): void {
  const command = program.command("forget")
    .description("have the whole mesh forget a node that is gone; its lease is free")
    .argument("<NODE>", "its name, the beginning of its id, its subnet, or an address in it")
    .option("--revoke", "refuse its key for good: it was stolen, or must not come back")
    .option("--json", "print JSON");
  addSettings(command, SOCKET_SETTINGS).action(async (node: string, options: Record<string, unknown>) => {
    const revoke = options["revoke"] === true;
    const forgotten = await callApi(socketOf(options), "forget", { node, revoke });
    if (options["json"] === true) printJson(forgotten);
    else for (const line of forgottenLines(forgotten)) tell(escapeText(line));
  });
}

/** What was done and what it means, a sentence each. */
export function forgottenLines({ id, name, subnet, state, revoked }: Forgotten): string[] {
  const who = name === null ? `The node ${shortId(id)}` : `${name} (${shortId(id)})`;
  const lines = [
    `${who} is ${revoked ? "revoked" : "forgotten"}${subnet === null ? "" : `; ${subnet} is free`}`,
  ];
  if (revoked) {
    lines.push(
      "Every member refuses its key from now on. If it was stolen, it knows the network secret still: " +
        "docs/security.md says how to change that",
    );
  } else if (state === "alive" || state === "suspect") {
    lines.push("It is running: it joins anew and gets another lease (--revoke keeps it out)");
  }
  return lines;
}
