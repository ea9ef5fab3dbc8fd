/**
 * What a host has where the mesh's network is: broad routes stop nobody, a member goes on beside anything, and says what
 * it does not reach for as long as that is so.
 */
import assert from "node:assert/strict";
import { type Host, until } from "./host.ts";
import { liveTest, NETWORK, withHosts } from "./mesh.ts";

const BROAD = "ip route add 172.16.0.0/12 via 10.99.0.254; ip route add 10.0.0.0/8 via 10.99.0.254";

async function warned(host: Host, words: RegExp): Promise<string> {
  return await until(`${host.name} warns ${words}`, 15_000, async () => {
    const { warnings } = await host.daemon.status();
    return warnings.find((line) => words.test(line)) ?? null;
  });
}

async function quiet(host: Host, words: RegExp): Promise<void> {
  await until(`${host.name} no longer warns ${words}`, 15_000, async () => {
    const { warnings } = await host.daemon.status();
    return warnings.some((line) => words.test(line)) ? null : true;
  });
}

liveTest(
  "a member keeps its lease beside whatever the host has later, and says what it does not reach",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      for (const host of hosts) await host.sh(BROAD);
      alpha.up("compiled", ["--network", "172.30.0.0/16", "--subnet", "172.30.5.0/24"]);
      await alpha.daemon.ready(0);
      beta.up("bun", ["--peers", alpha.underlay]);
      const { subnet } = (await beta.daemon.ready(1)).node;
      await beta.firstAnswer("172.30.5.0", 5000);

      // A hotspot comes while it runs.
      await beta.sh(
        "ip link add hot0 type veth peer name hot1; ip link set hot0 up; ip addr add 172.30.0.1/24 dev hot0",
      );
      await warned(beta, /^172\.30\.0\.1\/24 on hot0 overlaps .*172\.30\.0\.0\/24 of the mesh/);
      await beta.daemon.kill("SIGKILL");
      beta.up("compiled", []);
      assert.equal((await beta.daemon.ready(1)).node.subnet, subnet);
      await warned(beta, /on hot0 overlaps/);
      assert.match(beta.daemon.log(), /172\.30\.0\.1\/24 on hot0 overlaps/);
      await beta.sh("ip link del hot0");
      await quiet(beta, /hot0/);

      // The same network as the mesh's on the LAN, then in a table before the main one.
      await beta.sh("ip route add 172.30.0.0/16 via 10.99.0.254 metric 100");
      await warned(beta, /^Cannot add route 172\.30\.0\.0\/16 dev ovl0: .* metric 100 .*is in its place/);
      assert.doesNotMatch(await beta.sh("ip -4 route get 172.30.5.0"), /ovl0/);
      await beta.sh("ip route del 172.30.0.0/16 metric 100");
      await beta.firstAnswer("172.30.5.0", 15_000);
      await quiet(beta, /in its place/);
      await beta.sh(
        "ip route add 172.16.0.0/12 via 10.99.0.254 table 52; ip rule add lookup 52 priority 5270",
      );
      const line = await warned(beta, /table 52, consulted before the main table \(rule 5270\)/);
      await beta.sh(/ip rule add to .*$/.exec(line)![0]);
      await quiet(beta, /table 52/);
      await beta.firstAnswer("172.30.5.0", 5000);

      // With all of it in the way it still comes back with what it had.
      await beta.sh(
        "ip rule del priority 5269; ip route add 172.30.0.0/16 dev eth0 metric 50; ip route add blackhole 172.30.9.0/24",
      );
      await beta.daemon.kill("SIGKILL");
      beta.up("compiled", ["--network", "172.30.0.0/16"]);
      const again = await until("beta is a member again", 10_000, async () => {
        const { node } = await beta.daemon.status();
        return node.leaseState === "confirmed" ? node : null;
      });
      assert.equal(again.subnet, subnet);
      await warned(beta, /^The route blackhole 172\.30\.9\.0\/24 overlaps/);
      assert.doesNotMatch(alpha.daemon.log(), /released .* and left/);
    });
  },
);

liveTest(
  "a founder draws a network beside broad routes, and takes one that only a sink contains",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      await alpha.sh(`${BROAD}; ip route add blackhole 192.168.0.0/16`);
      alpha.up("compiled", []);
      assert.match((await alpha.daemon.ready(0)).network.cidr!, /^10\.\d+\.0\.0\/16$/);
      await alpha.daemon.kill("SIGTERM");
      await beta.sh(`ip route add unreachable ${NETWORK}; ip route add blackhole 10.0.0.0/8`);
      beta.up("compiled", ["--network", NETWORK]);
      await beta.daemon.ready(0);
      assert.match(await beta.sh("ip -4 route get 10.42.200.1"), /dev ovl0/);
      await beta.daemon.kill("SIGTERM");
      assert.match(
        await beta.sh("ip -4 route show"),
        /^unreachable 10\.42\.0\.0\/16/m,
        "the sink is still there",
      );
    });
  },
);

liveTest(
  "a host that left with README's bridge joins again, and is told how to remove the bridge",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      alpha.up("compiled", ["--network", NETWORK]);
      await alpha.daemon.ready(0);
      beta.up("compiled", ["--peers", alpha.underlay]);
      await beta.daemon.ready(1);
      const bridge = beta.readSubnetFile().FLANNEL_SUBNET!;
      await beta.sh(`ip link add cbr0 type bridge; ip addr add ${bridge} dev cbr0; ip link set cbr0 up`);
      const { code, stderr } = await beta.ovltun(["down", "--purge"]);
      assert.equal(code, 0, stderr);
      assert.ok(
        stderr.includes(`The bridge cbr0 still has ${bridge} of this mesh; to remove it: ip link del cbr0`),
        stderr,
      );
      beta.up("compiled", [
        "--peers",
        alpha.underlay,
        "--subnet",
        bridge === "10.42.9.1/24" ? "10.42.8.0/24" : "10.42.9.0/24",
      ]);
      await beta.daemon.ready(1);
      await warned(beta, /on the bridge cbr0 overlaps .*: ip link del cbr0$/);
      await beta.sh("ip link del cbr0");
      await quiet(beta, /cbr0/);
      assert.match(beta.daemon.log(), /No longer: .* on the bridge cbr0 overlaps/);
      assert.deepEqual((await beta.daemon.status()).warnings, []);
    });
  },
);
