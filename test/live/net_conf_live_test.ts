/** flannel's net-conf as a mesh is founded by it: what other tests read of it, seen on the host. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMMANDS, type Host } from "./host.ts";
import { liveTest, withHosts } from "./mesh.ts";

liveTest("a mesh founded by flannel's net-conf has its network, subnet length, port and MTU", async () => {
  await withHosts(2, async (hosts, folder) => {
    const [alpha, beta] = hosts as [Host, Host];
    const file = join(folder, "net-conf.json");
    const backend = '{"type":"VXLAN","VNI":7,"Port":8999,"MTU":1400}';
    writeFileSync(file, `{"network":"10.42.33.4/23","Backend":${backend}}`);
    alpha.up("compiled", ["--net-conf", file]);
    beta.up("compiled", ["--net-conf", file, "--peers", alpha.underlay]);
    for (const host of [alpha, beta]) {
      const { node, network } = await host.daemon.ready(1);
      assert.deepEqual([network.cidr, network.subnetLen, node.backend], ["10.42.32.0/23", 25, "vxlan"]);
      assert.equal(node.mtu, 1350, "of 1400 between the hosts, VXLAN takes 50");
      assert.equal(host.readSubnetFile()["FLANNEL_MTU"], "1350");
      assert.match(await host.sh("ss -Hlnu"), /:8999\b/);
    }
    const { node } = await beta.daemon.status();
    assert.equal(await alpha.pingLoss(node.address!), 0);
    writeFileSync(file, '{"cniVersion":"1.0.0","plugins":[]}');
    const own = ["--run-dir", `${alpha.runDir}-2`, "--state-dir", `${alpha.stateDir}-2`];
    const refused = await alpha.run([COMMANDS.compiled[0]!, "up", "--plain", "--net-conf", file, ...own]);
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /has none of flannel's keys/);
  });
});
