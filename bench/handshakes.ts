/**
 * What handshakes cost, with real daemons between network namespaces (needs root and dist/ovltun):
 * `bun bench/handshakes.ts [PEERS] [crowd]`; `crowd`: the second only.
 *   1. One peer: a host's daemon is killed and started anew while the other pings it; from the first handshake datagram on
 *      the wire to the first answered ping, by a capture.
 *   2. A thousand at once: peers with addresses, sockets and keys of their own in one process begin with one daemon, by
 *      the limits every node has; each is up when a sealed probe of it was answered.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { NetworkSecret } from "../src/crypto/network_secret.ts";
import { buildTopology, type LabHost } from "../src/lab/topology.ts";

const TOP = fileURLToPath(new URL("..", import.meta.url));
const OVLTUN = join(TOP, "dist/ovltun");
const PEERS = Number(process.argv[2] ?? 1000);
const RESTARTS = 3;

const folder = mkdtempSync(join(tmpdir(), "ovltun-handshakes-"));
const secretFile = join(folder, "secret");
const secret = NetworkSecret.create();
writeFileSync(secretFile, `${secret.text()}\n`, { mode: 0o600 });
const children: ChildProcess[] = [];
const topology = buildTopology(2);
try {
  const [a, b] = topology.hosts as [LabHost, LabHost];
  if (process.argv[3] !== "crowd") await restarts(a, b);
  await crowd(a, b);
} finally {
  await Promise.all(children.map(end));
  topology.close();
  rmSync(folder, { recursive: true, force: true });
}

async function restarts(a: LabHost, b: LabHost): Promise<void> {
  up(a, ["--network", "10.42.0.0/16"]);
  let other = up(b, ["--peers", a.underlay]);
  await sleep(3000);
  const status = JSON.parse(run(b, [OVLTUN, "status", "--json", "--run-dir", join(folder, b.name)]));
  const address: string = status.node.address;
  const figures: string[] = [];
  for (let i = 0; i < RESTARTS; i++) {
    await end(other);
    const capture = start(a, ["tcpdump", "-i", "any", "-nn", "-tt", "-l", "-x", "udp port 8473 or icmp"]);
    let lines = "";
    capture.stdout!.setEncoding("utf8").on("data", (text: string) => lines += text);
    await sleep(500);
    const ping = start(a, ["ping", "-i", "0.002", "-q", address]);
    await sleep(200);
    lines = "";
    other = up(b, ["--peers", a.underlay]);
    await sleep(3000);
    await end(ping);
    await end(capture);
    figures.push(figuresOf(lines, b.underlay));
  }
  console.log(`one peer, ${RESTARTS} restarts:\n  ${figures.join("\n  ")}`);
  for (const child of [...children]) await end(child);
}

/** What a capture says: when the first handshake came from `from`, its answer left, and the first ping was answered. */
function figuresOf(text: string, from: string): string {
  const packets = text.split(/\n(?=\d+\.\d+ )/).map((packet) => {
    const hex = [...packet.matchAll(/0x[0-9a-f]+: {2}([0-9a-f ]+)/g)].map((m) => m[1]!.replaceAll(" ", ""))
      .join("");
    return { at: Number.parseFloat(packet) * 1000, head: packet.split("\n")[0]!, type: hex.slice(56, 58) };
  });
  const shake = packets.filter(({ head, type }) => head.includes("UDP") && (type === "01" || type === "02"));
  const first = shake.find(({ head }) => head.includes(`IP ${from}.`));
  if (first === undefined) return "no handshake was seen";
  const last = shake.filter(({ at }) => at >= first.at && at < first.at + 1000).at(-1)!;
  const count = shake.filter(({ at }) => at >= first.at && at <= last.at).length;
  const reply = packets.find(({ at, head }) => at > first.at && head.includes("echo reply"));
  const ms = (at: number | undefined) => at === undefined ? "never" : `${(at - first.at).toFixed(1)} ms`;
  return `${count} handshake datagrams in ${ms(last.at)}; first answered ping after ${ms(reply?.at)}`;
}

async function crowd(a: LabHost, b: LabHost): Promise<void> {
  run(a, ["ip", "route", "add", "10.98.0.0/16", "dev", "eth0"]);
  const batch = Array.from({ length: PEERS }, (_, i) => `addr add ${peerAddress(i)}/32 dev eth0\n`).join("");
  writeFileSync(join(folder, "addresses"), batch);
  run(b, ["ip", "-batch", join(folder, "addresses")]);
  rmSync(join(folder, a.name), { recursive: true, force: true });
  const daemon = up(a, ["--network", "10.42.0.0/16"]);
  await sleep(3000);
  const before = residentMB(daemon.pid!);
  const peers = start(b, [
    process.execPath,
    join(TOP, "bench/handshake_peers.ts"),
    secretFile,
    a.underlay,
    `${PEERS}`,
  ]);
  let said = "";
  peers.stdout!.setEncoding("utf8").on("data", (text: string) => said += text);
  const code = await new Promise((resolve) => peers.on("close", resolve));
  console.log(`${PEERS} at once: ${said.trim()} (exit ${code})`);
  const now = residentMB(daemon.pid!);
  await sleep(5000);
  const later = residentMB(daemon.pid!);
  console.log(`the daemon's memory: ${before} MB before, ${now} MB after, ${later} MB 5 s later`);
}

function peerAddress(i: number): string {
  return `10.98.${i >> 8}.${i & 255}`;
}

function residentMB(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return Math.round(pages * 4096 / 1e6);
}

function up(host: LabHost, flags: readonly string[]): ChildProcess {
  const own = join(folder, host.name);
  const dirs = ["--run-dir", own, "--state-dir", join(own, "state")];
  return start(host, [OVLTUN, "up", "--name", host.name, "--secret-file", secretFile, ...dirs, ...flags]);
}

function start(host: LabHost, command: readonly string[]): ChildProcess {
  const child = host.inside(() =>
    spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "inherit"] })
  );
  child.stdout!.resume();
  children.push(child);
  return child;
}

function run(host: LabHost, command: readonly string[]): string {
  return host.inside(() => execFileSync(command[0]!, command.slice(1), { encoding: "utf8" }));
}

async function end(child: ChildProcess): Promise<void> {
  children.splice(children.indexOf(child), 1);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.on("close", resolve));
  child.kill("SIGKILL");
  await closed;
}
