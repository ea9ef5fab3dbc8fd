/** `ovltun up`: the configuration from flags, environment and files, then the daemon in the foreground. */
import type { Command } from "commander";
import { runUp } from "./run_up.ts";
import { addSettings } from "./options.ts";

const EXAMPLES = `
Examples:
  ovltun up                                 found a sealed mesh
  ovltun token | ssh root@HOST ovltun join  let another host join it
  ovltun up --plain --peers 192.168.1.10    join a plain mesh, on a network you trust

A static peer is SUBNET=IP[:PORT],backend=vxlan|udp[,mac=MAC][,vni=N], e.g.
  --static-peer 10.42.3.0/24=192.168.1.12,backend=vxlan,mac=02:00:00:00:00:03

Values in parentheses are defaults. Every flag is also an environment variable
(--subnet-len: OVLTUN_SUBNET_LEN) and a key in the --config file; flags override
the environment, which overrides the file.`;

export function registerUp(program: Command): void {
  const command = program.command("up").description(
    "join or found the mesh and run in the foreground until stopped; needs root",
  );
  addSettings(command).addHelpText("after", EXAMPLES).action(async (options: Record<string, unknown>) => {
    await runUp(options, null);
  });
}
