/** `ovltun up`: the configuration from flags, environment and files, then the daemon in the foreground. */
import type { Command } from "commander";
import { hostname } from "node:os";
import { loadConfig } from "../config/load.ts";
import { configureLog, logger } from "../daemon/log.ts";
import { addSettings, sourcesOf } from "./options.ts";
import { Exit } from "./output.ts";

const EXAMPLES = `
Examples:
  ovltun up --plain                           found a mesh, on a network you trust
  ovltun up --plain --peers 192.168.1.10      join the mesh of that host

A static peer is SUBNET=IP[:PORT],backend=vxlan|udp[,mac=MAC][,vni=N], for instance
  --static-peer 10.42.3.0/24=192.168.1.12,backend=vxlan,mac=02:00:00:00:00:03

A value in parentheses is the default. Every flag is also an environment variable
(--subnet-len: OVLTUN_SUBNET_LEN) and a key of the --config file; flags beat the
environment, the environment beats the file.`;

export function registerUp(program: Command): void {
  const command = program.command("up").description(
    "join or found the mesh and run in the foreground until stopped; needs root",
  );
  addSettings(command).addHelpText("after", EXAMPLES).action(async (options: Record<string, unknown>) => {
    const { config, warnings } = loadConfig({ ...sourcesOf(options), hostName: hostname() });
    configureLog(config.logLevel, config.logFormat);
    for (const warning of warnings) logger.warn(warning);
    const { runDaemon } = await import("../daemon/daemon.ts");
    throw new Exit(await runDaemon(config, config.plain ? null : (await import("../daemon/trial.ts")).trialParts()));
  });
}
