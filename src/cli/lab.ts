/** `ovltun lab`: a mesh of N hosts on this machine, measured and cleaned up; the work is in lab/. */
import { type Command, Option } from "commander";
import { type Backend, BACKENDS } from "../config/config.ts";
import { ConfigError } from "../config/config_error.ts";
import { integerParser } from "./options.ts";
import { Exit } from "./output.ts";

const MAX_HOSTS = 250; // as lab/topology.ts, which loads only when it runs
const MAX_SECONDS = 3600;

export function registerLab(program: Command): void {
  program.command("lab")
    .description("a mesh of N hosts on this machine: start, ping, measure, clean up")
    .addOption(new Option("--hosts <N>", "how many (3)").argParser(integerParser(2, MAX_HOSTS)).default(3))
    .addOption(new Option("--backend <BACKEND>", "how packets travel").choices(BACKENDS).default("udp"))
    .addOption(
      new Option("--secret <HOW>", "encryption; not built yet").choices(["auto", "none"]).default("none"),
    )
    .addOption(
      new Option("--seconds <N>", "of throughput measurement, 0 for none (3)").argParser(
        integerParser(0, MAX_SECONDS),
      )
        .default(3),
    )
    .option("--keep", "leave the hosts running afterwards")
    .option("--json", "print JSON")
    .action(lab);
}

interface LabFlags {
  readonly hosts: number;
  readonly backend: Backend;
  readonly secret: "auto" | "none";
  readonly seconds: number;
  readonly keep?: boolean;
  readonly json?: boolean;
}

async function lab(flags: LabFlags): Promise<void> {
  if (flags.secret === "auto") {
    throw new ConfigError(
      "secret",
      "Encryption is not built yet: --secret auto will come, --secret none is what works",
    );
  }
  const { runLab } = await import("../lab/lab.ts");
  throw new Exit(
    await runLab({
      hosts: flags.hosts,
      backend: flags.backend,
      seconds: flags.seconds,
      keep: flags.keep === true,
      json: flags.json === true,
    }),
  );
}
