/** `ovltun lab`: a mesh of N hosts on this machine, measured and cleaned up; the work is in lab/. */
import { type Command, Option } from "commander";
import { BACKENDS } from "../wire/backend.ts";
import { integerParser } from "./options.ts";
import { Exit } from "./output.ts";

const MAX_HOSTS = 250; // as lab/topology.ts, which loads only when it runs
const MAX_SECONDS = 3600;

export function registerLab(program: Command): void {
  program.command("lab")
    .description(
      "run a mesh of N hosts on this machine, in network namespaces: ping every pair, measure, clean up; " +
        "needs root",
    )
    .addOption(
      new Option("--hosts <N>", "number of hosts (3)").argParser(integerParser(2, MAX_HOSTS)).default(3),
    )
    .addOption(
      new Option(`--backend <${BACKENDS.join("|")}>`, "transport between hosts (udp)").choices(
        BACKENDS,
      ).default("udp"),
    )
    .addOption(
      new Option("--secret <auto|none>", "auto: sealed with a new secret, none: plain (auto)").choices([
        "auto",
        "none",
      ])
        .default("auto"),
    )
    .option("--plain", "the same as --secret none")
    .addOption(
      new Option("--seconds <N>", "seconds to measure throughput for, 0 to skip (3)").argParser(
        integerParser(0, MAX_SECONDS),
      )
        .default(3),
    )
    .option("--keep", "keep the mesh running afterwards, until Ctrl-C")
    .option("--json", "print the report as JSON")
    .action(lab);
}

interface LabFlags {
  readonly hosts: number;
  readonly backend: typeof BACKENDS[number];
  readonly secret: "auto" | "none";
  readonly plain?: boolean;
  readonly seconds: number;
  readonly keep?: boolean;
  readonly json?: boolean;
}

async function lab(flags: LabFlags): Promise<void> {
  const { runLab } = await import("../lab/lab.ts");
  throw new Exit(
    await runLab({
      hosts: flags.hosts,
      backend: flags.backend,
      sealed: flags.secret === "auto" && flags.plain !== true,
      seconds: flags.seconds,
      keep: flags.keep === true,
      json: flags.json === true,
    }),
  );
}
