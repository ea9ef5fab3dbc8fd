/**
 * One real daemon (dist/ovltun) in a mesh of N simulated peers, over a veth between two namespaces (needs root and
 * iproute2): `bun bench/one_daemon.ts [--n 4999] [--plain] [--binary PATH] [--rest SECONDS] [--changes COUNT]`. How long it
 * takes from the first datagram until all records are merged, what it takes at rest and for one changed record, its memory,
 * and how long the commands take that show the mesh.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { identityToJson } from "../src/crypto/identity.ts";
import { createNamespace, inNamespace, type Namespace } from "../src/sys/namespaces.ts";
import { castOf, CROWD_ADDRESS, CROWD_NETWORK, DAEMON_ADDRESS, PORT, SEEDS } from "./one_daemon/members.ts";

const { values: options } = parseArgs({
  options: {
    n: { type: "string", default: "4999" },
    plain: { type: "boolean", default: false },
    binary: { type: "string", default: fileURLToPath(new URL("../dist/ovltun", import.meta.url)) },
    rest: { type: "string", default: "60" },
    changes: { type: "string", default: "200" },
    settle: { type: "string", default: "20" },
  },
});
const N = Number(options.n);
const CROWD = fileURLToPath(new URL("one_daemon/crowd.ts", import.meta.url));
const CHANGE_EVERY_MS = 100;
/** USER_HZ of every Linux that runs this. */
const TICKS_A_SECOND = 100;

interface Counts {
  readonly fromDaemon: number;
  readonly bytes: number;
  readonly firstAt: number;
  readonly awake: number;
  readonly answers: readonly number[];
  readonly unanswered: number;
  readonly memory: number;
  readonly kinds: Readonly<Record<string, number>>;
}

/** The process of the simulated peers. */
class Crowd {
  readonly #child: ChildProcess;
  readonly #waiting: ((words: Record<string, unknown>) => void)[] = [];
  readonly ready: Promise<unknown>;

