/** `ovltun lab`: the first command of a newcomer, and that it leaves nothing however it ends. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TOP, until } from "./host.ts";
import { figure, liveTest } from "./mesh.ts";

const BINARY = join(TOP, "dist/ovltun");

/** Process ids from the lines that tell how to enter each host. */
function daemonsIn(said: string): number[] {
  return [...said.matchAll(/\/proc\/(\d+)\/ns\/net/g)].map((match) => Number(match[1]));
}

function exists(pid: number): boolean {
  return spawnSync("kill", ["-0", `${pid}`]).status === 0;
}

liveTest("lab --json: every pair answers, on every backend", () => {
  for (const [backend, hosts] of [["udp", 3], ["vxlan", 5], ["host-gw", 3]] as const) {
    const args = ["lab", "--hosts", `${hosts}`, "--backend", backend, "--seconds", "1", "--json"];
    const { status, stdout, stderr } = spawnSync(BINARY, args, { encoding: "utf8", timeout: 180_000 });
    assert.equal(status, 0, stderr);
    const report = JSON.parse(stdout);
    assert.equal(report.ok, true);
    assert.equal(report.hosts.length, hosts);
    assert.equal(report.pairs.length, hosts * (hosts - 1));
    for (const pair of report.pairs) {
      assert.equal(pair.lossPercent, 0);
      assert.ok(pair.rttMs.min <= pair.rttMs.avg && pair.rttMs.avg <= pair.rttMs.max);
      assert.equal(pair.path, backend === "host-gw" ? "direct-route" : "tunnel");
    }
    assert.ok(report.throughputMbps > 0);
    figure(`lab, ${hosts} hosts, ${backend}: ${report.throughputMbps} Mbit/s, ${report.seconds} s`);
  }
  return Promise.resolve();
});

liveTest(
  "lab --ipv6 --json: every pair answers by both families, with tunnels and with direct routes",
  () => {
    for (const backend of ["udp", "host-gw"]) {
      const args = ["lab", "--ipv6", "--backend", backend, "--seconds", "0", "--json"];
      const { status, stdout, stderr } = spawnSync(BINARY, args, { encoding: "utf8", timeout: 180_000 });
      assert.equal(status, 0, stderr);
      const { ok, hosts, pairs } = JSON.parse(stdout);
      assert.equal(ok, true);
      for (const host of hosts) assert.match(host.subnet6, /^fd[0-9a-f:]+::\/64$/);
      assert.equal(pairs.length, 6);
      for (const { lossPercent, ipv6 } of pairs) assert.deepEqual([lossPercent, ipv6.lossPercent], [0, 0]);
      assert.ok(pairs.every(({ ipv6 }: { ipv6: { rttMs: { avg: number } } }) => ipv6.rttMs.avg > 0));
    }
    return Promise.resolve();
  },
);

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  liveTest(`the lab's daemons end with it after ${signal}`, async () => {
    const lab = spawn(BINARY, ["lab", "--keep", "--seconds", "1"], { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    lab.stderr.setEncoding("utf8").on("data", (text: string) => said += text);
    lab.stdout.resume();
    const ended = new Promise((resolve) => lab.on("exit", resolve));
    try {
      await until("the lab keeps running", 15_000, () => daemonsIn(said).length === 3 ? true : null);
      const daemons = daemonsIn(said);
      lab.kill(signal);
      await ended;
      await until("the daemons are gone", 8000, () => daemons.some(exists) ? null : true);
    } finally {
      lab.kill("SIGKILL");
      await sleep(50);
    }
  });
}
