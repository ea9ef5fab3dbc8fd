/** `ovltun down`: stops the daemon of a run directory, or cleans up what a crash left; `--purge` leaves no trace. */
import type { Command } from "commander";
import { addSettings, placesOf } from "./options.ts";
import { tell } from "./output.ts";

export function registerDown(program: Command): void {
  const command = program.command("down")
    .description("stop the daemon, or clean up after a crash")
    .option("--purge", "also give the lease back and remove every trace on this host");
  addSettings(command, ["run-dir", "state-dir", "device", "subnet-file", "config"])
    .action(async (options: Record<string, unknown>) => {
      const { down } = await import("../daemon/down.ts");
      for (const line of await down({ ...placesOf(options), purge: options["purge"] === true })) tell(line);
    });
}