  constructor(ns: Namespace, sealed: boolean) {
    const words = [CROWD, String(N), sealed ? "sealed" : "plain"];
    this.#child = inNamespace(
      ns,
      () => spawn(process.execPath, words, { stdio: ["pipe", "pipe", "inherit"] }),
    );
    this.ready = new Promise((resolve) => this.#waiting.push(resolve));
    createInterface({ input: this.#child.stdout! }).on(
      "line",
      (line) => this.#waiting.shift()?.(JSON.parse(line)),
    );
  }

  async ask(what: string, more: Record<string, unknown> = {}): Promise<unknown> {
    const answer = new Promise((resolve) => this.#waiting.push(resolve));
    this.tell(what, more);
    return await answer;
  }

  tell(what: string, more: Record<string, unknown> = {}): void {
    this.#child.stdin!.write(`${JSON.stringify({ do: what, ...more })}\n`);
  }

  counts(): Promise<Counts> {
    return this.ask("counts") as Promise<Counts>;
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

/** `ovltun up`, and when it said what. */
class Daemon {
  readonly child: ChildProcess;
  readonly lines: { readonly at: number; readonly text: string }[] = [];

  constructor(ns: Namespace, flags: readonly string[]) {
    const child = this.child = inNamespace(
      ns,
      () => spawn(options.binary, ["up", ...flags], { stdio: ["ignore", "ignore", "pipe"] }),
    );
    createInterface({ input: child.stderr! }).on("line", (text) => {
      this.lines.push({ at: Date.now(), text });
      if (process.env.SHOW) console.error(text);
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  async said(what: RegExp, withinMs: number): Promise<{ readonly at: number; readonly text: string }> {
    for (const end = Date.now() + withinMs; Date.now() < end; await sleep(10)) {
      const line = this.lines.find(({ text }) => what.test(text));
      if (line !== undefined) return line;
    }
    throw new Error(
      `The daemon did not say ${what}:\n${this.lines.map(({ text }) => text).slice(-20).join("\n")}`,
    );
  }

  /** Seconds of a processor since the start: all of it, and by thread. */
  used(): { readonly all: number; readonly threads: ReadonlyMap<string, number> } {
    const threads = new Map<string, number>();
    for (const thread of readdirSync(`/proc/${this.pid}/task`)) {
      try {
        const { name, seconds } = statOf(`/proc/${this.pid}/task/${thread}/stat`);
        threads.set(name, (threads.get(name) ?? 0) + seconds);
      } catch { /* it has ended */ }
    }
    return { all: statOf(`/proc/${this.pid}/stat`).seconds, threads };
  }

  /** Megabytes. */
  memory(): { readonly resident: number; readonly own: number } {
    const rollup = readFileSync(`/proc/${this.pid}/smaps_rollup`, "utf8");
    const kb = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(rollup)![1]);
    return { resident: kb("Rss") / 1024, own: (kb("Private_Clean") + kb("Private_Dirty")) / 1024 };
  }
}

function statOf(path: string): { readonly name: string; readonly seconds: number } {
  const text = readFileSync(path, "utf8");
  const fields = text.replace(/^.*\) /, "").split(" ");
  return {
    name: /\((.*)\)/.exec(text)![1]!,
    seconds: (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND,
  };
}

await main();

async function main(): Promise<void> {
  const sealed = !options.plain;
  const cast = castOf(N, sealed);
  const folder = mkdtempSync(join(tmpdir(), "ovltun-one-"));
  const [here, there] = [createNamespace(), createNamespace()];
  let crowd: Crowd | null = null, daemon: Daemon | null = null;
  try {
    connect(here, there);
    crowd = new Crowd(there, sealed);
    await crowd.ready;
    const { awake } = await crowd.ask("wake") as { awake: number };
    say("simulated peers, awake from the start", `${N}, ${awake}`);
    await sleep(5000);
    const state = join(folder, "state");
    mkdirSync(state, { mode: 0o700 });
    writeFileSync(join(state, "identity.json"), identityToJson(cast.daemon), { mode: 0o600 });
    const secret = join(folder, "secret.txt");
    writeFileSync(secret, cast.secret?.text() ?? "", { mode: 0o600 });
    const peers = cast.members.slice(0, SEEDS).map(({ address }) => `${address}:${PORT}`).join(",");
    daemon = new Daemon(here, [
      ...(sealed ? ["--secret-file", secret] : ["--plain"]),
      ...["--peers", peers, "--state-dir", state, "--run-dir", join(folder, "run")],
    ]);
    await measure(daemon, crowd, here, folder);
  } finally {
    daemon?.child.kill("SIGTERM");
    await sleep(500);
    daemon?.child.kill("SIGKILL");
    crowd?.end();
    for (const ns of [here, there]) ns.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(daemon: Daemon, crowd: Crowd, ns: Namespace, folder: string): Promise<void> {
  const { at, text } = await daemon.said(/Synchronised with/, 60_000);
  const merged = daemon.used();
  const { firstAt, answers: first } = await crowd.counts();
  say(
    "from the first datagram to all records merged",
    `${((at - firstAt) / 1000).toFixed(2)} s (${text.replace(/^.*Synch/, "Synch")})`,
  );
  say("... of a processor since the start", `${merged.all.toFixed(2)} s`);
  say("pings answered meanwhile", slowest(first));
  const ready = await daemon.said(/Ready/, 60_000);
  say("ready", `${((ready.at - firstAt) / 1000).toFixed(2)} s`);
  sayMemory("memory when ready", daemon);
  await sleep(Number(options.settle) * 1000);
  sayMemory(`memory after ${options.settle} s`, daemon);
  if (Number(options.rest) > 0) await rest(daemon, crowd);
  for (const command of [["status"], ["status", "--json"], ["leases"], ["peers"], ["routes"]]) {
    say(command.join(" "), await timeOf(ns, [...command, "--run-dir", join(folder, "run")]));
  }
  await change(daemon, crowd);
  sayMemory("memory at the end", daemon);
  const warnings = daemon.lines.filter(({ text }) => /warn|error/i.test(text));
  console.log(`${warnings.length} warnings${warnings.slice(0, 5).map(({ text }) => `\n  ${text}`).join("")}`);
}

async function rest(daemon: Daemon, crowd: Crowd): Promise<void> {
  const seconds = Number(options.rest);
  crowd.tell("reset");
  const before = daemon.used(), began = performance.now();
  await sleep(seconds * 1000);
  const after = daemon.used(), took = (performance.now() - began) / 1000;
  const { fromDaemon, bytes, answers, awake, kinds, memory } = await crowd.counts();
  const threads = [...after.threads].map(([name, used]) =>
    [name, (used - (before.threads.get(name) ?? 0)) / took * 100] as const
  )
    .filter(([, part]) => part >= 0.05).map(([name, part]) => `${name} ${part.toFixed(2)}`);
  say(
    "at rest, of a core",
    `${((after.all - before.all) / took * 100).toFixed(2)} % (${threads.join(", ")})`,
  );
  say(
    "... sent a second",
    `${(fromDaemon / took).toFixed(1)} datagrams, ${
      (bytes / took).toFixed(0)
    } bytes; ${awake} peers awake in ${(memory / 2 ** 20).toFixed(0)} MB`,
  );
  say("... gossip by kind", Object.entries(kinds).map(([kind, count]) => `${kind} ${count}`).join(", "));
  say("... pings answered", slowest(answers));
}

async function change(daemon: Daemon, crowd: Crowd): Promise<void> {
  const count = Number(options.changes);
  if (count === 0) return;
  const idle = daemon.used().all, idleAt = performance.now();
  await sleep(10_000);
  const perSecond = (daemon.used().all - idle) / ((performance.now() - idleAt) / 1000);
  const before = daemon.used().all, began = performance.now();
  const { changed } = await crowd.ask("change", { count, everyMs: CHANGE_EVERY_MS }) as { changed: number };
  await sleep(3000);
  const took = (performance.now() - began) / 1000;
  const more = daemon.used().all - before - perSecond * took;
  say(`one changed record (of ${changed})`, `${(more / changed * 1000).toFixed(2)} ms of a processor`);
}

function slowest(answers: readonly number[]): string {
  if (answers.length === 0) return "none";
  const sorted = [...answers].sort((a, b) => a - b);
  return `${sorted.length}, median ${sorted[sorted.length >> 1]!.toFixed(1)} ms, slowest ${
    sorted.at(-1)!.toFixed(0)
  } ms`;
}

function sayMemory(what: string, daemon: Daemon): void {
  const { resident, own } = daemon.memory();
  say(what, `${resident.toFixed(0)} MB resident, ${own.toFixed(0)} of its own`);
}

async function timeOf(ns: Namespace, words: readonly string[]): Promise<string> {
  const times: number[] = [];
  let lines = 0;
  for (let i = 0; i < 5; i++) {
    const from = performance.now();
    const asking = inNamespace(
      ns,
      () => spawn(options.binary, words, { stdio: ["ignore", "pipe", "inherit"] }),
    );
    let text = "";
    asking.stdout.setEncoding("utf8").on("data", (some: string) => text += some);
    const code = await new Promise((resolve) => asking.on("close", resolve));
    if (code !== 0) return `ended with ${code}`;
    times.push(performance.now() - from);
    lines = text.split("\n").length;
  }
  times.sort((a, b) => a - b);
  return `${times[2]!.toFixed(0)} ms, slowest of five ${times[4]!.toFixed(0)} ms, ${lines} lines`;
}

/** A veth between both; the peers' side answers for the whole of their network. */
function connect(here: Namespace, there: Namespace): void {
  const ip = (ns: Namespace, words: string) =>
    inNamespace(ns, () => execFileSync("ip", words.split(" "), { stdio: ["ignore", "ignore", "inherit"] }));
  ip(here, "link add eth0 type veth peer name eth1");
  inNamespace(
    here,
    () => execFileSync("ip", ["link", "set", "eth1", "netns", `/proc/${process.pid}/fd/${there.fd}`]),
  );
  ip(here, `addr add ${DAEMON_ADDRESS} dev eth0`);
  ip(there, `addr add ${CROWD_ADDRESS} dev eth1`);
  ip(here, "link set eth0 up");
  ip(there, "link set eth1 up");
  ip(there, `route add local ${CROWD_NETWORK} dev lo`);
}

function say(what: string, figure: string): void {
  console.log(`${what.padEnd(52)} ${figure}`);
}
