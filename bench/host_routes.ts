/**
 * What the routes of others on a host cost a daemon there (needs root, iproute2 and dist/ovltun):
 * `bun bench/host_routes.ts [ROUTES] [SECONDS]`. Once with none and once with ROUTES (100,000): the time from the command
 * line to `Ready`, what it takes of a processor at rest and while one route comes and goes twenty times a second, its
 * memory, and how long `status` takes at both times, the slowest of five.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Route, TABLE_MAIN } from "../src/ports/host.ts";
import { openHostNetwork } from "../src/sys/host_network.ts";
import { createNamespace, inNamespace, type Namespace } from "../src/sys/namespaces.ts";
import { prefix } from "../src/wire/prefix.ts";

const OVLTUN = fileURLToPath(new URL("../dist/ovltun", import.meta.url));
const ROUTES = Number(process.argv[2] ?? 100_000);
const SECONDS = Number(process.argv[3] ?? 10);
const CHANGE_MS = 50;
/** USER_HZ of every Linux that runs this. */
const TICKS_A_SECOND = 100;

for (const count of [0, ROUTES]) {
  const ns = createNamespace();
  const folder = mkdtempSync(join(tmpdir(), "ovltun-routes-"));
  let daemon: ChildProcess | null = null;
  try {
    await prepare(ns, count);
    const began = performance.now();
    const flags = ["--plain", "--network", "10.42.0.0/16", "--state-dir", join(folder, "state")];
    daemon = inNamespace(ns, () => spawn(OVLTUN, ["up", ...flags, "--run-dir", join(folder, "run")]));
    await readiness(daemon);
    const start = performance.now() - began;
    await sleep(5000);
    const still = await use(daemon.pid!);
    const statusStill = await slowestStatus(ns, folder);
    const stop = change(ns);
    const changing = await use(daemon.pid!);
    const statusChanging = await slowestStatus(ns, folder);
    stop();
    const memory = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))![1]!;
    console.log(
      `${count} routes: ready after ${(start / 1000).toFixed(2)} s, ${
        (Number(memory) / 1024).toFixed(0)
      } MB; ` +
        `at rest ${still.toFixed(1)} % of a processor, status ${statusStill.toFixed(0)} ms; one changes ` +
        `${1000 / CHANGE_MS} times a second: ${changing.toFixed(1)} %, status ${
          statusChanging.toFixed(0)
        } ms`,
    );
  } finally {
    daemon?.kill("SIGKILL");
    ns.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A host with one interface, a default route, and routes of a routing daemon. */
async function prepare(ns: Namespace, count: number): Promise<void> {
  const ip = (words: string, input = "") =>
    inNamespace(
      ns,
      () => execFileSync("ip", words.split(" "), { input, stdio: ["pipe", "ignore", "inherit"] }),
    );
  ip("link set lo up");
  ip("link add eth0 type veth peer name eth1");
  ip("addr add 192.168.77.1/24 dev eth0");
  for (const name of ["eth0", "eth1"]) ip(`link set ${name} up`);
  ip("route add default via 192.168.77.254");
  const lines = Array.from({ length: count }, (_, i) => {
    const address = `20.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
    return `route add ${address}/32 via 192.168.77.2 proto 186`;
  });
  if (count > 0) ip("-batch -", lines.join("\n"));
  await sleep(1000);
}

function readiness(daemon: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = "";
    daemon.stderr!.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      if (log.includes("Ready:")) resolve();
    });
    daemon.on("close", () => reject(new Error(`The daemon ended: ${log}`)));
  });
}

/** Percent of a processor, over SECONDS. */
async function use(pid: number): Promise<number> {
  const ticks = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
    return Number(fields[11]) + Number(fields[12]); // utime, stime
  };
  const from = ticks(), at = performance.now();
  await sleep(SECONDS * 1000);
  return (ticks() - from) / TICKS_A_SECOND / ((performance.now() - at) / 1000) * 100;
}

/** Milliseconds. */
async function slowestStatus(ns: Namespace, folder: string): Promise<number> {
  const words = ["status", "--run-dir", join(folder, "run")];
  let slowest = 0;
  for (let i = 0; i < 5; i++) {
    const from = performance.now();
    const asking = inNamespace(ns, () => spawn(OVLTUN, words, { stdio: "ignore" }));
    const code = await new Promise((resolve) => asking.on("close", resolve));
    if (code !== 0) throw new Error(`ovltun status ended with ${code}`);
    slowest = Math.max(slowest, performance.now() - from);
  }
  return slowest;
}

/** One route comes and goes until it is told to stop. */
function change(ns: Namespace): () => void {
  const net = inNamespace(ns, () => openHostNetwork());
  const eth0 = net.interfaces().find(({ name }) => name === "eth0")!.index;
  const changing: Route = {
    destination: prefix("30.1.0.0/16"),
    type: "unicast",
    gateway: "192.168.77.2",
    iface: eth0,
    metric: 0,
    protocol: 186,
    table: TABLE_MAIN,
    source: null,
    onlink: false,
    scope: 0,
  };
  let there = false;
  const timer = setInterval(() => {
    if (there) net.deleteRoute(changing);
    else net.addRoute(changing);
    there = !there;
  }, CHANGE_MS);
  return () => {
    clearInterval(timer);
    net.close();
  };
}
