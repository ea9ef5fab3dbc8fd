/** `ovltun lab --chaos`: a short one must hold, replay, and leave nothing however it ends. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChaosReport } from "../../src/lab/chaos/chaos_report.ts";
import { chaosSchedule } from "../../src/lab/chaos/schedule.ts";
import { isAlive } from "../../src/sys/process_alive.ts";
import { TOP, until } from "./host.ts";
import { figure, liveTest } from "./mesh.ts";

const BINARY = join(TOP, "dist/ovltun");
const SECONDS = 18;
const SEED = 9;

/** Pids of processes whose command line names this directory. */
function processesOf(folder: string): number[] {
  return readdirSync("/proc").map(Number).filter((pid) => {
    try {
      return pid > 0 && isAlive(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(folder);
    } catch {
      return false; // it has just ended
    }
  });
}

/** Disks of the lab's hosts that any process still sees. */
function mountsOf(folder: string): string[] {
  return readdirSync("/proc").filter((name) => Number(name) > 0).flatMap((pid) => {
    try {
      return readFileSync(`/proc/${pid}/mounts`, "latin1").split("\n").filter((line) =>
        line.includes(folder)
      );
    } catch {
      return []; // it has just ended
    }
  });
}

const foldersOf = (pid: number) =>
  readdirSync(tmpdir()).filter((name) => name.startsWith(`ovltun-lab-${pid}-`));

liveTest("lab --chaos: a short one holds, and what happened is what the seed says", () => {
  const args = ["lab", "--chaos", `${SECONDS}`, "--seed", `${SEED}`, "--hosts", "5", "--json"];
  const { status, stdout, stderr } = spawnSync(BINARY, args, { encoding: "utf8", timeout: 300_000 });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  const report = JSON.parse(stdout) as ChaosReport;
  assert.equal(report.ok, true);
  const splits = chaosSchedule(report.hosts, SECONDS, SEED).filter(({ kind }) => kind === "split");
  assert.ok(splits.length > 0);
  assert.equal(report.timeline.filter(({ what }) => what === "split").length, splits.length);
  assert.equal(report.pairs.length, 20);
  assert.ok(report.echoes.answered > 100, JSON.stringify(report.echoes));
  // On a machine that is busy with other things little may count.
  assert.ok(report.echoes.judged > 100 || report.starvedSeconds > 0, JSON.stringify(report.echoes));
  figure(
    `chaos, ${SECONDS} s, 5 hosts: ${report.conflicts.count} subnets with two holders, ${report.yields} leases changed, ` +
      `${report.echoes.judged} echoes judged, whole after ${report.seconds} s`,
  );
  return Promise.resolve();
});

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  liveTest(`the hosts of lab --chaos end with it after ${signal}, also a paused one`, async () => {
    const seed = seedWithEarlyPause();
    const lab = spawn(BINARY, ["lab", "--chaos", "60", "--seed", `${seed}`, "--hosts", "3"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    lab.stdout.setEncoding("utf8").on("data", (text: string) => said += text);
    lab.stderr.resume();
    const ended = new Promise((resolve) => lab.on("exit", resolve));
    try {
      await until("a host is paused", 30_000, () => / {2}pause {2}/.test(said) ? true : null);
      const [folder] = foldersOf(lab.pid!);
      assert.equal(processesOf(folder!).length > 1, true);
      assert.ok(mountsOf(folder!).length > 0);
      lab.kill(signal);
      await ended;
      await until("all hosts are gone", 10_000, () => processesOf(folder!).length === 0 ? true : null);
      assert.deepEqual(mountsOf(folder!), []);
      if (signal === "SIGINT") assert.deepEqual(foldersOf(lab.pid!), []);
    } finally {
      lab.kill("SIGKILL");
    }
  });
}

/** One that pauses a host for long, before anything else happens. */
function seedWithEarlyPause(): number {
  for (let seed = 1;; seed++) {
    const [first, second] = chaosSchedule(["alpha", "beta", "gamma"], 60, seed);
    if (first?.kind === "pause" && second !== undefined && second.at - first.at > 1000) return seed;
  }
}
