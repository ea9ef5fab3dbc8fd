/** `ovltun lab-guard`, hidden: ends the paused hosts of a lab that is gone. */
import process from "node:process";
import type { Command } from "commander";

export function registerLabGuard(program: Command): void {
  program.command("lab-guard", { hidden: true }).action(labGuard);
}

async function labGuard(): Promise<void> {
  const { guard } = await import("../lab/chaos/guard.ts");
  await guard(process.stdin.setEncoding("utf8") as AsyncIterable<string>);
}
