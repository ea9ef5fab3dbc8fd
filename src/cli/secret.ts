/** `ovltun secret new`: a fresh network secret on stdout, and on stderr what to do with it. */
import type { Command } from "commander";
import { ConfigError } from "../config/config_error.ts";
import { NetworkSecret } from "../crypto/network_secret.ts";
import { print, tell } from "./output.ts";

const ADVICE = `This is a new network secret; no mesh uses it yet. Keep it where only root reads it:
  (umask 077; ovltun secret new > /etc/ovltun.secret)
and start every host with --secret-file /etc/ovltun.secret. A mesh that founds
without one makes its own: then ovltun token is all that other hosts need.`;

export function registerSecret(program: Command): void {
  const command = program.command("secret").description("make a network secret");
  command.command("new").description("print a fresh network secret").action(() => {
    const secret = NetworkSecret.create();
    print(secret.text());
    secret.wipe();
    tell(ADVICE);
  });
  command.command("rotate", { hidden: true }).allowUnknownOption().helpOption(false).action(() => {
    throw new ConfigError(
      "command",
      "ovltun secret rotate is not built yet (docs/security.md: Changing the secret)",
    );
  });
}
