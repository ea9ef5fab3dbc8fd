/**
 * The command that starts this very program again: the compiled binary alone, or a runtime with main.ts.
 * It works from any working directory: the runtime finds deno.json and package.json beside main.ts.
 */
import { runtimeName } from "#ffi";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** How each runtime is told to run main.ts. */
const RUN: Readonly<Record<string, readonly string[]>> = {
  deno: ["run", "-A"],
  bun: [],
};

/** True in a program made by `bun build --compile` or `deno compile`. */
function isCompiled(): boolean {
  const deno = (globalThis as { Deno?: { build: { standalone?: boolean } } }).Deno;
  return deno?.build.standalone === true || import.meta.url.includes("/$bunfs/");
}

/** Program and leading arguments; append an ovltun command. */
export function selfCommand(): string[] {
  if (isCompiled()) return [process.execPath];
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  return [process.execPath, ...RUN[runtimeName] ?? [], main];
}
