/**
 * What swallows one way and leaves the others: a switch that knows which host has which address, a source check of the
 * kernel, a firewall that knows ports, a link that drops large packets without a word. A path counts by its own way.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { PeerStatus } from "../../src/api/schema.ts";
import type { Topology } from "../../src/lab/topology.ts";
import { collect, type Host, type Kind, until } from "./host.ts";
import { assertAllPairs, liveTest, NETWORK, startMesh, transfer, withHosts } from "./mesh.ts";
import { startSealed } from "./sealed.ts";

const KINDS: readonly Kind[] = ["compiled", "bun"];
const STRICT = "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $f; done";
/** As with port security: what comes from a host has that host's address. */
const PORT_SECURITY = "nft add table netdev ports; " +
  ["alpha", "beta"].map((name) =>
    `nft add chain netdev ports ${name} "{ type filter hook ingress device to-${name} priority 0; }"; ` +
    `nft add rule netdev ports ${name} ip saddr ${NETWORK} drop`
  ).join("; ");
const NO_VXLAN_PORT = "nft add table netdev fw; " +
  ["alpha", "beta"].map((name) =>
    `nft add chain netdev fw ${name} "{ type filter hook ingress device to-${name} priority 0; }"; ` +
    `nft add rule netdev fw ${name} udp dport 8472 drop`
  ).join("; ");

/** A shell script between the hosts, on the switch. */
async function onSwitch(between: Topology["between"], script: string): Promise<void> {
  const child = between(() => spawn("sh", ["-ec", script], { stdio: "pipe", cwd: "/" }));
  const { code, stderr } = await collect(child);
  assert.equal(code, 0, `${script}\n${stderr}`);
}

async function pathIs(host: Host, peer: string, path: string, why: RegExp): Promise<PeerStatus> {
  return await until(`${host.name} reaches ${peer} by ${path}`, 20_000, async () => {
    const found = await host.daemon.peer(peer);
    if (found?.path === path && why.test(found.why)) return found;
    throw new Error(`it is ${found?.path}: ${found?.why}`);
  });
}

/** A founder and a joiner, waited for by nobody. */
function start(hosts: readonly Host[], flags: readonly string[], others = flags): void {
  const [alpha, beta] = hosts as [Host, Host];
  alpha.up("compiled", ["--network", NETWORK, ...flags]);
  beta.up("bun", ["--peers", alpha.underlay, ...others]);
}

liveTest(
  "A direct route gives way to the tunnel, on both sides, when the switch begins to drop overlay addresses",
  async () => {
    await withHosts(2, async (hosts, _folder, between) => {
      const [alpha, beta] = hosts as [Host, Host];
      for (const host of hosts) await host.sh(STRICT);
      const statuses = await startMesh(hosts, KINDS, ["--direct-routing"]);
      assert.deepEqual(statuses.map(({ peers }) => peers[0]!.path), ["direct-route", "direct-route"]);
      await assertAllPairs(hosts, statuses);
      await onSwitch(between, PORT_SECURITY);
      for (const [host, peer] of [[alpha, "beta"], [beta, "alpha"]] as const) {
        const { answered } = await pathIs(
          host,
          peer,
          "tunnel",
          /packets with overlay addresses get no answer/,
        );
        assert.ok(typeof answered === "number");
        assert.ok(!(await host.sh("ip -4 route show proto 84")).includes("/24 via"));
      }
      await assertAllPairs(hosts, statuses);
      const why = await alpha.ovltun(["why", "beta"]);
      assert.match(why.stdout, /port security/);
    });
  },
);

liveTest(
  "host-gw says that nothing gets through where the switch drops overlay addresses, and wait waits",
  async () => {
    await withHosts(2, async (hosts, _folder, between) => {
      const [alpha] = hosts as [Host, Host];
      await onSwitch(between, PORT_SECURITY);
      start(hosts, ["--backend", "host-gw"]);
      const { answered, state } = await pathIs(
        alpha,
        "beta",
        "none",
        /packets with overlay addresses get no answer/,
      );
      assert.deepEqual([answered, state], [null, "alive"]);
      const waited = await alpha.ovltun(["wait", "--peers", "1", "--timeout", "1s"]);
      assert.equal(waited.code, 1, waited.stderr);
      const why = await alpha.ovltun(["why", "beta"]);
      assert.match(why.stdout, /--backend udp --direct-routing/);
    });
  },
);

