/**
 * The lab's daemons: this very program once in each namespace, `ovltun up`, each with state and run
 * directories of its own. Every daemon holds one end of a pipe as its stdin and exits when it ends, so that
 * none outlives the lab, also when that is killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { selfCommand } from "../sys/self_command.ts";
import type { LabHost } from "./topology.ts";

const NETWORK = "10.42.0.0/16";
const POLL_MS = 40;
const STOP_MS = 4000;
/** What is kept of a daemon's log for a failed start. */
const LOG_LINES = 20;

export interface LabDaemon {
  readonly host: LabHost;
  readonly runDir: string;
  readonly pid: number;
  /** Its last log lines. */
  readonly log: () => string;
  /** Null while it runs; else how it ended. */
  readonly ended: () => string | null;
  /** Asks it to end, and kills it when it does not. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash does (`SIGKILL`), or stops and continues it. */
  signal(name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
}

/** A host that did not come up, or not in time: the message holds its last log lines. */
export class LabError extends Error {
  constructor(message: string, daemon?: LabDaemon) {
    const log = daemon?.log() ?? "";
    super(log === "" ? message : `${message}\n${log.replace(/^/gm, `  ${daemon!.host.name}: `)}`);
    this.name = "LabError";
  }
}

/** What the daemons of one mesh have in common. */
export interface LabMesh {
  readonly backend: string;
  /** Where the network secret lies; null: a plain mesh. */
  readonly secretFile: string | null;
  /** The lab's own directory. */
  readonly folder: string;
}

/** How one daemon is started. */
export interface LabStart {
  /** Underlay addresses to join; none: it founds the mesh, or goes on with its own. */
  readonly peers: readonly string[];
  /** Further flags of `up`. */
  readonly flags?: readonly string[];
  /** It is one of many: what its runtime compiles for a long life only keeps the others from running. */
  readonly oneOfMany?: boolean;
  /** Its whole log goes there; else the last lines are kept in memory. */
  readonly logFile?: string;
}

/** The flags of a host that founds the lab's mesh. */
export const FOUNDING = ["--network", NETWORK] as const;
/** The same, of a mesh of both families. */
export const FOUNDING_BOTH = [...FOUNDING, "--network6", "auto"] as const;

/** Starts the daemon of a host. */
export function startDaemon(
  host: LabHost,
  mesh: LabMesh,
  { peers, flags = [], logFile, oneOfMany }: LabStart,
): LabDaemon {
  const { backend, secretFile, folder } = mesh;
  const runDir = join(folder, host.name, "run");
  const [program, ...leading] = selfCommand();
  const args = [...leading, "up", "--name", host.name, "--backend", backend];
  args.push(...secretFile === null ? ["--plain"] : ["--secret-file", secretFile]);
  // Nothing of host-gw is sealed: a lab with this backend allows that.
  if (secretFile !== null && backend === "host-gw") args.push("--allow-plain-direct");
  if (peers.length > 0) args.push("--peers", peers.join(","));
  args.push(...flags, "--run-dir", runDir, "--state-dir", stateDirOf(mesh, host));
  const child = host.inside(() =>
    spawn(program!, args, {
      stdio: ["pipe", "ignore", "pipe"],
      env: daemonEnvironment(oneOfMany === true),
      cwd: folder,
    })
  );
  const lines: string[] = [];
  let ended: string | null = null;
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    if (logFile !== undefined) appendFileSync(logFile, text);
    lines.push(...text.split("\n").filter(Boolean));
    lines.splice(0, lines.length - LOG_LINES);
  });
  child.on("error", (error) => ended ??= error.message);
  child.on("exit", (code, signal) => ended ??= signal === null ? `exit code ${code}` : `signal ${signal}`);
  child.stdin!.on("error", () => {});
  return {
    host,
    runDir,
    pid: child.pid ?? 0,
    log: () => lines.join("\n"),
    ended: () => ended,
    stop: () => stopChild(child, () => ended !== null),
    signal: (name) => signalChild(child, () => ended !== null, name),
  };
}

/** Where the daemon of a host keeps its state. */
export function stateDirOf({ folder }: LabMesh, host: LabHost): string {
  return join(folder, host.name, "state");
}

/** The lab's hosts inherit none of the user's settings. */
function daemonEnvironment(oneOfMany: boolean): Record<string, string> {
  const environment: Record<string, string> = { OVLTUN_EXIT_WITH_STDIN: "1" };
  // Bun's optimizing compilers: with 30 hosts on two processors they take a third of these until the mesh is whole.
  if (oneOfMany) environment["BUN_JSC_useDFGJIT"] = "false";
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !name.startsWith("OVLTUN_") && name !== "NOTIFY_SOCKET") {
      environment[name] = value;
    }
  }
  return environment;
}

async function stopChild(child: ChildProcess, gone: () => boolean): Promise<void> {
  child.stdin?.end();
  signalChild(child, gone, "SIGTERM");
  for (let waited = 0; waited < STOP_MS && !gone(); waited += POLL_MS) await sleep(POLL_MS);
  signalChild(child, gone, "SIGKILL");
}

/** Not by `child.kill`: Deno's sends one signal in the life of a child, and no other after it. */
function signalChild({ pid }: ChildProcess, gone: () => boolean, name: NodeJS.Signals): void {
  if (pid === undefined || gone()) return;
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as { code?: string }).code !== "ESRCH") throw error; // it has just ended
  }
}
