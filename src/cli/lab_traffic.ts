/** `ovltun lab-traffic`, hidden: one end of the lab's throughput measurement, in a process of its own. */
import type { Command } from "commander";
import { ConfigError } from "../config/config.ts";

export function registerLabTraffic(program: Command): void {
  program.command("lab-traffic <ROLE> <ENDPOINT> [SECONDS]", { hidden: true }).action(labTraffic);
}

async function labTraffic(role: string, endpoint: string, seconds?: string): Promise<void> {
  const { sendTraffic, serveTraffic } = await import("../lab/traffic.ts");
  if (role === "serve") await serveTraffic(endpoint);
  else if (role === "send" && Number(seconds) > 0) sendTraffic(endpoint, Number(seconds));
  else throw new ConfigError("lab-traffic", "Use lab-traffic serve ENDPOINT, or send ENDPOINT SECONDS");
}
