/** The disk under a real daemon: one that stands still, and what is on it after a power cut. */
import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { type Host, type Kind, until } from "./host.ts";
import { assertAllPairs, liveTest, startMesh, withHosts } from "./mesh.ts";

for (const kind of ["compiled", "deno"] as const satisfies readonly Kind[]) {
  liveTest(
    `a write that the kernel does not let go on leaves the node alive, and is done after it (${kind})`,
    async () => {
      await withHosts(3, async (hosts) => {
        const [alpha, beta, gamma] = hosts as [Host, Host, Host];
        const [, status] = await startMesh([alpha, beta], [kind]);
        // open(2) of a FIFO for writing waits for a reader: every write to the journal stands still.
        const peers = join(beta.stateDir, "peers");
        renameSync(peers, `${peers}.before`);
        await beta.sh(`mkfifo -m 600 ${peers}`);
        gamma.up(kind, ["--peers", alpha.underlay]);
        const { node } = await gamma.daemon.ready(2);
        await until("status of beta says so", 10_000, async () => {
          const { warnings } = JSON.parse((await beta.ovltun(["status", "--json"], kind)).stdout);
          return warnings.some((line: string) => /does not finish a write/.test(line)) ? true : null;
        });
        assert.equal(await alpha.pingLoss(status!.node.address!, 40), 0);
        assert.equal(await beta.pingLoss(node.address!, 40), 0);
        assert.equal((await alpha.daemon.peer(beta.name))?.state, "alive");
        // Out of the way first: the write that waits has it open, the next finds the file.
        await beta.sh(`mv ${peers} ${peers}.fifo && mv ${peers}.before ${peers}`);
        await beta.sh(`timeout 10 cat ${peers}.fifo > /dev/null; rm ${peers}.fifo`);
        await until("nothing is wrong any more", 20_000, async () => {
          const { warnings } = JSON.parse((await beta.ovltun(["status", "--json"], kind)).stdout);
          return warnings.length === 0 ? true : null;
        });
      });
    },
  );
}

liveTest(
  "a mesh whose power went out starts again in any order, without --peers, from what the disks have",
  async () => {
    await withHosts(3, async (hosts) => {
      const kinds: readonly Kind[] = ["compiled", "bun", "deno"];
      const before = await startMesh(hosts, kinds);
      await until("all know all, and it is on every disk", 10_000, async () => {
        const known = await Promise.all(hosts.map(async (host) => {
          const text = await host.sh(`cut -d' ' -f2,3 ${join(host.stateDir, "peers")} | sort -u`);
          return text.split("\n").filter((line) => line.startsWith("p ")).length;
        }));
        return known.every((n) => n === 2) ? true : null;
      });
      await Promise.all(hosts.map((host) => host.daemon.kill("SIGKILL")));
      for (const n of [2, 0, 1]) hosts[n]!.up(kinds[n]!, []);
      const after = await Promise.all(hosts.map((host) => host.daemon.ready(2, 20_000)));
      assert.deepEqual(after.map(({ node }) => node.subnet), before.map(({ node }) => node.subnet));
      await assertAllPairs(hosts, after);
    });
  },
);
