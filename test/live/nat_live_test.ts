/**
 * Two hosts behind routers that masquerade, and a public one: they meet by punching where both routers drop what nobody
 * asked for. Where one of them has no firewall on its input and was punched first, they meet after a pause, and until then
 * status, why and the log say what is wrong and what helps.
 */
import assert from "node:assert/strict";
import type { Host } from "./host.ts";
import { until } from "./host.ts";
import { assertAllPairs, figure, liveTest, NETWORK, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

/** A host and the router between it and the others. */
interface Home {
  readonly host: Host;
  readonly router: Host;
}

/** Puts the host behind the router, which drops what nobody asked for. */
async function makeHome(host: Host, router: Host, lan: number): Promise<Home> {
  const net = `192.168.${lan}`;
  await host.sh(
    `ip addr flush dev eth0; ip addr add ${net}.2/24 dev eth0; ip route add default via ${net}.1`,
  );
  await router.sh(`
    ip addr add ${net}.1/24 dev eth0
    sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
    nft -f - <<'END'
      table ip home {
        chain post {
          type nat hook postrouting priority 100
          ip saddr ${net}.0/24 ip daddr 10.99.0.0/24 masquerade
        }
        chain strangers {
          udp dport 8473 counter drop
        }
        chain in {
          type filter hook input priority 0
          jump strangers
        }
        chain forward {
          type filter hook forward priority 0
        }
      }
END
  `);
  return { host, router };
}

/** Starts the public host and, once it is there, those at home. */
async function start(open: Host, homes: readonly Home[], folder: string) {
  const secret = ["--secret-file", secretFile(folder)];
  open.up("compiled", [...secret, "--network", NETWORK]);
  await open.daemon.ready(0);
  for (const { host } of homes) host.up("compiled", [...secret, "--peers", open.underlay]);
}

liveTest("two hosts behind routers that drop what nobody asked for meet by punching", async () => {
  await withHosts(5, async (hosts, folder) => {
    const [alpha, beta, gamma, delta, epsilon] = hosts as [Host, Host, Host, Host, Host];
    const homes = [await makeHome(beta, delta, 77), await makeHome(gamma, epsilon, 78)];
    await start(alpha, homes, folder);
    const statuses = await Promise.all([alpha, beta, gamma].map((host) => host.daemon.ready(2)));
    assert.equal((await beta.daemon.peer("gamma"))!.endpoint, `${epsilon.underlay}:8473`);
    await assertAllPairs([alpha, beta, gamma], statuses);
  });
});

liveTest("a router without a firewall that was punched first keeps nobody apart for ever", async () => {
  await withHosts(5, async (hosts, folder) => {
    const [alpha, beta, gamma, delta, epsilon] = hosts as [Host, Host, Host, Host, Host];
    const homes = [await makeHome(beta, delta, 77), await makeHome(gamma, epsilon, 78)];
    const between = (to: Home) => `ip daddr ${to.router.underlay} udp dport 8473`;
    for (const [i, { router }] of homes.entries()) {
      await router.sh(`nft add rule ip home forward ${between(homes[1 - i]!)} drop`);
    }
    await start(alpha, homes, folder);
    const ids = await Promise.all(homes.map(async ({ host }) => (await host.daemon.ready(1)).node.id));
    // The smaller id begins after the pause: behind the router that accepts, it has to.
    const [accepting, dropping] = (ids[0]! < ids[1]! ? homes : [...homes].reverse()) as [Home, Home];
    await accepting.router.sh(
      "nft flush chain ip home strangers; nft add rule ip home strangers udp dport 8473 counter",
    );
    await dropping.router.sh("nft flush chain ip home forward");
    await until("the other side has punched first", 60_000, async () => {
      const counted = await accepting.router.sh("nft list chain ip home strangers");
      return /packets [1-9]/.test(counted) ? true : null;
    });
    await accepting.router.sh("nft flush chain ip home forward");
    const began = performance.now();

    const { host } = accepting;
    const other = dropping.host.name;
    const line = new RegExp(
      `warn .*${other} is alive, but this host has no path to it: .*both are behind NAT`,
    );
    await until("the log says so", 30_000, () => line.exec(host.daemon.log()));
    if ((await host.daemon.peer(other))!.path === "none") {
      const { stdout } = await host.ovltun(["status"]);
      assert.match(stdout, /2 of 2 alive, 1 without a path/);
      const why = JSON.parse((await host.ovltun(["why", other, "--json"])).stdout);
      const fixes: string[] = why.attempts.flatMap(({ fix }: { fix: string | null }) => fix ?? []);
      assert.equal(
        fixes.join(),
        `both are behind NAT: forward 8473/udp to ${other} on its router, and start ${other} with --advertise ` +
          `${dropping.router.underlay}; or the same for this host: forward 8473/udp to ` +
          `${host.name} on its router, and start ${host.name} with --advertise ${accepting.router.underlay}`,
      );
    }

    const statuses = await Promise.all([alpha, beta, gamma].map((host) => host.daemon.ready(2, 120_000)));
    figure(
      `NAT, punched in the wrong order: a path after ${((performance.now() - began) / 1000).toFixed(0)} s`,
    );
    await assertAllPairs([alpha, beta, gamma], statuses);
    await until("the log says that it is over", 20_000, () => {
      return new RegExp(`info .*${other} has a path again: tunnel`).exec(host.daemon.log());
    });
    assert.equal(host.daemon.log().split("has no path to it").length, 2, "once");
  });
});
