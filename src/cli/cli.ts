/**
 * The command line as a whole: builds the commands, runs one, and turns whatever happens into an exit code — 0 done,
 * 1 failed, 2 wrong usage or configuration — with one sentence on stderr and never a stack trace for a user's mistake.
 */
import { dirname } from "node:path";
import { Command, CommanderError } from "commander";
import { NoDaemonError } from "../api/client.ts";
import { ConfigError, USAGE_EXIT_CODE } from "../config/config.ts";
import { escapeText } from "../text/escape.ts";
import { refuseSecretArguments } from "../config/security.ts";
import { registerDoctor } from "./doctor.ts";
import { registerDown } from "./down.ts";
import { registerEvents } from "./events.ts";
import { registerForget } from "./forget.ts";
import { registerHelp } from "./help.ts";
import { registerJoin } from "./join.ts";
import { registerLab } from "./lab.ts";
import { registerLabGuard } from "./lab_guard.ts";
import { registerLabTraffic } from "./lab_traffic.ts";
import { registerLeases } from "./leases.ts";
import { Exit, printRaw, tell, tellRaw } from "./output.ts";
import { registerPeers } from "./peers.ts";
import { registerPing } from "./ping.ts";
import { registerReserve } from "./reserve.ts";
import { registerRoutes } from "./routes.ts";
import { registerSecret } from "./secret.ts";
import { registerStatus } from "./status.ts";
import { registerToken } from "./token.ts";
import { registerUp } from "./up.ts";
import { registerVersion, versionLine } from "./version.ts";
import { registerWait } from "./wait.ts";
import { registerWhy } from "./why.ts";

const FIRST_STEPS = `
First steps, as root:
  ovltun lab                                  see a mesh work on this machine
  ovltun up                                   found a mesh, sealed
  ovltun token | ssh root@HOST ovltun join    let another host join it
  ovltun status                               check the result

Run ovltun COMMAND --help for details; values in parentheses are defaults.
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`;

/** Runs `argv` (without the program's own name) and gives the exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const program = buildProgram();
  try {
    refuseSecretArguments(argv);
    await program.parseAsync(argv, { from: "user" });
    return 0;
  } catch (error) {
    if (isMisuse(error)) tell(whereToRead(program, argv));
    return exitCodeOf(error instanceof NoDaemonError ? await withoutSocket(error) : error);
  }
}

/** The help page itself, of "ovltun" alone, is a CommanderError as well. */
function isMisuse(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode !== 0 && !error.code.startsWith("commander.help");
}

/** The help that a misused command line needs: of its command, or the list of commands. */
function whereToRead(program: Command, argv: readonly string[]): string {
  const command = program.commands.find((one) => one.name() === argv[0]);
  return command === undefined ? "(see: ovltun help)" : `(see: ovltun ${command.name()} --help)`;
}

/** "Start one" is the wrong advice if a daemon is alive and only its socket was removed. */
async function withoutSocket(error: NoDaemonError): Promise<Error> {
  const { isServedRunDir } = await import("../daemon/state/run_dir.ts");
  const { systemLocks } = await import("../machine/locks.ts");
  if (!isServedRunDir(systemLocks, dirname(error.path))) return error;
  const socket = JSON.stringify(error.path);
  return new Error(
    `A daemon is running, but its socket ${socket} is gone (was the directory emptied?). It is recreated ` +
      "within a second: try again",
    { cause: error },
  );
}

function buildProgram(): Command {
  const program = new Command("ovltun");
  program.exitOverride()
    .configureOutput({ writeOut: printRaw, writeErr: tellRaw, outputError: tellUsage })
    .description("One flat network for containers and services across hosts: a mesh without a server")
    .version(versionLine(), "-V, --version", "show the version")
    .helpOption("-h, --help", "show this help")
    // Defaults stand in the descriptions, in parentheses.
    .configureHelp({ optionDescription: (option) => option.description })
    .addHelpText("after", FIRST_STEPS)
    .helpCommand(false)
    .showSuggestionAfterError(true);
  program.commandsGroup("Run:");
  registerUp(program);
  registerJoin(program);
  registerDown(program);
  registerWait(program);
  program.commandsGroup("Membership:");
  registerToken(program);
  registerSecret(program);
  registerForget(program);
  registerReserve(program);
  program.commandsGroup("Inspect:");
  registerStatus(program);
  registerPeers(program);
  registerLeases(program);
  registerRoutes(program);
  registerWhy(program);
  registerPing(program);
  registerDoctor(program);
  registerEvents(program);
  program.commandsGroup("Other:");
  registerLab(program);
  registerLabTraffic(program);
  registerLabGuard(program);
  registerVersion(program);
  registerHelp(program);
  return program;
}

/** commander's "error: unknown option '--peer'" in our own grammar, "Unknown option "--peer"". */
function tellUsage(text: string): void {
  const sentence = text.replace(/^error: /, "").replaceAll("'", '"').trimEnd().replace(/\.$/, "");
  tell(escapeLines(sentence.charAt(0).toUpperCase() + sentence.slice(1)));
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Exit) return error.exitCode;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT_CODE;
  if (error instanceof ConfigError) {
    tell(escapeLines(error.message));
    return error.exitCode;
  }
  if (error instanceof Error) {
    const defect = error instanceof TypeError || error instanceof RangeError ||
      error instanceof ReferenceError;
    tell(escapeLines(defect ? `Internal error: ${error.stack ?? error.message}` : error.message));
    return 1;
  }
  tell(escapeLines(String(error)));
  return 1;
}

function escapeLines(text: string): string {
  return text.split("\n").map(escapeText).join("\n");
}