liveTest(
  "--direct-routing on one side only: both use the tunnel, also with strict source checks",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      for (const host of hosts) await host.sh(STRICT);
      start(hosts, ["--direct-routing"], []);
      const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(1)));
      await pathIs(
        alpha,
        "beta",
        "tunnel",
        /both sides need --direct-routing, and beta was started without it/,
      );
      await pathIs(beta, "alpha", "tunnel", /./);
      await assertAllPairs(hosts, statuses);
    });
  },
);

liveTest(
  "Where 8472/udp is filtered a VXLAN mesh goes by 8473, says so, and ping names that port; once it is open, by 8472",
  async () => {
    await withHosts(2, async (hosts, _folder, between) => {
      const [alpha, beta] = hosts as [Host, Host];
      await onSwitch(between, NO_VXLAN_PORT);
      start(hosts, ["--backend", "vxlan"]);
      const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(1)));
      await pathIs(alpha, "beta", "tunnel", /^no answer on 8472\/udp/);
      await pathIs(beta, "alpha", "tunnel", /^no answer on 8472\/udp/);
      await assertAllPairs(hosts, statuses);
      const ping = await alpha.ovltun(["ping", "beta", "-c", "1"]);
      assert.match(ping.stdout, new RegExp(`via tunnel ${beta.underlay}:8473`));
      const why = await alpha.ovltun(["why", "beta"]);
      assert.match(why.stdout, /open 8472\/udp between alpha and beta/);
      await transfer(alpha, beta, statuses[1]!.node.address!, 300_000);
      await onSwitch(between, "nft delete table netdev fw");
      await pathIs(alpha, "beta", "tunnel", /^direct routing is off/);
      await pathIs(beta, "alpha", "tunnel", /^direct routing is off/);
      await assertAllPairs(hosts, statuses);
    });
  },
);

for (
  const [name, flags, mtu] of [
    ["udp", [], 1400 - 44],
    ["vxlan", ["--backend", "vxlan"], 1400 - 50],
    ["sealed", null, 1400 - 60],
    ["a direct route", ["--direct-routing"], 1400],
  ] as const
) {
  liveTest(
    `Where packets above 1400 bytes vanish without a word, TCP flows all the same: ${name}`,
    async () => {
      await withHosts(2, async (hosts, folder, between) => {
        const [alpha, beta] = hosts as [Host, Host];
        // Trains of datagrams pass a bridge port whole, whatever its MTU; what is sent by itself does not.
        await onSwitch(between, "ip link set to-beta mtu 1400");
        const statuses = flags === null
          ? await startSealed(hosts, folder)
          : await startMesh(hosts, KINDS, flags);
        await transfer(alpha, beta, statuses[1]!.node.address!, 1_000_000);
        await transfer(beta, alpha, statuses[0]!.node.address!, 1_000_000);
        const found = await until("alpha knows what passes", 10_000, async () => {
          const peer = await alpha.daemon.peer("beta");
          return peer !== undefined && peer.mtu <= mtu ? peer.mtu : null;
        });
        assert.equal(found, mtu);
        const why = (await alpha.ovltun(["why", "beta"])).stdout;
        assert.match(why, new RegExp(`packets above ${mtu} bytes do not get through`));
        // The route says it where it came only after that was known.
        const told = new RegExp(`path MTU to beta is ${mtu}, down from|Added route .* dev eth0 mtu ${mtu}`);
        await until("the log tells", 15_000, () => told.test(alpha.daemon.log()) ? true : null);
      });
    },
  );
}

liveTest("What ICMP told the kernel of a path makes no path smaller: what passes is asked for", async () => {
  await withHosts(2, async (hosts, folder) => {
    const [alpha, beta] = hosts as [Host, Host];
    const statuses = await startSealed(hosts, folder);
    // As after an ICMP error, which anybody may send: the kernel believes that the way takes 600 bytes.
    await alpha.sh(`ip route replace ${beta.underlay}/32 dev eth0 mtu 600`);
    const address = statuses[1]!.node.address!;
    await alpha.sh(`ping -c 3 -i 0.1 -W 2 -M do -s ${1440 - 28} ${address}`);
    await transfer(alpha, beta, address, 300_000);
    assert.equal((await alpha.daemon.peer("beta"))!.mtu, 1440);
  });
});
