/**
 * Two hosts on this machine: network namespaces joined by a veth pair of MTU 1500, without a way out, so that no
 * traffic leaves them. Every process in them is ended by its id, the namespaces are deleted, also on Ctrl-C;
 * what a killed run left behind goes when the next one starts.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const LOG_LINES = 20;
const TERM_MS = 2000;
const POLL_MS = 50;
const OUTPUT_BYTES = 64 << 20;
const NAMESPACE = /^ovb(\d+)[ab]$/;
const FOLDER = /^ovltun-bench-(\d+)-/;

export interface Running {
  readonly pid: number;
  /** Null while it runs; else how it ended. */
  readonly ended: () => string | null;
  /** Its last lines on both streams. */
  readonly log: () => string;
  /** Settles when it has ended and everything it printed was read. */
  readonly closed: Promise<void>;
}

/** What is wanted of the programs that stay. */
export interface Watch {
  /** Beside the usual environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Called for every line that one of them prints. */
  readonly onLine: (pid: number, line: string) => void;
}

/** One end of the comparison. */
export class Host {
  readonly name: "a" | "b";
  readonly namespace: string;
  /** Its address on the veth. */
  readonly underlay: string;
  /** Its address in the tunnel, for those whose addresses we choose. */
  readonly overlay: string;
  readonly #children: ChildProcess[] = [];
  readonly #watch: Watch | null;

  constructor(name: "a" | "b", watch: Watch | null) {
    this.name = name;
    this.#watch = watch;
    this.namespace = `ovb${process.pid}${name}`;
    this.underlay = name === "a" ? "10.99.0.1" : "10.99.0.2";
    this.overlay = name === "a" ? "10.42.0.1" : "10.42.0.2";
  }

  /** Runs a program in the host and returns its stdout. Throws when it fails or takes longer than `timeoutMs`. */
  async run(timeoutMs: number, ...command: string[]): Promise<string> {
    const args = ["netns", "exec", this.namespace, ...command];
    const pending = run("ip", args, {
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      maxBuffer: OUTPUT_BYTES,
      env: environment(),
    });
    this.#keep(pending.child);
    return (await pending).stdout;
  }

  /** `ip …` in the host. */
  async ip(line: string): Promise<void> {
    await this.run(5000, "ip", ...line.split(" "));
  }

  /** Starts a program that stays: its id is that of `ip netns exec`, which becomes the program. */
  start(...command: string[]): Running {
    const args = ["netns", "exec", this.namespace, ...command];
    const env = { ...environment(), ...this.#watch?.environment };
    const child = spawn("ip", args, { stdio: ["ignore", "pipe", "pipe"], env });
    this.#keep(child);
    const lines: string[] = [];
    let ended: string | null = null;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        if (line !== "") lines.push(line);
        lines.splice(0, lines.length - LOG_LINES);
        this.#watch?.onLine(child.pid ?? 0, line);
      });
    }
    child.on("error", (error) => ended ??= error.message);
    child.on("exit", (code, signal) => ended ??= signal ?? `exit code ${code}`);
    return {
      pid: child.pid ?? 0,
      ended: () => ended,
      log: () => lines.join("\n"),
      closed: new Promise((resolve) => child.on("close", () => resolve())),
    };
  }

  #keep(child: ChildProcess): void {
    this.#children.push(child);
    child.on("exit", () => this.#children.splice(this.#children.indexOf(child), 1));
  }

  async close(): Promise<void> {
    const left = () => this.#children.filter((child) => child.exitCode === null && child.signalCode === null);
    for (const child of left()) child.kill("SIGTERM");
    for (let waited = 0; waited < TERM_MS && left().length > 0; waited += POLL_MS) await sleep(POLL_MS);
    for (const child of left()) child.kill("SIGKILL");
    deleteNamespace(this.namespace);
  }
}

export class Pair {
  readonly a: Host;
  readonly b: Host;
  /** For keys and configurations; deleted with the pair. */
  readonly folder = mkdtempSync(join(tmpdir(), `ovltun-bench-${process.pid}-`));
  #closing: Promise<void> | null = null;

  constructor(watch: Watch | null = null) {
    this.a = new Host("a", watch);
    this.b = new Host("b", watch);
  }

  get hosts(): readonly [Host, Host] {
    return [this.a, this.b];
  }

  /** Throws when the namespaces or the veth cannot be made. */
  async open(): Promise<void> {
    for (const { namespace } of this.hosts) await run("ip", ["netns", "add", namespace]);
    const veth =
      `link add veth0 netns ${this.a.namespace} type veth peer name veth0 netns ${this.b.namespace}`;
    await run("ip", veth.split(" "));
    for (const host of this.hosts) {
      await host.ip("link set lo up");
      await host.ip(`addr add ${host.underlay}/24 dev veth0`);
      await host.ip("link set veth0 mtu 1500 up");
    }
  }

  close(): Promise<void> {
    return this.#closing ??= Promise.all(this.hosts.map((host) => host.close()))
      .then(() => rmSync(this.folder, { recursive: true, force: true }));
  }
}

/** Removes what runs left behind whose process is gone. */
export function sweep(): void {
  const isLeft = (name: string, pattern: RegExp) => {
    const owner = pattern.exec(name)?.[1];
    return owner !== undefined && !existsSync(`/proc/${owner}`);
  };
  const listed = execFileSync("ip", ["netns", "list"], { encoding: "utf8" }).split("\n");
  const names = listed.map((line) => line.split(" ")[0]!);
  for (const name of names) if (isLeft(name, NAMESPACE)) deleteNamespace(name);
  for (const name of readdirSync(tmpdir())) {
    if (isLeft(name, FOLDER)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** Deletes it with the processes that are still in it. */
function deleteNamespace(name: string): void {
  try {
    const pids = execFileSync("ip", ["netns", "pids", name], { encoding: "utf8", stdio: "pipe" });
    for (const pid of pids.split("\n").filter(Boolean)) process.kill(Number(pid), "SIGKILL");
    execFileSync("ip", ["netns", "del", name], { stdio: "pipe" });
  } catch {
    // It was never made, or a process ended before we could end it: the next run sweeps.
  }
}

/** The measured programs take nothing from the settings of whoever runs them. */
function environment(): Record<string, string> {
  const kept = Object.entries(process.env)
    .filter(([name, value]) =>
      value !== undefined && !name.startsWith("OVLTUN_") && name !== "NOTIFY_SOCKET"
    );
  return { ...Object.fromEntries(kept) as Record<string, string>, LC_ALL: "C" };
}
