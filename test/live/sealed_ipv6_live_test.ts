/** A sealed mesh whose hosts have nothing but IPv6 between them. */
import assert from "node:assert/strict";
import type { Host } from "./host.ts";
import { assertAllPairs, figure, iperf, liveTest, NETWORK, transfer, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

const BYTES = 20_000_000;

liveTest("a sealed mesh over IPv6: handshakes, pings, great and small writes, a restart", async () => {
  await withHosts(3, async (hosts, folder) => {
    const [alpha, beta, gamma] = hosts as [Host, Host, Host];
    for (const [i, host] of hosts.entries()) {
      await host.sh(`ip -4 addr flush dev eth0; ip addr add fd00:99::${i + 1}/64 dev eth0 nodad`);
    }
    const secret = ["--secret-file", secretFile(folder)];
    const peers = [...secret, "--peers", "[fd00:99::1]:8473"];
    alpha.up("compiled", [...secret, "--network", NETWORK]);
    beta.up("bun", peers);
    gamma.up("deno", peers);
    const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(2)));
    for (const { node, peers } of statuses) {
      assert.equal(node.mtu, 1420, "1500 less IPv6 40, UDP 8, header 16, tag 16");
      for (const peer of peers) {
        assert.match(peer.endpoint!, /^\[fd00:99::[123]\]:8473$/);
        assert.deepEqual([peer.security, peer.path], ["sealed", "tunnel"]);
      }
    }
    await assertAllPairs(hosts, statuses);
    const [here, there] = statuses.map(({ node }) => node.address!) as [string, string];
    await transfer(alpha, beta, there, BYTES);
    await transfer(beta, alpha, here, BYTES / 10, true);
    figure(`sealed over IPv6, TCP 1 stream: ${(await iperf(alpha, beta, there, 2)).toFixed(0)} Mbit/s`);
    await gamma.daemon.kill("SIGKILL");
    gamma.up("compiled", peers);
    const again = (await gamma.daemon.ready(2)).node;
    assert.equal(again.subnet, statuses[2]!.node.subnet);
    assert.equal(await alpha.pingLoss(again.address!), 0);
    for (const host of hosts) {
      const { drops } = await host.daemon.status();
      for (const name of ["malformed", "spoofed", "bad-seal", "send-failed"]) {
        assert.equal(drops[name], 0, name);
      }
    }
  });
});
