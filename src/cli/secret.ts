/**
 * `ovltun secret new`: a fresh network secret on stdout, and on stderr what to do with it. `ovltun secret rotate`: the
 * mesh goes over to another; the daemon makes or reads it, so that it passes no socket.
 */
import { resolve } from "node:path";
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { Rotated } from "../api/outcomes.ts";
import { NetworkSecret } from "../crypto/network_secret.ts";
import { escapeText } from "../text/escape.ts";
import { addSettings, SOCKET_SETTINGS, socketOf } from "./options.ts";
import { print, printJson, tell } from "./output.ts";

const ADVICE = `This is a new network secret; no mesh uses it yet. Keep it where only root reads it:
  (umask 077; ovltun secret new > /etc/ovltun.secret)
and start every host with --secret-file /etc/ovltun.secret. A mesh that founds
without one makes its own: then ovltun token is all that other hosts need.`;

export function registerSecret(program: Command): void {
  const command = program.command("secret").description(
    "generate a network secret, or rotate the one in use",
  );
  command.command("new").description("print a new network secret").action(() => {
    const secret = NetworkSecret.create();
    print(secret.text());
    secret.wipe();
    tell(ADVICE);
  });
  const rotate = command.command("rotate")
    .description("switch the whole mesh to a new secret without interruption")
    .option("--secret-file <NEW>", "file with the new secret, readable by root only (a random one)")
    .option("--now", "drop the old secret as soon as every live node has the new one, because it has leaked")
    .option("--json", "print JSON");
  addSettings(rotate, SOCKET_SETTINGS).action(async (options: Record<string, unknown>) => {
    const file = options["secretFile"] as string | undefined;
    const now = options["now"] === true;
    const secretFile = file === undefined ? null : resolve(file);
    const rotated = await callApi(socketOf(options), "rotate", { secretFile, now });
    if (options["json"] === true) printJson(rotated);
    else for (const line of rotatedLines(rotated, now)) tell(escapeText(line));
  });
}

/** What was begun and what it means, a sentence each. */
export function rotatedLines({ without, away }: Rotated, now: boolean): string[] {
  const lines = [
    without.length === 0
      ? "The network secret is rotated; no other live node needs the new one"
      : `Sending the new network secret to ${without.join(", ")}; it takes effect once they have it`,
    "Existing tokens are no longer valid; issue new ones (ovltun token)",
  ];
  if (away.length > 0) {
    lines.push(
      now
        ? `Away, and will need a new token to come back: ${away.join(", ")}`
        : `Away: ${away.join(", ")}; they get it when they come back within 7 days; after that they need a ` +
          "token",
    );
  }
  return lines;
}
