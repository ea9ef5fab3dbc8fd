/** One host of the live tests and the daemons on it: started as a person would, looked at from outside. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { callApi } from "../../src/api/client.ts";
import type { PeerStatus, Status } from "../../src/api/schema.ts";
import type { LabHost } from "../../src/lab/topology.ts";

export const TOP = fileURLToPath(new URL("../..", import.meta.url));
const LOG_LINES = 40;
/**
 * What a wait gets beyond the time that it takes on a machine of our own. A wait ends when what it waits for holds, so
 * this costs nothing there, and a slow or busy machine fails no test.
 */
const SLACK_MS = 60_000;
/** How long an answer to a ping may take. */
const ANSWER_MS = 5000;

/** ADDRESS COUNT PAUSE PATIENCE: echoes, and which were answered. An ICMP error for one of them ends the wait for it. */
const ECHOES = String
  .raw`use Time::HiRes "time"; $| = 1; my ($to, $count, $pause, $patience) = @ARGV; my (%open, %got);
  socket(S, AF_INET, SOCK_RAW, 1) or die "socket: $!"; my $id = $$ & 0xffff; my $at = pack_sockaddr_in(0, inet_aton($to));
  sub sum { my $n = 0; $n += $_ for unpack("n*", $_[0]); $n = ($n >> 16) + ($n & 0xffff) for 1, 2; ~$n & 0xffff }
  sub take { my $end = shift; for (;;) { return if $_[0]->(); my $left = $end - time; return if $left <= 0;
    my $r = ""; vec($r, fileno S, 1) = 1; next unless select($r, undef, undef, $left) > 0;
    next unless defined recv(S, my $b, 2000, 0); my $p = substr($b, 4 * (ord($b) & 15)); my ($type) = unpack("C", $p);
    if ($type == 0) { my ($i, $n) = unpack("x4 n n", $p); if ($i == $id && delete $open{$n}) { $got{$n} = 1 } }
    elsif ($type == 3 || $type == 11) { my $inner = substr($p, 8); my $q = substr($inner, 4 * (ord($inner) & 15));
      my ($kind, $i, $n) = unpack("C x3 n n", $q); delete $open{$n} if $kind == 8 && $i == $id } } }
  for my $n (1 .. $count) { my $echo = pack("C C n n n a56", 8, 0, 0, $id, $n, "");
    substr($echo, 2, 2) = pack("n", sum($echo)); $open{$n} = 1; send(S, $echo, 0, $at) or delete $open{$n};
    take(time + $pause, sub { 0 }) if $n < $count }
  take(time + $patience, sub { !%open }); print scalar(keys %got), "
"`;

/** A way to run the program: from source under either runtime, or the binary. */
export type Kind = "deno" | "bun" | "compiled";

export const COMMANDS: Readonly<Record<Kind, readonly string[]>> = {
  deno: [join(TOP, "node_modules/.bin/deno"), "run", "-A", join(TOP, "src/main.ts")],
  bun: [join(TOP, "node_modules/.bin/bun"), join(TOP, "src/main.ts")],
  compiled: [join(TOP, "dist/ovltun")],
};

export interface Finished {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly timeoutMs?: number;
  readonly input?: string;
}

/** Everything a child prints, until it ends or its time is over. */
export function collect(
  child: ChildProcess,
  { timeoutMs = 60_000, input }: RunOptions = {},
): Promise<Finished> {
  let stdout = "", stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => stdout += text);
  child.stderr?.setEncoding("utf8").on("data", (text: string) => stderr += text);
  child.stdin?.on("error", () => {});
  child.stdin?.end(input ?? "");
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** Settings of whoever runs the tests do not reach the daemons. */
function cleanEnvironment(): Record<string, string> {
  const environment: Record<string, string> = { NO_COLOR: "1", OVLTUN_EXIT_WITH_STDIN: "1" };
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !name.startsWith("OVLTUN_")) environment[name] ??= value;
  }
  return environment;
}

/** A running `ovltun up`. */
export class Daemon {
  readonly host: Host;
  readonly kind: Kind;
  /** Settles when the process has ended. */
  readonly finished: Promise<Finished>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #running = true;

