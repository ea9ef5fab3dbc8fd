/** Nonsense at every open port leaves the daemon running, the traffic flowing, and is counted. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Host, type Kind, TOP, until } from "./host.ts";
import { figure, liveTest, startMesh, withHosts } from "./mesh.ts";

const DATAGRAMS = 10_000;

async function openPorts(host: Host): Promise<string[]> {
  const lines = (await host.sh("ss -Hlnu")).trim().split("\n").filter(Boolean);
  return [...new Set(lines.map((line) => /:(\d+)\s/.exec(line)![1]!))].sort();
}

const CASES: readonly (readonly [string, Kind, readonly string[]])[] = [
  ["udp", "deno", ["8473"]],
  ["vxlan", "compiled", ["8472", "8473"]],
];

for (const [backend, kind, ports] of CASES) {
  liveTest(`${DATAGRAMS} random and truncated datagrams do not disturb a ${backend} node`, async () => {
    await withHosts(3, async (hosts) => {
      const [alpha, beta, gamma] = hosts as [Host, Host, Host];
      const [, { node }] = await startMesh([alpha, beta], [kind, "compiled"], ["--backend", backend]) as [
        unknown,
        { node: { address: string } },
      ];
      const open = await openPorts(alpha);
      assert.deepEqual(open.filter((port) => ports.includes(port)), ports);
      const sum = async () =>
        Object.values((await alpha.daemon.status()).drops).reduce((total, count) => total + count, 0);
      const before = await sum();
      const bun = join(TOP, "node_modules/.bin/bun");
      const sender = join(TOP, "test/live/nonsense_sender.ts");
      // From a stranger, and from a member's own address.
      for (const from of [gamma, beta]) {
        const sent = await from.run([bun, sender, alpha.underlay, `${DATAGRAMS / 2}`, ...open]);
        assert.equal(sent.code, 0, sent.stderr);
      }
      const drops = await until("every datagram is counted", 5000, async () => {
        const now = (await sum()) - before;
        return now >= DATAGRAMS ? now : null;
      });
      figure(
        `nonsense at a ${backend} node on ports ${
          open.join(", ")
        }: ${drops} of ${DATAGRAMS} counted as dropped`,
      );
      assert.ok(alpha.daemon.running);
      assert.equal(await alpha.pingLoss(node.address), 0);
      assert.equal((await alpha.daemon.status()).peers.length, 1, "nobody new is believed in");
    });
  });
}
