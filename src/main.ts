/** The program's entry: argv to a command of cli/, its exit code to the shell. */
import process from "node:process";
import { runCli } from "./cli/cli.ts";

process.exit(await runCli(process.argv.slice(2)));
