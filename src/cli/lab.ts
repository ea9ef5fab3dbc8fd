/** `ovltun lab`: a mesh of N hosts on this machine, measured and cleaned up; the work is in lab/. */
import { randomInt } from "node:crypto";
import { type Command, Option } from "commander";
import { ConfigError } from "../config/config.ts";
import { BACKENDS } from "../wire/backend.ts";
import { integerParser } from "./options.ts";
import { Exit } from "./output.ts";

const MAX_HOSTS = 250; // as lab/topology.ts, which loads only when it runs
const MAX_SECONDS = 3600;
const MAX_SEED = 0xffff_ffff;
/** One that a person can type again. */
const MAX_DRAWN_SEED = 10_000;
const HOSTS = 3;
const CHAOS_HOSTS = 8;

export function registerLab(program: Command): void {
  program.command("lab")
    .description(
      "run a mesh of N hosts on this machine, in network namespaces: ping every pair, measure, clean up; " +
        "needs root",
    )
    .addOption(
      new Option("--hosts <N>", "number of hosts (3; with --chaos 8)").argParser(integerParser(2, MAX_HOSTS)),
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
    .option("--ipv6", "of both families, each pinged, with an IPv6 underlay besides")
    .addOption(
      new Option("--seconds <N>", "seconds to measure throughput for, 0 to skip (3)").argParser(
        integerParser(0, MAX_SECONDS),
      )
        .default(3),
    )
    .addOption(
      new Option(
        "--chaos <SECONDS>",
        "instead of measuring, split the network, kill, pause and restart hosts for so long, and check what ovltun promises",
      ).argParser(integerParser(1, MAX_SECONDS)),
    )
    .addOption(
      new Option("--seed <N>", "what happens with --chaos; the same seed, the same events (random)")
        .argParser(
          integerParser(0, MAX_SEED),
        ),
    )
    .option("--keep", "keep the mesh running afterwards, until Ctrl-C")
    .option("--json", "print the report as JSON")
    .action(lab);
}

interface LabFlags {
  readonly hosts?: number;
  readonly backend: typeof BACKENDS[number];
  readonly secret: "auto" | "none";
  readonly plain?: boolean;
  readonly ipv6?: boolean;
  readonly seconds: number;
  readonly chaos?: number;
  readonly seed?: number;
  readonly keep?: boolean;
  readonly json?: boolean;
}

async function lab(flags: LabFlags): Promise<void> {
  const sealed = flags.secret === "auto" && flags.plain !== true;
  const { backend } = flags;
  const json = flags.json === true;
  if (flags.chaos !== undefined) {
    if (flags.keep === true) {
      throw new ConfigError(
        "keep",
        "--keep goes without --chaos, which keeps logs and state when something is wrong",
      );
    }
    if (flags.ipv6 === true) throw new ConfigError("ipv6", "--ipv6 goes without --chaos, which watches IPv4");
    const { runChaos } = await import("../lab/chaos/chaos.ts");
    const seed = flags.seed ?? randomInt(MAX_DRAWN_SEED);
    const hosts = flags.hosts ?? CHAOS_HOSTS;
    throw new Exit(await runChaos({ hosts, backend, sealed, chaosSeconds: flags.chaos, seed, json }));
  }
  if (flags.seed !== undefined) throw new ConfigError("seed", "--seed is for --chaos SECONDS");
  const { runLab } = await import("../lab/lab.ts");
  const hosts = flags.hosts ?? HOSTS;
  throw new Exit(
    await runLab({
      hosts,
      backend,
      sealed,
      ipv6: flags.ipv6 === true,
      seconds: flags.seconds,
      keep: flags.keep === true,
      json,
    }),
  );
}
