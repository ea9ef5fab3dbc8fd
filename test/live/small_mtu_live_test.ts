/**
 * Underlays that take less than a handshake is long: at the hosts themselves, and at a router between them, whether or not
 * its errors come back. And what a host itself refuses to send is told by name, not laid to a firewall far away.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import type { Status } from "../../src/api/schema.ts";
import type { Host } from "./host.ts";
import { until } from "./host.ts";
import { assertAllPairs, liveTest, NETWORK, startMesh, transfer, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

/** alpha and beta on networks of their own, and a router between them that forwards `mtu` bytes at most. */
async function routed(
  [alpha, beta]: readonly [Host, Host],
  between: <T>(start: () => T) => T,
  mtu: number,
  more = "",
): Promise<void> {
  const script = `
    ip link set to-alpha nomaster; ip link set to-beta nomaster
    ip address add 10.98.1.254/24 dev to-alpha; ip address add 10.98.2.254/24 dev to-beta
    ip route change 10.98.1.0/24 dev to-alpha mtu lock ${mtu}
    ip route change 10.98.2.0/24 dev to-beta mtu lock ${mtu}; sysctl -qw net.ipv4.ip_forward=1; ${more}`;
  between(() => execFileSync("sh", ["-ec", script]));
  for (const [i, host] of [alpha, beta].entries()) {
    await host.sh(`ip address flush dev eth0; ip address add 10.98.${i + 1}.1/24 dev eth0
      ip route add default via 10.98.${i + 1}.254`);
  }
}

/** Waits until every host reaches every other and nothing is lost. */
async function reachable(hosts: readonly Host[], statuses: readonly Status[]): Promise<void> {
  await until("all pairs ping", 15_000, async () => {
    await assertAllPairs(hosts, statuses);
    return true;
  });
}

liveTest("hosts whose own links take 1000 and 576 bytes: they join, ping, and carry TCP", async () => {
  for (const { mtu, sealed } of [{ mtu: 1000, sealed: true }, { mtu: 576, sealed: false }]) {
    await withHosts(3, async (hosts, folder) => {
      for (const host of hosts) await host.sh(`ip link set eth0 mtu ${mtu}`);
      const statuses = await startMesh(
        hosts,
        ["compiled"],
        sealed ? ["--secret-file", secretFile(folder)] : [],
      );
      assert.equal(statuses[0]!.node.mtu, mtu - (sealed ? 60 : 44));
      await reachable(hosts, statuses);
      const [alpha, , gamma] = hosts as [Host, Host, Host];
      await transfer(alpha, gamma, statuses[2]!.node.address!, 2_000_000);
    });
  }
});

liveTest("IPv6 links of 1280 bytes, the least there is: sealed, they join, ping, and carry TCP", async () => {
  await withHosts(3, async (hosts, folder) => {
    for (const [i, host] of hosts.entries()) {
      await host.sh(`ip -4 address flush dev eth0; ip link set eth0 mtu 1280
        ip address add fd00:99::${i + 1}/64 dev eth0 nodad`);
    }
    const secret = ["--secret-file", secretFile(folder)];
    hosts[0]!.up("compiled", [...secret, "--network", NETWORK]);
    for (const host of hosts.slice(1)) host.up("compiled", [...secret, "--peers", "[fd00:99::1]:8473"]);
    const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(2)));
    assert.equal(statuses[0]!.node.mtu, 1200);
    await reachable(hosts, statuses);
    await transfer(hosts[1]!, hosts[2]!, statuses[2]!.node.address!, 2_000_000);
    for (const host of hosts) assert.equal((await host.daemon.status()).drops["send-failed"], 0);
  });
});

liveTest("a router between that takes 1000 bytes: they join, ping, and carry TCP both ways", async () => {
  await withHosts(2, async (hosts, folder, between) => {
    const [alpha, beta] = hosts as [Host, Host];
    await routed([alpha, beta], between, 1000);
    const secret = ["--secret-file", secretFile(folder)];
    alpha.up("compiled", ["--network", NETWORK, ...secret]);
    beta.up("compiled", ["--peers", "10.98.1.1", ...secret]);
    const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(1)));
    await reachable(hosts, statuses);
    const [here, there] = statuses.map(({ node }) => node.address!) as [string, string];
    await transfer(alpha, beta, there, 1_000_000);
    await transfer(beta, alpha, here, 1_000_000);
  });
});

liveTest(
  "a router between that takes 576 bytes and keeps its errors: they join and know each other",
  async () => {
    await withHosts(2, async (hosts, folder, between) => {
      const [alpha, beta] = hosts as [Host, Host];
      const silent = `nft add table inet f; nft add chain inet f out '{ type filter hook output priority 0; }'
      nft add rule inet f out ip protocol icmp drop`;
      await routed([alpha, beta], between, 576, silent);
      const secret = ["--secret-file", secretFile(folder)];
      alpha.up("compiled", ["--network", NETWORK, ...secret]);
      beta.up("compiled", ["--peers", "10.98.1.1", ...secret]);
      const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(1)));
      await reachable(hosts, statuses);
    });
  },
);

liveTest(
  "what this host refuses to send is told by its errno: its own firewall, a route, a missing one",
  async () => {
    await withHosts(2, async ([alpha, beta]) => {
      alpha!.up("compiled", ["--network", NETWORK]);
      await alpha!.daemon.ready(0);
      await beta!.sh(`nft add table inet f; nft add chain inet f out '{ type filter hook output priority 0; }'
      nft add rule inet f out udp dport 8473 drop`);
      beta!.up("compiled", ["--peers", alpha!.underlay]);
      const told = async (pattern: RegExp) => {
        await until(`beta tells ${pattern}`, 10_000, async () => {
          const { node, warnings } = await beta!.daemon.status();
          const waiting = node.waitingFor[0]?.message ?? "";
          const lines = [warnings.join(), waiting, beta!.daemon.log()];
          return lines.every((line) => pattern.test(line)) ? true : null;
        });
      };
      await told(/10\.99\.0\.1.*EPERM.*firewall/);
      // The next hindrance before the last one goes: else it joins in between.
      await beta!.sh("ip route add unreachable 10.99.0.1/32; nft delete table inet f");
      await told(/EHOSTUNREACH.*ip route get 10\.99\.0\.1/);
      await beta!.sh("ip route del 10.99.0.0/24; ip route del unreachable 10.99.0.1/32");
      await told(/ENETUNREACH.*no route/);
      await beta!.sh("ip route add 10.99.0.0/24 dev eth0");
      await beta!.daemon.ready(1);
      assert.deepEqual((await beta!.daemon.status()).warnings, []);
      // Later, too: who is linked is told as well, and why says so.
      await beta!.sh(`nft add table inet f; nft add chain inet f out '{ type filter hook output priority 0; }'
      nft add rule inet f out udp dport 8473 drop`);
      await until("why tells it", 10_000, async () => {
        const { stdout } = await beta!.ovltun(["why", "alpha"]);
        return /cannot send: EPERM/.test(stdout) ? true : null;
      });
    });
  },
);
