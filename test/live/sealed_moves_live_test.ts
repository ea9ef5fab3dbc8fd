/** A sealed mesh under change: either side killed under load, one behind NAT, one whose address changes. */
import assert from "node:assert/strict";
import { type ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { collect, type Host, until } from "./host.ts";
import { figure, liveTest, NETWORK, withHosts } from "./mesh.ts";
import { secretFile, startSealed } from "./sealed.ts";

const EVERY_MS = 20;

/** A ping every 20 ms; `longestGap` ends it and tells how long nothing was answered, for a figure. */
class SteadyPing {
  readonly #child: ChildProcess;
  readonly #ended: ReturnType<typeof collect>;

  constructor(from: Host, address: string) {
    this.#child = from.spawn(["ping", "-D", "-n", "-i", `${EVERY_MS / 1000}`, address]);
    this.#ended = collect(this.#child, { timeoutMs: 180_000 });
  }

  /** Milliseconds between two answers, the longest. */
  async longestGap(): Promise<number> {
    const killed = performance.timeOrigin + performance.now();
    this.#child.kill("SIGINT");
    const { stdout } = await this.#ended;
    const times = [...stdout.matchAll(/^\[(\d+\.\d+)\].*bytes from/gm)].map((match) =>
      1000 * Number(match[1])
    );
    assert.ok(times.length > 0, stdout);
    times.push(Math.max(killed, times.at(-1)!));
    return Math.max(...times.slice(1).map((time, i) => time - times[i]!));
  }
}

/** TCP without end between two hosts, for as long as `during` takes. */
async function underLoad(from: Host, to: Host, address: string, during: () => Promise<void>): Promise<void> {
  const server = to.spawn(["iperf3", "-s", "-1", "--forceflush"]);
  const served = collect(server, { timeoutMs: 180_000 });
  await new Promise((resolve) => server.stdout!.once("data", resolve));
  const client = from.spawn(["iperf3", "-c", address, "-t", "60", "-b", "200M"]);
  const sent = collect(client, { timeoutMs: 180_000 });
  await sleep(700);
  try {
    await during();
  } finally {
    server.kill("SIGKILL");
    client.kill("SIGKILL");
    await Promise.all([served, sent]);
  }
}

liveTest("either side killed under load and started again: traffic is back", async () => {
  await withHosts(2, async (hosts, folder) => {
    const [alpha, beta] = hosts as [Host, Host];
    const statuses = await startSealed(hosts, folder);
    const [, there] = statuses.map(({ node }) => node.address!) as [string, string];
    for (const victim of [beta, alpha]) {
      const other = victim === alpha ? beta : alpha;
      await underLoad(alpha, beta, there, async () => {
        const ping = new SteadyPing(alpha, there);
        await sleep(500);
        await victim.daemon.kill("SIGKILL");
        victim.up("compiled", ["--secret-file", `${victim.stateDir}/secret`, "--peers", other.underlay]);
        await victim.daemon.ready(1);
        await alpha.firstAnswer(there, 5000);
        const gap = await ping.longestGap();
        figure(
          `sealed, ${victim.name} killed under load and started at once: ${
            gap.toFixed(0)
          } ms without an answer`,
        );
      });
    }
  });
});

liveTest(
  "a changed underlay address, under traffic from either side: traffic is back, by the same session",
  async () => {
    await withHosts(2, async (hosts, folder) => {
      const [alpha, beta] = hosts as [Host, Host];
      const [here, there] = (await startSealed(hosts, folder)).map(({ node }) => node.address!) as [
        string,
        string,
      ];
      const session = (await alpha.daemon.peer("beta"))!.lastHandshakeSeconds!;
      for (
        const [from, address, old, fresh] of [
          [beta, here, "10.99.0.2", "10.99.0.12"],
          [alpha, there, "10.99.0.12", "10.99.0.22"],
        ] as const
      ) {
        const ping = new SteadyPing(from, address);
        await sleep(500);
        await beta.sh(`ip addr del ${old}/24 dev eth0; ip addr add ${fresh}/24 dev eth0`);
        await until("alpha knows where beta is", 3000, async () => {
          const peer = await alpha.daemon.peer("beta");
          return peer?.endpoint === `${fresh}:8473` ? peer : null;
        });
        await from.firstAnswer(address, 3000);
        const gap = await ping.longestGap();
        figure(
          `sealed, ${old} becomes ${fresh} while ${from.name} pings: ${gap.toFixed(0)} ms without an answer`,
        );
      }
      figure(
        `age of the session before ${session} s, after ${
          (await alpha.daemon.peer("beta"))!.lastHandshakeSeconds
        } s`,
      );
    });
  },
);

liveTest(
  "one side behind NAT: meshes, both directions, kept open, and the router's own address may change",
  async () => {
    await withHosts(3, async (hosts, folder) => {
      // beta — gamma (router, masquerades) — alpha: beta's own wire leads to gamma only.
      const [alpha, beta, gamma] = hosts as [Host, Host, Host];
      await beta.sh(
        "ip addr flush dev eth0; ip addr add 192.168.77.2/24 dev eth0; ip route add default via 192.168.77.1",
      );
      await gamma.sh(`
      ip addr add 192.168.77.1/24 dev eth0
      sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
      sysctl -qw net.netfilter.nf_conntrack_udp_timeout=3 net.netfilter.nf_conntrack_udp_timeout_stream=3
      nft -f - <<'END'
        table ip nat {
          chain post {
            type nat hook postrouting priority 100
            ip saddr 192.168.77.0/24 ip daddr 10.99.0.0/24 masquerade random
          }
        }
END
    `);
      const secret = ["--secret-file", secretFile(folder)];
      alpha.up("compiled", [...secret, "--network", NETWORK]);
      await alpha.daemon.ready(0);
      beta.up("compiled", [...secret, "--peers", alpha.underlay]);
      const [a, b] = await Promise.all([alpha.daemon.ready(1), beta.daemon.ready(1)]);
      const seen = (await alpha.daemon.peer("beta"))!;
      assert.match(seen.endpoint!, /^10\.99\.0\.3:/, "where the router puts it");
      assert.equal(seen.security, "sealed");
      assert.equal(await alpha.pingLoss(b!.node.address!), 0);
      assert.equal(await beta.pingLoss(a!.node.address!), 0);
      // Nothing is sent for longer than the router remembers: the keepalives are what remains.
      await sleep(5000);
      assert.equal(await alpha.pingLoss(b!.node.address!), 0, "the outer side begins after a pause");
      // The router gets another address, and with it forgets all: what beta sends moves alpha's idea of it.
      const ping = new SteadyPing(beta, a!.node.address!);
      await sleep(400);
      await gamma.sh("ip addr del 10.99.0.3/24 dev eth0; ip addr add 10.99.0.13/24 dev eth0");
      await until("alpha knows where the router is now", 10_000, async () => {
        return /^10\.99\.0\.13:/.test((await alpha.daemon.peer("beta"))?.endpoint ?? "") ? true : null;
      });
      await beta.firstAnswer(a!.node.address!, 3000);
      const gap = await ping.longestGap();
      figure(`behind NAT, the router gets another address: ${gap.toFixed(0)} ms without an answer`);
      assert.equal(await alpha.pingLoss(b!.node.address!), 0);
    });
  },
);
