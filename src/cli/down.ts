/** `ovltun down`: stops the daemon of a run directory, or cleans up what a crash left; `--purge` leaves no trace. */
import type { Command } from "commander";
import { addSettings, placesOf } from "./options.ts";
import { Exit, tell } from "./output.ts";

export function registerDown(program: Command): void {
  const command = program.command("down")
    .description("stop the daemon and clean up, also after a crash; the node keeps its lease")
    .option(
      "--purge",
      "also release the lease and remove everything from this host, the identity included",
    );
  addSettings(command, ["run-dir", "state-dir", "device", "subnet-file", "config"])
    .action(async (options: Record<string, unknown>) => {
      const { down } = await import("../commands/down.ts");
      const { systemMachine } = await import("../machine/machine.ts");
      const purge = options["purge"] === true;
      const { lines, foreign } = await down(systemMachine, { ...placesOf(options), purge });
      for (const line of lines) tell(line);
      if (foreign) throw new Exit(1);
    });
}
