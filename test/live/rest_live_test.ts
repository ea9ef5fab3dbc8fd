/** What daemons do at rest, counted by the kernel: how often their main threads are woken. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Host } from "./host.ts";
import { figure, liveTest, startMesh, withHosts } from "./mesh.ts";

/** What followed from the founding is over by then. */
const SETTLED_MS = 8000;
const SECONDS = 10;
/** A tick every 100 ms alone makes ten; a node at rest with two links needs four or five. */
const WAKEUPS_PER_SECOND = 9;

function wakeups(host: Host): number {
  const status = readFileSync(`/proc/${host.daemon.pid}/status`, "utf8");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)![1]);
}

liveTest("A daemon of a mesh at rest is woken a few times a second", async () => {
  await withHosts(3, async (hosts) => {
    await startMesh(hosts, ["compiled"]);
    await sleep(SETTLED_MS);
    const before = hosts.map(wakeups);
    await sleep(SECONDS * 1000);
    const each = hosts.map((host, i) => (wakeups(host) - before[i]!) / SECONDS);
    figure(`wakeups a second at rest: ${each.join(", ")}`);
    assert.ok(Math.min(...each) < WAKEUPS_PER_SECOND, `${each} wakeups a second`);
  });
});