  constructor(host: Host, kind: Kind, child: ChildProcess) {
    this.host = host;
    this.kind = kind;
    this.#child = child;
    let stderr = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      this.#lines.splice(0, this.#lines.length, ...stderr.split("\n"));
    });
    child.stdin!.on("error", () => {});
    this.finished = new Promise((resolve) => {
      child.on("error", (error) => stderr += error.message);
      child.on("close", (code, signal) => {
        this.#running = false;
        if (signal !== null) this.#lines.push(`(ended by ${signal})`);
        resolve({ code, signal, stdout: "", stderr });
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Everything it logged. */
  log(): string {
    return this.#lines.join("\n");
  }

  tail(): string {
    return this.#lines.slice(-LOG_LINES).map((line) => `  ${this.host.name} (${this.kind}): ${line}`).join(
      "\n",
    );
  }

  status(): Promise<Status> {
    return callApi(join(this.host.runDir, "control.sock"), "status", {}, { timeoutMs: SLACK_MS });
  }

  /** What this daemon thinks of another host. */
  async peer(name: string): Promise<PeerStatus | undefined> {
    return (await this.status()).peers.find((peer) => peer.name === name);
  }

  /** Waits until it holds a confirmed lease and has a path to `peers` others. */
  async ready(peers: number, timeoutMs = 10_000): Promise<Status> {
    return await until(`${this.host.name} is in the mesh with ${peers} peers`, timeoutMs, async () => {
      if (!this.#running) throw new Gone(`The daemon of ${this.host.name} ended`);
      const status = await this.status();
      const reached = status.peers.filter((peer) => peer.state === "alive" && peer.path !== "none");
      return status.node.leaseState === "confirmed" && reached.length >= peers ? status : null;
    });
  }

  /** Sends a signal and waits until the process is gone. */
  async kill(signal: NodeJS.Signals): Promise<Finished> {
    // Not child.kill(): Deno then reports that signal as the end, whatever the exit code was.
    if (this.#running) process.kill(this.pid, signal);
    return await this.finished;
  }
}

/** One host: a namespace, and directories for its daemon. */
export class Host {
  readonly name: string;
  readonly underlay: string;
  readonly runDir: string;
  readonly stateDir: string;
  readonly daemons: Daemon[] = [];
  readonly #lab: LabHost;

  constructor(lab: LabHost, folder: string) {
    this.#lab = lab;
    this.name = lab.name;
    this.underlay = lab.underlay;
    this.runDir = join(folder, lab.name, "run");
    this.stateDir = join(folder, lab.name, "state");
  }

  /** The newest daemon. */
  get daemon(): Daemon {
    return this.daemons.at(-1)!;
  }

  /**
   * Starts `ovltun up` with the host's name and directories, plain unless a secret file is among the flags. `wrap`
   * goes before the program.
   */
  up(kind: Kind, flags: readonly string[], wrap: readonly string[] = []): Daemon {
    return this.start(kind, [...wrap, ...COMMANDS[kind]], flags);
  }

  /** As `up`, with any program as ovltun. */
  start(kind: Kind, program: readonly string[], flags: readonly string[]): Daemon {
    const plain = flags.includes("--secret-file") ? [] : ["--plain"];
    const args = [...program, "up", ...plain, "--name", this.name, ...this.#directories(), ...flags];
    const child = this.#lab.inside(() =>
      spawn(args[0]!, args.slice(1), { stdio: ["pipe", "ignore", "pipe"], env: cleanEnvironment(), cwd: "/" })
    );
    const daemon = new Daemon(this, kind, child);
    this.daemons.push(daemon);
    return daemon;
  }

  #directories(): string[] {
    return ["--run-dir", this.runDir, "--state-dir", this.stateDir];
  }

  /** Runs another command of the program against this host's daemon. */
  ovltun(args: readonly string[], kind: Kind = "compiled"): Promise<Finished> {
    const directories = args[0] === "down" ? this.#directories() : ["--run-dir", this.runDir];
    return this.run([...COMMANDS[kind], ...args, ...directories]);
  }

  run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return collect(this.spawn(command), options);
  }

  /** A shell script inside the host; fails the test unless it exits with 0. Returns what it printed. */
  async sh(script: string, options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(["sh", "-ec", script], options);
    assert.equal(code, 0, `${this.name}: ${script}\n${stdout}${stderr}`);
    return stdout;
  }

  /** A process inside the host; it ends with the test process at the latest when its pipes break. */
  spawn(command: readonly string[]): ChildProcess {
    return this.#lab.inside(() =>
      spawn(command[0]!, command.slice(1), { stdio: "pipe", env: cleanEnvironment(), cwd: "/" })
    );
  }

  /**
   * How many of `count` echoes to an IPv4 address are answered, however late. Not ping(8): once something was answered,
   * that waits for the last no longer than twice the longest round trip so far.
   */
  async answers(address: string, count: number, pauseMs = 20): Promise<number> {
    const numbers = [count, pauseMs / 1000, ANSWER_MS / 1000].map(String);
    const { code, stdout, stderr } = await this.run(
      ["/usr/bin/perl", "-MSocket", "-e", ECHOES, address, ...numbers],
      { timeoutMs: count * pauseMs + SLACK_MS },
    );
    assert.equal(code, 0, `${this.name} → ${address}: ${stderr}`);
    return Number(stdout);
  }

  /** Percentage lost of `count` pings. */
  async pingLoss(address: string, count = 5): Promise<number> {
    return 100 * (1 - await this.answers(address, count) / count);
  }

  /** Milliseconds until the first ping was answered, trying every 20 ms. */
  async firstAnswer(address: string, timeoutMs: number): Promise<number> {
    const began = performance.now();
    await until(`${this.name} reaches ${address}`, timeoutMs, async () => {
      const { code } = await this.run(["ping", "-c", "1", "-W", "0.5", "-q", address]);
      return code === 0 ? true : null;
    });
    return performance.now() - began;
  }

  setCable(plugged: boolean): void {
    this.#lab.setCable(plugged);
  }

  readSubnetFile(): Record<string, string> {
    const text = readFileSync(join(this.runDir, "subnet.env"), "utf8");
    return Object.fromEntries(text.trim().split("\n").map((line) => line.split("=", 2) as [string, string]));
  }
}

/** Ends a wait at once. */
class Gone extends Error {}

/**
 * Polls `probe` until it returns something but null; what it throws meanwhile is the reason of the timeout. `timeoutMs`:
 * what it takes at most on a machine of our own (a slow one gets more); 0: asked once. How long a thing may take is no
 * question for a live test: the simulations have a clock that no machine slows down.
 */
export async function until<T>(
  what: string,
  timeoutMs: number,
  probe: () => T | null | Promise<T | null>,
): Promise<T> {
  const patience = timeoutMs === 0 ? 0 : timeoutMs + SLACK_MS;
  const end = performance.now() + patience;
  let last = "";
  for (;;) {
    try {
      const value = await probe();
      if (value !== null) return value;
      last = "";
    } catch (error) {
      if (error instanceof Gone) throw error;
      last = `: ${error instanceof Error ? error.message : error}`;
    }
    if (performance.now() > end) throw new Error(`Waited ${patience / 1000} s until ${what}${last}`);
    await sleep(30);
  }
}
