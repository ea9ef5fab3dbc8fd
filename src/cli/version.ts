/** `ovltun version`: what this program is. */
import type { Command } from "commander";
import process from "node:process";
import { RUNTIME, VERSION } from "../version.ts";
import { print, printJson } from "./output.ts";

export function registerVersion(program: Command): void {
  program.command("version").description("show the version").option("--json", "print JSON")
    .action((options: { readonly json?: boolean }) => {
      if (options.json === true) printJson(versionFacts());
      else print(versionLine());
    });
}

function versionFacts() {
  const runtimeVersion = (process.versions as Record<string, string | undefined>)[RUNTIME] ?? "";
  return {
    version: VERSION,
    runtime: RUNTIME,
    runtimeVersion,
    platform: `${process.platform}-${process.arch}`,
  };
}

/** "ovltun 0.1.0 (bun 1.4.5, linux-x64)". */
export function versionLine(): string {
  const facts = versionFacts();
  return `ovltun ${facts.version} (${facts.runtime} ${facts.runtimeVersion}, ${facts.platform})`;
}
