/** A node keeps its subnet: its identity is its key, and the claim is on disk before it is used. */
import assert from "node:assert/strict";
import { type Host, until } from "./host.ts";
import { liveTest, NETWORK, startMesh, withHosts } from "./mesh.ts";

liveTest("a killed member comes back with its subnet, and the mesh heals", async () => {
  await withHosts(3, async (hosts) => {
    const statuses = await startMesh(hosts, ["compiled"]);
    const [alpha, beta] = hosts as [Host, Host];
    const before = statuses[1]!.node;
    await beta.daemon.kill("SIGKILL");
    beta.up("compiled", ["--peers", alpha.underlay]);
    const after = (await beta.daemon.ready(2)).node;
    assert.equal(after.subnet, before.subnet);
    assert.equal(after.id, before.id);
    await alpha.firstAnswer(before.address!, 5000);
    assert.equal(await beta.pingLoss(statuses[2]!.node.address!), 0);
  });
});

liveTest("a killed founder comes back to its mesh instead of founding another", async () => {
  await withHosts(2, async (hosts) => {
    const statuses = await startMesh(hosts, ["bun", "compiled"]);
    const [alpha, beta] = hosts as [Host, Host];
    await alpha.daemon.kill("SIGKILL");
    alpha.up("bun", ["--network", NETWORK]);
    const after = await alpha.daemon.ready(1);
    assert.equal(after.node.subnet, statuses[0]!.node.subnet);
    assert.equal(after.network.id, statuses[0]!.network.id);
    await beta.firstAnswer(after.node.address!, 5000);
  });
});

liveTest("a killed member is found dead, and its lease stays its own", async () => {
  await withHosts(3, async (hosts) => {
    const statuses = await startMesh(hosts, ["compiled"]);
    const [alpha, beta] = hosts as [Host, Host];
    await beta.daemon.kill("SIGKILL");
    const peer = await until("alpha sees that beta is gone", 20_000, async () => {
      const seen = await alpha.daemon.peer("beta");
      return seen?.state === "dead" ? seen : null;
    });
    assert.equal(peer.subnet, statuses[1]!.node.subnet);
    assert.notEqual(peer.why, "");
  });
});
