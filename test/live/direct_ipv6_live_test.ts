/**
 * Direct routes for IPv6 inside the mesh: in meshes of both families and of IPv6 alone, with a tunnel to fall back to and
 * (host-gw) without; where the underlay has no IPv6, or drops what it did not assign, and what is said about it.
 */
import assert from "node:assert/strict";
import type { Status } from "../../src/api/schema.ts";
import { type Host, until } from "./host.ts";
import { liveTest, NETWORK, transfer, withHosts } from "./mesh.ts";

const NETWORK6 = "fd42:1:2::/48";
const BOTH = ["--network", NETWORK, "--network6", NETWORK6];
const BYTES = 3_000_000;

async function addIpv6(hosts: readonly Host[]): Promise<void> {
  for (const [i, host] of hosts.entries()) await host.sh(`ip addr add fd00:99::${i + 1}/64 dev eth0 nodad`);
}

/** What host's kernel does with packets to an address. */
const way = (host: Host, address: string) => host.sh(`ip route get ${address}`);

/** Starts both, and tells what the second is. */
async function started(
  hosts: readonly Host[],
  founding: readonly string[],
  joining: readonly string[],
  seed: string,
): Promise<Status> {
  for (const [i, host] of hosts.entries()) {
    host.up("compiled", i === 0 ? founding : ["--peers", seed, ...joining]);
  }
  return (await Promise.all(hosts.map((host) => host.daemon.ready(1))))[1]!;
}

for (
  const [name, founding, joining] of [
    ["host-gw", ["--backend", "host-gw"], []],
    ["udp with --direct-routing", ["--direct-routing"], ["--direct-routing"]],
  ] as const
) {
  liveTest(`both families take direct routes: ${name}`, async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      await addIpv6(hosts);
      const { node } = await started(hosts, [...BOTH, ...founding], joining, alpha.underlay);
      const inside6 = node.subnet6!.replace("/64", "1");
      const direct = async () =>
        (await way(alpha, inside6)).includes("via fd00:99::2 dev eth0") ? true : null;
      await until("IPv6 is direct", 10_000, direct);
      assert.match(await way(alpha, node.subnet!.replace("0/24", "1")), /via 10\.\S+ dev eth0/);
      const peer = await alpha.daemon.peer(beta.name);
      assert.equal(peer!.path, "direct-route");
      assert.doesNotMatch(peer!.why, /IPv6/);
      for (const address of [node.address!, node.address6!]) await transfer(alpha, beta, address, BYTES);
      await beta.sh(`ip addr add ${inside6}/64 dev eth0 nodad`);
      await transfer(alpha, beta, inside6, BYTES);
      const { stdout } = await alpha.ovltun(["routes", "--json"]);
      const routes = JSON.parse(stdout) as { destination: string; where: string; path: string | null }[];
      const six = routes.filter(({ destination, where }) => destination.includes(":") && where === "host");
      assert.deepEqual(six.filter(({ path }) => path !== null).map(({ destination }) => destination), [
        node.subnet6,
      ]);
      const { code, stderr } = await alpha.ovltun(["down"]);
      assert.equal(code, 0, stderr);
      assert.equal(await alpha.sh("ip -6 route show proto 84; ip route show proto 84"), "");
    });
  });
}

liveTest("a mesh of IPv6 alone takes direct routes over an underlay of IPv6 alone", async () => {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    await addIpv6(hosts);
    for (const host of hosts) await host.sh("ip -4 addr flush dev eth0");
    const founding = ["--network", "none", "--network6", NETWORK6, "--direct-routing"];
    const { node } = await started(hosts, founding, ["--direct-routing"], "[fd00:99::1]:8473");
    await until("the path is direct", 10_000, async () => {
      return (await alpha.daemon.peer(beta.name))?.path === "direct-route" ? true : null;
    });
    assert.match(await way(alpha, node.address6!), /via fd00:99::2 dev eth0/);
    await transfer(alpha, beta, node.address6!, BYTES);
  });
});

liveTest(
  "where the underlay has no IPv6, IPv4 is direct and IPv6 takes the tunnel, and why says so",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      const flags = ["--direct-routing"];
      const { node } = await started(hosts, [...BOTH, ...flags], flags, alpha.underlay);
      const peer = await until("IPv4 is direct", 10_000, async () => {
        const one = await alpha.daemon.peer(beta.name);
        return one?.path === "direct-route" ? one : null;
      });
      assert.match(
        peer.why,
        /; IPv6 takes the tunnel: no direct route: \S+ has no IPv6 address on the link of 10\./,
      );
      assert.match(await way(alpha, node.address6!), /dev ovl0/);
      for (const address of [node.address!, node.address6!]) await transfer(alpha, beta, address, BYTES);
    });
  },
);

liveTest(
  "a switch that drops IPv6 sources it did not assign: IPv6 takes the tunnel, and comes back",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      await addIpv6(hosts);
      await beta.sh(`
      nft add table ip6 switch; nft 'add chain ip6 switch in { type filter hook prerouting priority -300; }'
      nft add rule ip6 switch in iifname eth0 ip6 saddr ${NETWORK6} drop
    `);
      const flags = ["--direct-routing"];
      const { node } = await started(hosts, [...BOTH, ...flags], flags, alpha.underlay);
      await until("IPv4 is direct, IPv6 is not", 20_000, async () => {
        const { why, path } = (await alpha.daemon.peer(beta.name))!;
        return path === "direct-route" && /IPv6 takes the tunnel: no direct route: packets with/.test(why)
          ? true
          : null;
      });
      assert.match(await way(alpha, node.address6!), /dev ovl0/);
      await transfer(alpha, beta, node.address6!, BYTES);
      await beta.sh("nft delete table ip6 switch");
      await until("IPv6 is direct", 40_000, async () => {
        return (await way(alpha, node.address6!)).includes("via fd00:99::2") ? true : null;
      });
      await transfer(alpha, beta, node.address6!, BYTES);
    });
  },
);
