/**
 * Hosts for the live tests: network namespaces on one bridge (the lab's own topology), daemons of a chosen
 * kind in them, and the programs of a normal machine (ip, ping, iperf3) to look at them from outside. Namespaces
 * live by descriptors and daemons by a pipe, so nothing survives the test process, however it ends.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test, type TestContext } from "node:test";
import type { Status } from "../../src/api/schema.ts";
import { buildTopology, type Topology } from "../../src/lab/topology.ts";
import { collect, COMMANDS, Host, type Kind, TOP } from "./host.ts";

export const NETWORK = "10.42.0.0/16";

/** Why live tests cannot run here; false where they can. In CI they run, and fail where they cannot. */
export function reasonToSkip(): string | false {
  if (process.env.CI) return false;
  if (process.getuid?.() !== 0) return "needs root";
  return existsSync("/dev/net/tun") ? false : "needs /dev/net/tun";
}

/** Prints a measured value where scripts/test shows it. */
export function figure(text: string): void {
  console.log(`figure: ${text}`);
}

/** `fn` with `count` hosts; everything is gone afterwards. A failure carries the logs of all daemons. */
export async function withHosts(
  count: number,
  fn: (hosts: Host[], folder: string, between: Topology["between"]) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ovltun-live-"));
  const topology = buildTopology(count);
  const hosts = topology.hosts.map((host) => new Host(host, folder));
  const daemons = () => hosts.flatMap((host) => host.daemons);
  try {
    await fn(hosts, folder, topology.between);
  } catch (error) {
    const logs = daemons().map((daemon) => daemon.tail()).join("\n");
    if (error instanceof Error) error.message += `\n${logs}`;
    throw error;
  } finally {
    await Promise.all(daemons().filter((daemon) => daemon.running).map((daemon) => daemon.kill("SIGKILL")));
    topology.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A live test: skipped with a reason where it cannot run. */
export function liveTest(name: string, fn: (t: TestContext) => Promise<void>): void {
  const skip = reasonToSkip();
  test(skip === false ? name : `${name} (skipped: ${skip})`, { skip }, fn);
}

/** Starts a daemon on every host: the first founds NETWORK, the others join it. Waits for the mesh. */
export async function startMesh(
  hosts: readonly Host[],
  kinds: readonly Kind[],
  flags: readonly string[] = [],
): Promise<Status[]> {
  for (const [i, host] of hosts.entries()) {
    const place = i === 0 ? ["--network", NETWORK] : ["--peers", hosts[0]!.underlay];
    host.up(kinds[i % kinds.length]!, [...place, ...flags]);
  }
  return await Promise.all(hosts.map((host) => host.daemon.ready(hosts.length - 1)));
}

/** Every host pings every other one's overlay address; none may be lost. */
export async function assertAllPairs(hosts: readonly Host[], statuses: readonly Status[]): Promise<void> {
  const pairs = hosts.flatMap((from) => statuses.map((to) => ({ from, to })))
    .filter(({ from, to }) => to.node.name !== from.name);
  const losses = await Promise.all(pairs.map(({ from, to }) => from.pingLoss(to.node.address!)));
  for (const [i, { from, to }] of pairs.entries()) {
    assert.equal(losses[i], 0, `${from.name} → ${to.node.name} (${to.node.address}): ${losses[i]} % loss`);
  }
}

/** Mbit/s of iperf3 between two hosts for `seconds`; more arguments go to the client. */
export async function iperf(
  from: Host,
  to: Host,
  address: string,
  seconds: number,
  extra: readonly string[] = [],
): Promise<number> {
  const timeoutMs = seconds * 1000 + 60_000;
  const listening = to.spawn(["iperf3", "-s", "-1", "--forceflush"]);
  const server = collect(listening, { timeoutMs });
  await new Promise((resolve) => {
    listening.stdout!.once("data", resolve);
    listening.once("close", resolve);
  });
  const client = await from.run(["iperf3", "-J", "-c", address, "-t", `${seconds}`, ...extra], { timeoutMs });
  await server;
  const end = JSON.parse(client.stdout).end;
  assert.ok(
    end?.sum_received !== undefined,
    `iperf3 from ${from.name} to ${address} failed: ${client.stdout}`,
  );
  return end.sum_received.bits_per_second / 1e6;
}

/** Where processes run: a host, or a container on one. */
export type Place = Pick<Host, "name" | "spawn" | "run">;

/**
 * Sends `bytes` over TCP from one place to an address of another, and compares what left with what came; `small`:
 * in random small writes.
 */
export async function transfer(
  from: Place,
  to: Place,
  address: string,
  bytes: number,
  small = false,
  port = 5300,
): Promise<void> {
  const timeoutMs = 60_000 + bytes / 5000;
  const program = [COMMANDS.bun[0]!, join(TOP, "test/live/transfer.ts")];
  const child = to.spawn([...program, "serve", address, `${port}`]);
  const listening = new Promise((resolve) => child.stdout!.once("data", resolve));
  const received = collect(child, { timeoutMs: timeoutMs + 5000 });
  await Promise.race([listening, received]);
  const send = [...program, "send", address, `${port}`, `${bytes}`, ...(small ? ["small"] : [])];
  const sent = await from.run(send, { timeoutMs });
  if (sent.code !== 0) child.kill("SIGKILL");
  const arrived = (await received).stdout.split("\n")[1];
  assert.equal(arrived, sent.stdout.trim(), `${from.name} → ${address}, ${bytes} bytes ${sent.stderr}`);
}

/** `count` small flows, TCP and UDP in equal parts, from one place to another; all must be right. */
export async function flows(from: Place, to: Place, address: string, count: number): Promise<void> {
  const program = [COMMANDS.bun[0]!, join(TOP, "test/live/flows.ts")];
  const server = to.spawn([...program, "serve", address, "5400"]);
  await new Promise((resolve) => server.stdout!.once("data", resolve));
  const began = performance.now();
  const { stdout, stderr } = await from.run([...program, "load", address, "5400", `${count}`], {
    timeoutMs: 120_000,
  });
  server.kill("SIGKILL");
  assert.notEqual(stdout, "", `the flows did not end: ${stderr}`);
  const results = JSON.parse(stdout);
  assert.deepEqual(results, { "tcp-right": count / 2, "udp-right": count / 2 });
  if (count > 100) {
    figure(`${count} flows to ${address}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  }
}

/** What a host looks like to its administrator, without addresses the kernel picks at random: to compare. */
export async function tracesOf(host: Host): Promise<string> {
  return await host.sh(`
    ip -o link | cut -d: -f2
    ip -4 route show table all
    ip -6 route show table all | grep -v -e 'dev eth0' -e 'dev lo' -e 'local fe80' || true
    ip rule
    nft list ruleset
    ss -Hlnu; ss -Hlnt
  `);
}

if (reasonToSkip() === false) {
  execFileSync(join(TOP, "scripts/compile"), { stdio: ["ignore", "ignore", "inherit"] });
}
