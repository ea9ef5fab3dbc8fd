/** The binary alone: nothing beside it, nothing installed, and a mesh at once. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { collect, type Host, TOP } from "./host.ts";
import { figure, liveTest, NETWORK, startMesh, withHosts } from "./mesh.ts";

/** An idle node needs less than this part of what a busy loop beside it gets. */
const IDLE_SHARE = 0.25;

liveTest("the binary copied alone into an empty directory makes a mesh", async () => {
  await withHosts(2, async (hosts, folder) => {
    const [alpha, beta] = hosts as [Host, Host];
    const directory = join(folder, "empty");
    const binary = join(directory, "ovltun");
    mkdirSync(directory);
    copyFileSync(join(TOP, "dist/ovltun"), binary);
    const began = performance.now();
    alpha.start("compiled", [binary], ["--network", NETWORK, "--subnet", "10.42.1.0/24"]);
    beta.start("compiled", [binary], ["--peers", alpha.underlay]);
    await beta.firstAnswer("10.42.1.0", 10_000);
    const took = performance.now() - began;
    figure(`from start to the first answered ping, binary: ${(took / 1000).toFixed(2)} s`);
    assert.deepEqual(readdirSync(directory), ["ovltun"]);
  });
});

function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
}

/** utime + stime, seconds (proc_pid_stat(5); 100 ticks a second). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

liveTest("an idle node needs little memory and hardly any time", async () => {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    await startMesh(hosts, ["compiled", "deno"]);
    await sleep(3000);
    // What one core gives at the moment: other programs may want it, too.
    const busy = alpha.spawn(["sh", "-c", "while :; do :; done"]);
    const ended = collect(busy, { timeoutMs: 60_000 });
    const [spent, began] = [cpuSeconds(busy.pid!), [alpha, beta].map((host) => cpuSeconds(host.daemon.pid))];
    await sleep(6000);
    const core = cpuSeconds(busy.pid!) - spent;
    busy.kill("SIGKILL");
    await ended;
    for (const [i, host] of [alpha, beta].entries()) {
      const { kind, pid } = host.daemon;
      const [memory, seconds] = [residentMegabytes(pid), cpuSeconds(pid) - began[i]!];
      figure(
        `idle node, ${kind}: ${memory.toFixed(0)} MB resident, ${(seconds / 6 * 100).toFixed(1)} % of a core`,
      );
      assert.ok(memory < (kind === "deno" ? 150 : 110), `${kind}: ${memory} MB`);
      assert.ok(seconds < IDLE_SHARE * core, `${kind}: ${seconds} s beside ${core} s of a busy loop`);
    }
  });
});
