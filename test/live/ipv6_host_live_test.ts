/**
 * What a mesh of both families does to a real host: addresses and routes of IPv6 are there, come back, and go; a host whose
 * IPv6 is switched off has the IPv4 half, and says so; TCP reaches the device's address beside a bridge.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type Host, until } from "./host.ts";
import { liveTest, NETWORK, tracesOf, transfer, withHosts } from "./mesh.ts";

const FOUNDING = ["--network", NETWORK, "--network6", "fd42:1:2::/48"];

const ipv6Of = (host: Host) =>
  host.sh("ip -6 -o addr show dev ovl0 scope global; ip -6 route show proto 84 table main | sort");

liveTest(
  "IPv6 of the lease is on the host, stays as it is, comes back when deleted, and goes with the daemon",
  async () => {
    await withHosts(1, async ([host]) => {
      const before = await tracesOf(host!);
      const daemon = host!.up("compiled", FOUNDING);
      const { node } = await daemon.ready(0);
      const first = await ipv6Of(host!);
      assert.match(first, new RegExp(`inet6 ${node.address6}/128 scope global`));
      assert.match(first, new RegExp(`^fd42:1:2::/48 dev ovl0 src ${node.address6} metric 1024`, "m"));
      assert.match(first, new RegExp(`^unreachable ${node.subnet6}`, "m"));
      assert.deepEqual(
        Object.entries(host!.readSubnetFile()).slice(0, 4).map(([key, text]) => [key, text]),
        [
          ["FLANNEL_NETWORK", NETWORK],
          ["FLANNEL_SUBNET", node.subnet!.replace("0/24", "1/24")],
          ["FLANNEL_IPV6_NETWORK", "fd42:1:2::/48"],
          ["FLANNEL_IPV6_SUBNET", node.subnet6!.replace("/64", "1/64")],
        ],
      );
      const log = daemon.log();
      await sleep(6000); // it looks again after five seconds
      assert.equal(daemon.log(), log, "nothing is repaired where nothing was broken");
      await host!.sh(`ip -6 route del fd42:1:2::/48; ip -6 route del unreachable ${node.subnet6}`);
      await host!.sh(`ip -6 addr del ${node.address6}/128 dev ovl0`);
      await until("all is back", 6000, async () => await ipv6Of(host!) === first ? true : null);
      const { code, stderr } = await host!.ovltun(["down"]);
      assert.equal(code, 0, stderr);
      assert.equal(await tracesOf(host!), before);
    });
  },
);

liveTest(
  "a host whose IPv6 is switched off has the IPv4 half, says so, and has both once it is on",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      alpha.up("compiled", FOUNDING);
      await alpha.daemon.ready(0);
      await beta.sh("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
      beta.up("compiled", ["--peers", alpha.underlay]);
      const { node, warnings } = await beta.daemon.ready(1);
      assert.equal(await alpha.pingLoss(node.address!), 0);
      const words =
        /This host has no IPv6, so its lease fd42:\S+ is not reachable \(allow it: (sysctl -w \S+)\)/;
      const [, remedy] = words.exec(warnings.join("\n")) ?? [];
      assert.ok(remedy !== undefined, warnings.join("\n"));
      await beta.sh(
        remedy.replace(/^sysctl -w (\S+)=0$/, (_, key) => `echo 0 > /proc/sys/${key.replaceAll(".", "/")}`),
      );
      await until("the warning is gone", 6000, async () => {
        return (await beta.daemon.status()).warnings.length === 0 ? true : null;
      });
      await alpha.firstAnswer(node.address6!, 5000);
    });
  },
);

liveTest(
  "TCP reaches the device's IPv6 address also where a bridge has the lease and the host forwards",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      alpha.up("compiled", FOUNDING);
      await alpha.daemon.ready(0);
      beta.up("compiled", ["--peers", alpha.underlay]);
      const { node } = await beta.daemon.ready(1);
      await alpha.daemon.ready(1);
      await beta.sh(`
      echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
      ip link add br9 type bridge; ip link add v0 type veth peer name v1
      ip link set v0 master br9; ip link set v0 up; ip link set v1 up; ip link set br9 up
      ip addr add ${node.subnet6!.replace("/64", "1/64")} dev br9 nodad
    `);
      await beta.daemon.kill("SIGTERM"); // the bridge is there first
      beta.up("compiled", []);
      await beta.daemon.ready(1);
      await alpha.daemon.ready(1);
      await transfer(alpha, beta, node.address6!, 100_000);
      await transfer(alpha, beta, node.subnet6!.replace("/64", "1"), 100_000);
    });
  },
);
