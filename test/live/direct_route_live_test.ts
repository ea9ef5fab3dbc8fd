/** Hosts on one link need no tunnel: gateway routes, by --backend host-gw or --direct-routing. */
import assert from "node:assert/strict";
import { type Host } from "./host.ts";
import { assertAllPairs, liveTest, startMesh, transfer, withHosts } from "./mesh.ts";

const CASES: readonly (readonly string[])[] = [
  ["--backend", "host-gw"],
  ["--backend", "udp", "--direct-routing"],
];

for (const flags of CASES) {
  liveTest(`${flags.join(" ")} carries traffic by routes between hosts on one link`, async () => {
    await withHosts(3, async (hosts) => {
      const statuses = await startMesh(hosts, ["compiled", "bun"], flags);
      for (const [i, status] of statuses.entries()) {
        const routes = await hosts[i]!.sh("ip -4 route");
        for (const peer of status.peers) {
          assert.equal(peer.path, "direct-route", `${status.node.name} → ${peer.name}: ${peer.why}`);
          const gateway = hosts.find((host) => host.name === peer.name)!.underlay;
          assert.ok(routes.includes(`${peer.subnet} via ${gateway} dev eth0`), routes);
        }
      }
      await assertAllPairs(hosts, statuses);
      const [alpha, beta] = hosts as [Host, Host];
      await transfer(alpha, beta, statuses[1]!.node.address!, 2_000_000);
      await alpha.daemon.kill("SIGTERM");
      assert.ok(!(await alpha.sh("ip -4 route")).includes("10.42."), "the routes go with the daemon");
    });
  });
}
