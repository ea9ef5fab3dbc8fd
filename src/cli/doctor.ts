/** `ovltun doctor`: what of this host helps or hinders a mesh, and what to do. Exit code 1 when a node could not run. */
import type { Command } from "commander";
import { hostname } from "node:os";
import { loadConfig } from "../config/load.ts";
import type { Finding } from "../commands/doctor.ts";
import { escapeText, type Screen } from "../text/escape.ts";
import { bold, wrap } from "../text/columns.ts";
import { addSettings, sourcesOf } from "./options.ts";
import { Exit, print, printJson, screen } from "./output.ts";

const INDENT = " ".repeat(6);

export function registerDoctor(program: Command): void {
  const command = program.command("doctor")
    .description("check this host, and say what to do")
    .option("--json", "print JSON");
  addSettings(command, ["run-dir", "config", "port", "device", "network", "network6"])
    .action(async (options: Record<string, unknown>) => {
      const { doctor } = await import("../commands/doctor.ts");
      const { systemMachine } = await import("../machine/machine.ts");
      const { config } = loadConfig({ ...sourcesOf(options), hostName: hostname() });
      const findings = await doctor(systemMachine, config);
      if (options["json"] === true) printJson(findings);
      else print(doctorPage(findings, screen()));
      if (findings.some(({ verdict }) => verdict === "fail")) throw new Exit(1);
    });
}

/** The page for people: what is well comes last, in one line each. */
export function doctorPage(findings: readonly Finding[], screen: Screen): string {
  const order = ["fail", "warn", "note", "ok"] as const;
  return order.flatMap((verdict) => findings.filter((one) => one.verdict === verdict)).flatMap(
    ({ check, verdict, evidence, remedy }) => {
      const line = wrap(escapeText(`${verdict.padEnd(4)}  ${check}: ${evidence}`), screen.width, INDENT);
      // A command is copied: it is not wrapped.
      return remedy === null ? [line] : [line, INDENT + bold(escapeText(remedy), screen.colours)];
    },
  ).join("\n");
}
