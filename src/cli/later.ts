/** Commands of the contract that this version does not have: they say so, instead of "unknown command". */
import type { Command } from "commander";
import { ConfigError } from "../config/config_error.ts";

const LATER = [
  "doctor",
  "install",
  "uninstall",
  "reserve",
  "completion",
  "docker-opts",
  "docker-network",
  "cni",
  "capture",
];

export function registerLater(program: Command): void {
  for (const name of LATER) {
    program.command(name, { hidden: true }).argument("[ARGUMENTS...]").allowUnknownOption().helpOption(false)
      .action(() => {
        throw new ConfigError("command", `ovltun ${name} is not built yet (see: ovltun help)`);
      });
  }
}
