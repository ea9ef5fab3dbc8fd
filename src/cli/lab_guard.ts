/** `ovltun lab-guard`, hidden: ends the paused hosts of a lab that is gone. */
import process from "node:process";
import type { Command } from "commander";

/** Ctrl-C reaches the whole terminal, and the lab's hosts are to end before their guard. */
const IGNORED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export function registerLabGuard(program: Command): void {
  program.command("lab-guard", { hidden: true }).action(labGuard);
}

async function labGuard(): Promise<void> {
  const { guard } = await import("../lab/chaos/guard.ts");
  for (const signal of IGNORED) process.on(signal, () => {});
  await guard(process.stdin.setEncoding("utf8") as AsyncIterable<string>);
}
