/** `ovltun forget NODE`: the mesh counts a node no more, or with `--revoke` refuses its key for good. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { Forgotten } from "../api/outcomes.ts";
import { escapeText } from "../text/escape.ts";
import { addSettings, SOCKET_SETTINGS, socketOf } from "./options.ts";
import { printJson, tell } from "./output.ts";
import { shortId } from "../text/columns.ts";

export function registerForget(program: Command): void {
  const command = program.command("forget")
    .description("remove a node that is gone from the mesh and free its lease")
    .argument("<NODE>", "a name, an id prefix, a subnet, or an address in it")
    .option("--revoke", "also refuse its key for good: it was stolen, or must not come back")
    .option("--json", "print JSON");
  addSettings(command, SOCKET_SETTINGS).action(async (node: string, options: Record<string, unknown>) => {
    const revoke = options["revoke"] === true;
    const forgotten = await callApi(socketOf(options), "forget", { node, revoke });
    if (options["json"] === true) printJson(forgotten);
    else for (const line of forgottenLines(forgotten)) tell(escapeText(line));
  });
}

/** What was done and what it means, a sentence each. */
export function forgottenLines({ id, name, subnet, subnet6, state, revoked }: Forgotten): string[] {
  const free = subnet === null
    ? ""
    : subnet6 === undefined
    ? `; ${subnet} is free`
    : `; ${subnet} and ${subnet6} are free`;
  const who = name === null ? `The node ${shortId(id)}` : `${name} (${shortId(id)})`;
  const lines = [
    `${who} is ${revoked ? "revoked" : "forgotten"}${free}`,
  ];
  if (revoked) {
    lines.push(
      "Every member now refuses its key. If it was stolen, the thief still has the network secret: rotate it " +
        "(ovltun secret rotate --now)",
    );
  } else if (state === "alive" || state === "suspect") {
    lines.push("It is still running: it will rejoin with a new lease (--revoke keeps it out)");
  }
  return lines;
}
