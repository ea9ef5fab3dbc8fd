/** Who founds, who waits, and what happens when two founded. */
import assert from "node:assert/strict";
import { type Host, until } from "./host.ts";
import { assertAllPairs, figure, liveTest, NETWORK, withHosts } from "./mesh.ts";

liveTest("five hosts started together with one another as peers form one mesh", async () => {
  await withHosts(5, async (hosts) => {
    const began = performance.now();
    for (const host of hosts) {
      const others = hosts.filter((other) => other !== host).map((other) => other.underlay);
      host.up("compiled", ["--network", NETWORK, "--peers", others.join(",")]);
    }
    const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(4, 20_000)));
    figure(`five simultaneous joiners: one mesh after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    assert.equal(new Set(statuses.map((status) => status.network.id)).size, 1);
    assert.equal(new Set(statuses.map((status) => status.node.subnet)).size, 5);
    await assertAllPairs(hosts, statuses);
  });
});

liveTest("a host whose peer is down waits, says for whom, and joins when it comes", async () => {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    beta.up("compiled", ["--peers", alpha.underlay]);
    const waiting = await until("beta says whom it waits for", 8000, async () => {
      const { node } = await beta.daemon.status();
      return node.waitingFor.length > 0 && node.waitingFor[0]!.sinceSeconds >= 2.5 ? node : null;
    });
    assert.equal(waiting.leaseState, "joining");
    assert.equal(waiting.subnet, null);
    assert.match(waiting.waitingFor[0]!.endpoint, /10\.99\.0\.1/);
    assert.notEqual(waiting.waitingFor[0]!.hint, "");
    assert.match(beta.daemon.log(), /10\.99\.0\.1/);
    assert.equal((await beta.ovltun(["wait", "--timeout", "1s"])).code, 1);
    alpha.up("compiled", ["--network", NETWORK]);
    const joined = await beta.daemon.ready(1);
    assert.equal(joined.network.cidr, NETWORK);
    await beta.firstAnswer((await alpha.daemon.ready(1)).node.address!, 3000);
  });
});

liveTest("two founders that meet with the same subnet: one keeps it, one claims anew", async () => {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    const wish = "10.42.9.0/24";
    beta.setCable(false);
    for (const [host, other] of [[alpha, beta], [beta, alpha]] as const) {
      host.up("compiled", ["--found", "--network", NETWORK, "--subnet", wish, "--peers", other.underlay]);
    }
    for (const host of hosts) assert.equal((await host.daemon.ready(0)).node.subnet, wish);
    beta.setCable(true);
    const healed = performance.now();
    const nodes = await until("the conflict is over", 10_000, async () => {
      const both = await Promise.all(hosts.map((host) => host.daemon.ready(1, 0)));
      return both[0]!.node.subnet === both[1]!.node.subnet ? null : both.map((status) => status.node);
    });
    figure(`conflict of two founders over after ${((performance.now() - healed) / 1000).toFixed(1)} s`);
    assert.equal(nodes.filter((node) => node.subnet === wish).length, 1, "exactly one keeps the subnet");
    for (const [i, host] of hosts.entries()) {
      await until(`subnet.env of ${host.name} names its lease`, 2000, () => {
        const written = host.readSubnetFile().FLANNEL_SUBNET;
        return written === nodes[i]!.subnet!.replace(".0/24", ".1/24") ? written : null;
      });
    }
    const loser = nodes[0]!.subnet === wish ? beta : alpha;
    assert.match(loser.daemon.log(), /10\.42\.9\.0\/24/, "the loser says what it lost");
    await alpha.firstAnswer(nodes[1]!.address!, 3000);
    await beta.firstAnswer(nodes[0]!.address!, 3000);
  });
});
