/**
 * How long a handshake takes between two real daemons, by a capture (needs root, tcpdump, ping and dist/ovltun):
 * `bun bench/handshake_time.ts [REPETITIONS] [deno]`; `deno`: from the source under Deno. Three cases, each repeated:
 *   started     both hosts have just started for the first time, the second joins the first: XX, in code that is cold
 *   restarted   one of two hosts is killed and started anew while the other pings it
 *   running     both run on; the cable between them is unplugged until each holds the other for dead, and plugged in
 * From the first datagram of the handshake that succeeded to its last, to the first data on its session, and to the
 * first answered ping; and how many round trips until data was answered. A ping every 5 ms: so fine is the last figure.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { NetworkSecret } from "../src/crypto/network_secret.ts";
import { buildTopology, type LabHost } from "../src/lab/topology.ts";
import { type Datagram, decodeCapture, type Shaken, shaken } from "./handshake_capture.ts";

const TOP = fileURLToPath(new URL("..", import.meta.url));
const REPETITIONS = Number(process.argv[2] ?? 10);
const OVLTUN = process.argv[3] === "deno"
  ? [join(TOP, "node_modules/.bin/deno"), "run", "-A", "--no-check", join(TOP, "src/main.ts")]
  : [join(TOP, "dist/ovltun")];
const NETWORK = "10.42.0.0/16";
/** What the second host wishes for, so that the first can ping it before it is there. */
const SUBNET = "10.42.7.0/24";
const ADDRESS = "10.42.7.0";
/** Until each holds the other for dead. */
const UNPLUGGED_MS = 9000;
const PATIENCE_MS = 15_000;
const PING_S = "0.005";

const folder = mkdtempSync(join(tmpdir(), "ovltun-handshake-time-"));
const secretFile = join(folder, "secret");
writeFileSync(secretFile, `${NetworkSecret.create().text()}\n`, { mode: 0o600 });
const children: ChildProcess[] = [];
const topology = buildTopology(2);
try {
  const [a, b] = topology.hosts as [LabHost, LabHost];
  await started(a, b);
  await restartedAndRunning(a, b);
} finally {
  await Promise.all([...children].map(end));
  topology.close();
  rmSync(folder, { recursive: true, force: true });
}

async function started(a: LabHost, b: LabHost): Promise<void> {
  const list: Shaken[] = [];
  for (let i = 0; i < REPETITIONS; i++) {
    const first = await founder(a);
    const second: ChildProcess[] = [];
    list.push(await captured(a, () => second.push(joiner(a, b))));
    await Promise.all([first, ...second].map(end));
    for (const host of [a, b]) rmSync(join(folder, host.name), { recursive: true, force: true });
  }
  report("started", list);
}

async function restartedAndRunning(a: LabHost, b: LabHost): Promise<void> {
  const first = await founder(a);
  let second = joiner(a, b);
  run(b, [...OVLTUN, "wait", "--peers", "1", "--timeout", "10s", "--run-dir", join(folder, b.name)]);
  const restarts: Shaken[] = [];
  for (let i = 0; i < REPETITIONS; i++) {
    await sleep(1000);
    await end(second);
    restarts.push(await captured(a, () => second = joiner(a, b)));
  }
  report("restarted", restarts);
  const plugged: Shaken[] = [];
  for (let i = 0; i < REPETITIONS; i++) {
    await sleep(1000);
    b.setCable(false);
    await sleep(UNPLUGGED_MS);
    plugged.push(await captured(a, () => b.setCable(true)));
  }
  report("running", plugged);
  await Promise.all([first, second].map(end));
}

/** What the wire shows from `act` on until a ping was answered. */
async function captured(a: LabHost, act: () => void): Promise<Shaken> {
  const ping = start(a, ["ping", "-i", PING_S, "-q", ADDRESS]);
  const capture = start(a, ["tcpdump", "-i", "any", "-nn", "-tt", "-U", "-l", "-x", "udp port 8473 or icmp"]);
  let text = "";
  capture.stdout!.setEncoding("utf8").on("data", (more: string) => text += more);
  await sleep(700); // tcpdump listens
  const since = Date.now();
  act();
  let found: Shaken | null = null;
  for (const until = since + PATIENCE_MS; found === null && Date.now() < until;) {
    await sleep(300);
    const later = (datagram: Datagram) => datagram.at >= since;
    found = shaken(decodeCapture(text).filter(later));
  }
  await end(ping);
  await end(capture);
  if (found === null) throw new Error("No handshake was followed by data and an answered ping");
  return found;
}

function report(name: string, list: readonly Shaken[]): void {
  const patterns = [...new Set(list.map(({ pattern }) => pattern))].sort().join(" and ");
  console.log(`${name}: ${list.length} handshakes (${patterns})`);
  const figure = (what: string, of: (s: Shaken) => number, unit: string) => {
    const sorted = list.map(of).sort((x, y) => x - y);
    const digits = unit === "" ? 0 : 1;
    const [median, most] = [sorted[sorted.length >> 1]!, sorted.at(-1)!].map((n) => n.toFixed(digits));
    console.log(`  ${what.padEnd(34)} median ${median}${unit}, at most ${most}${unit}`);
  };
  figure("last datagram of the handshake", (s) => s.lastMs, " ms");
  figure("first data", (s) => s.dataMs, " ms");
  figure("first answered ping", (s) => s.pingMs, " ms");
  figure("datagrams of the handshake", (s) => s.datagrams, "");
  figure("round trips until data is answered", (s) => s.roundTrips, "");
}

/** The first host's daemon, ready. */
async function founder(host: LabHost): Promise<ChildProcess> {
  const daemon = up(host, ["--network", NETWORK]);
  await sleep(1500);
  run(host, [...OVLTUN, "wait", "--timeout", "10s", "--run-dir", join(folder, host.name)]);
  return daemon;
}

function joiner(a: LabHost, b: LabHost): ChildProcess {
  return up(b, ["--peers", a.underlay, "--subnet", SUBNET]);
}

function up(host: LabHost, flags: readonly string[]): ChildProcess {
  const own = join(folder, host.name);
  const dirs = ["--run-dir", own, "--state-dir", join(own, "state")];
  return start(host, [...OVLTUN, "up", "--name", host.name, "--secret-file", secretFile, ...dirs, ...flags]);
}

function start(host: LabHost, command: readonly string[]): ChildProcess {
  const child = host.inside(() =>
    spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "ignore"] })
  );
  child.stdout!.resume();
  children.push(child);
  return child;
}

function run(host: LabHost, command: readonly string[]): void {
  host.inside(() => execFileSync(command[0]!, command.slice(1), { stdio: ["ignore", "ignore", "inherit"] }));
}

async function end(child: ChildProcess): Promise<void> {
  const at = children.indexOf(child);
  if (at >= 0) children.splice(at, 1);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.on("close", resolve));
  child.kill("SIGKILL");
  await closed;
}
