/**
 * What a daemon says of its offloads: the self-test at its start, in either runtime and the binary, and why one is off.
 */
import assert from "node:assert/strict";
import type { Host, Kind } from "./host.ts";
import { figure, liveTest, NETWORK, withHosts } from "./mesh.ts";

const ON = { tso: true, uso: true, gso: true, gro: true };
const NO_LOSS = { "tso-lost": 0, "uso-lost": 0, "gso-lost": 0, "gro-lost": 0 };

/** Milliseconds of both parts of the self-test, as logged. */
function took(host: Host): number {
  const lines = [...host.daemon.log().matchAll(/Self-test of \w+: ([a-z ]+) milliseconds=([\d.]+)/g)];
  assert.equal(lines.length, 2, host.daemon.log());
  return lines.reduce((sum, line) => sum + Number(line[2]), 0);
}

for (const kind of ["compiled", "bun", "deno"] as Kind[]) {
  for (const workers of ["1", "3"]) {
    liveTest(`the self-test passes before traffic: ${kind}, ${workers} workers`, async () => {
      await withHosts(1, async (hosts) => {
        const [alpha] = hosts as [Host];
        alpha.up(kind, ["--network", NETWORK, "--log-level", "debug", "--workers", workers]);
        const { node, counters } = await alpha.daemon.ready(0);
        assert.deepEqual(node.selfTest, { trains: "passed", superframes: "passed" });
        assert.deepEqual([node.offloads, node.offloadsOff], [ON, {}]);
        for (const [name, count] of Object.entries(NO_LOSS)) assert.equal(counters[name], count);
        const milliseconds = took(alpha);
        figure(`self-test, ${kind}: ${milliseconds.toFixed(1)} ms`);
      });
    });
  }
}

liveTest("without a loopback the self-test says so, and the node goes on", async () => {
  await withHosts(1, async (hosts) => {
    const [alpha] = hosts as [Host];
    await alpha.sh("ip link set lo down");
    alpha.up("compiled", ["--network", NETWORK, "--log-level", "debug", "--no-uso"]);
    const { node } = await alpha.daemon.ready(0);
    assert.deepEqual(node.selfTest, { trains: "not tested", superframes: "passed" });
    assert.deepEqual(node.offloads, { ...ON, uso: false });
    assert.deepEqual(node.offloadsOff, { uso: "switched off" });
    figure(`self-test without a loopback: ${took(alpha).toFixed(1)} ms`);
  });
});
