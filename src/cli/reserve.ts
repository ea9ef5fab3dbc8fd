/** `ovltun reserve SUBNET NODE` and `ovltun unreserve SUBNET`: a subnet is for one node alone, or for anybody again. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { Reserved, Unreserved } from "../api/outcomes.ts";
import { escapeText } from "../text/escape.ts";
import { shortId } from "../text/columns.ts";
import { addSettings, SOCKET_SETTINGS, socketOf } from "./options.ts";
import { printJson, tell } from "./output.ts";

export function registerReserve(program: Command): void {
  const reserve = program.command("reserve")
    .description("keep a subnet for one node: nobody else is given it")
    .argument("<SUBNET>", "as leases of this mesh are, such as 10.42.9.0/24")
    .argument("<NODE>", "a name, an id prefix, a subnet, or an address in it")
    .option("--now", "the node leaves its present lease for it, and its containers need new addresses")
    .option("--json", "print JSON");
  addSettings(reserve, SOCKET_SETTINGS).action(
    async (subnet: string, node: string, options: Record<string, unknown>) => {
      const now = options["now"] === true;
      const reserved = await callApi(socketOf(options), "reserve", { subnet, node, now });
      if (options["json"] === true) printJson(reserved);
      else for (const line of reservedLines(reserved)) tell(escapeText(line));
    },
  );
  const unreserve = program.command("unreserve")
    .description("lift the reservation of a subnet")
    .argument("<SUBNET>", "see ovltun leases")
    .option("--json", "print JSON");
  addSettings(unreserve, SOCKET_SETTINGS).action(async (subnet: string, options: Record<string, unknown>) => {
    const lifted = await callApi(socketOf(options), "unreserve", { subnet });
    if (options["json"] === true) printJson(lifted);
    else for (const line of unreservedLines(lifted)) tell(escapeText(line));
  });
}

/** What was done and what it means, a sentence each. */
export function reservedLines({ subnet, id, name, state, holds, taken, moves }: Reserved): string[] {
  const first = `${subnet} is reserved for ${name} (${shortId(id)})`;
  if (taken) return [`${first}, which holds it`];
  const lease = holds.join(" and ");
  if (holds.length === 0) return [first, `${name} has no lease: it takes this one when it claims one`];
  if (moves) {
    const when = state === "dead" ? "when it is back" : "now";
    return [first, `${name} leaves ${lease} for it ${when}; its containers need new addresses`];
  }
  return [
    first,
    `${name} keeps ${lease}, also over restarts; to have it change: ovltun reserve ${subnet} ${name} --now`,
  ];
}

/** The same of a reservation that was lifted. */
export function unreservedLines({ subnet, id, name, taken }: Unreserved): string[] {
  const first = `${subnet} is not reserved for ${name} (${shortId(id)}) any more`;
  return taken ? [first, `${name} keeps it as its lease`] : [first];
}
