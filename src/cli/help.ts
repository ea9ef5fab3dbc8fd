/** `ovltun help [COMMAND]`: the same pages as `--help`. */
import type { Command } from "commander";
import { ConfigError } from "../config/config.ts";
import { suggest } from "../config/suggest.ts";
import { printRaw } from "./output.ts";

export function registerHelp(program: Command): void {
  program.command("help").description("show help for a command").argument("[COMMAND]")
    .action((name: string | undefined) => {
      if (name === undefined) return printRaw(program.helpInformation());
      const command = program.commands.find((one) => one.name() === name);
      if (command !== undefined) return command.outputHelp();
      const near = suggest(name, program.commands.map((one) => one.name()));
      const advice = near === null ? "see: ovltun help" : `did you mean ${near}?`;
      throw new ConfigError("command", `Unknown command ${JSON.stringify(name)} (${advice})`);
    });
}
